//! A record goes to nobody; why?

use std::time::Instant;

use session_core::{SessionEvent, WireIdMode};
use types::{Answer, AnswerOutcome, QuestionIdEcho, SessionId};

use super::super::history::Fact;
use super::Reference;

impl Reference {
    /// Tells whether this session has a socket, or is remembered without one.
    pub(super) fn is_known(&self, session: &str) -> bool {
        self.history.connection(session).is_some()
            || self.history.remembered_until(session).is_some()
    }

    /// The record goes to nobody; why?
    pub(super) fn explain(&mut self, now: Instant, session: &str, answer: &Answer) {
        let here = self.history.connection(session).is_some();
        let asked_with_suffix = self.settings.wire_id == WireIdMode::Suffixed
            || self.history.has_asked_with_suffix(now, session);
        if !self.is_known(session) {
            return self.decided(AnswerOutcome::Foreign);
        }
        let again = self.history.repeats_the_last_answer(session, answer);
        let plain = answer.wire_id.is_plain();
        let may_be_owed = plain && !again;
        let owed = may_be_owed
            .then(|| self.history.owes_plain(now, session))
            .flatten();
        if owed.is_some() && answer.part.is_last() {
            let id = SessionId::parse(session).unwrap();
            self.history.add(now, Fact::Settled(id));
        }
        if !here {
            return self.decided(AnswerOutcome::Undeliverable);
        }
        let unexplained = plain && owed.is_none() && !answer.is_replayed;
        if unexplained && asked_with_suffix && answer.question_id == QuestionIdEcho::Absent {
            self.history.add(now, Fact::BareAnswer);
            if self.history.bare_answers() >= 3 {
                let session = SessionId::parse(session).unwrap();
                self.note(SessionEvent::SuffixStripped { session });
            }
        }
        let unexplained = unexplained && !asked_with_suffix;
        if unexplained && self.settings.wire_id == WireIdMode::Plain {
            self.history.add(now, Fact::PlainUnsafe);
            self.note(SessionEvent::DuplicateAnswers);
        }
        let idle = self.history.open(session).is_none();
        let lost = owed.is_some_and(|question| self.history.lost_its_socket(question));
        self.decided(if again || (idle && unexplained) {
            AnswerOutcome::Duplicate
        } else if lost {
            AnswerOutcome::Undeliverable
        } else {
            AnswerOutcome::Late
        });
    }
}
