//! A record answers the question its session waits for: wholly, or in part.

use std::time::Instant;

use session_core::{SessionEvent, WireIdMode};
use types::{Answer, AnswerBody, AnswerOutcome, AnswerPart, AnswerText};

use super::super::history::{Asked, Fact};
use super::super::part_assembly::{self, Verdict};
use super::Reference;

impl Reference {
    pub(super) fn receive(&mut self, now: Instant, question: &Asked, answer: Answer) {
        let max = self.settings.max_answer_bytes;
        let parts = self.history.parts(question.id);
        let more_may_come = !parts.is_empty();
        match (&answer.body, answer.part) {
            (AnswerBody::Text(text), AnswerPart::Whole) if text.expose().len() > max => {
                self.refuse_answer(now, question, SessionEvent::AnswerTooLarge, more_may_come);
            }
            (AnswerBody::Text(_), AnswerPart::Piece { .. }) => {
                self.join(now, question, &parts, answer);
            }
            _ => self.deliver(now, question, answer.body, more_may_come),
        }
    }

    fn join(&mut self, now: Instant, question: &Asked, parts: &[Answer], answer: Answer) {
        match part_assembly::judge(parts, &answer, self.settings.max_answer_bytes) {
            Verdict::Kept => {
                if !self.history.is_accepted(question.id) {
                    self.accept(now, question);
                }
                self.history.add(now, Fact::Part(question.id, answer));
                self.decided(AnswerOutcome::Part);
            }
            Verdict::Whole(text) => {
                let more_may_come =
                    !part_assembly::are_of_first_attempt(&[parts, &[answer]].concat());
                let body = AnswerBody::Text(AnswerText::new(text));
                self.deliver(now, question, body, more_may_come);
            }
            Verdict::Again => {
                let exact = !answer.wire_id.is_plain() || answer.is_replayed;
                if !exact && self.settings.wire_id == WireIdMode::Plain {
                    self.history.add(now, Fact::PlainUnsafe);
                    self.note(SessionEvent::DuplicateAnswers);
                }
                self.decided(AnswerOutcome::Duplicate);
            }
            Verdict::Outdated => self.decided(AnswerOutcome::Late),
            Verdict::TooLarge => {
                self.refuse_answer(now, question, SessionEvent::AnswerTooLarge, true)
            }
            Verdict::Broken => {
                self.refuse_answer(now, question, SessionEvent::ContradictoryParts, true)
            }
        }
    }

    fn refuse_answer(
        &mut self,
        now: Instant,
        question: &Asked,
        why: SessionEvent,
        more_may_come: bool,
    ) {
        self.note(why);
        self.deliver(now, question, AnswerBody::Failed(None), more_may_come);
    }
}
