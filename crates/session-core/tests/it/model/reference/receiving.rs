//! A record answers the question its session waits for: wholly, or in part.

use std::time::Instant;

use session_core::{Event, WireIdMode};
use types::{Answer, AnswerBody, AnswerOutcome, AnswerPart, AnswerText};

use super::super::history::{Asked, Fact};
use super::super::joining::{self, Verdict};
use super::Reference;

impl Reference {
    pub(super) fn receive(&mut self, now: Instant, question: &Asked, answer: Answer) {
        let max = self.settings.max_answer_bytes;
        let parts = self.history.parts(question.id);
        let more_may_come = !parts.is_empty();
        match (&answer.body, answer.part) {
            (AnswerBody::Text(text), AnswerPart::Whole) if text.expose().len() > max => {
                self.refuse_answer(now, question, Event::AnswerTooLarge, more_may_come);
            }
            (AnswerBody::Text(_), AnswerPart::Piece { .. }) => {
                self.join(now, question, &parts, answer);
            }
            _ => self.deliver(now, question, answer.body, more_may_come),
        }
    }

    fn join(&mut self, now: Instant, question: &Asked, parts: &[Answer], answer: Answer) {
        match joining::judge(parts, &answer, self.settings.max_answer_bytes) {
            Verdict::Kept => {
                if !self.history.is_accepted(question.id) {
                    self.accept(now, question);
                }
                self.history.add(now, Fact::Part(question.id, answer));
                self.decided(AnswerOutcome::Part);
            }
            Verdict::Whole(text) => {
                let more_may_come = !joining::are_of_first_attempt(&[parts, &[answer]].concat());
                let body = AnswerBody::Text(AnswerText::new(text));
                self.deliver(now, question, body, more_may_come);
            }
            Verdict::Again => {
                let exact = !answer.wire_id.is_plain() || answer.replayed;
                if !exact && self.settings.wire_id == WireIdMode::Plain {
                    self.history.add(now, Fact::PlainUnsafe);
                    self.note(Event::DuplicatesSeen);
                }
                self.decided(AnswerOutcome::Duplicate);
            }
            Verdict::Outdated => self.decided(AnswerOutcome::Late),
            Verdict::TooLarge => self.refuse_answer(now, question, Event::AnswerTooLarge, true),
            Verdict::Broken => self.refuse_answer(now, question, Event::PartsBroken, true),
        }
    }

    fn refuse_answer(&mut self, now: Instant, question: &Asked, why: Event, more_may_come: bool) {
        self.note(why);
        self.deliver(now, question, AnswerBody::Failed(None), more_may_come);
    }
}
