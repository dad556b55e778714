//! One session: its connection, where it stands, and what it may still be owed.

use types::{Generation, QuestionId, QuestionIdEcho, WireId};

use crate::course::Course;
use crate::debts::Debts;
use crate::question::Pending;
use crate::state::State;

/// A session that is connected, or departed and possibly owed an answer.
#[derive(Debug)]
pub(crate) struct Session {
    /// The connection it has, or had last.
    pub(crate) generation: Generation,
    pub(crate) state: State,
    pub(crate) debts: Debts,
    /// The question that was answered last, to tell a duplicate from a late answer.
    pub(crate) answered: Option<Box<Answered>>,
    /// `Some` when its connection speaks version 2, or the last one did.
    pub(crate) course: Option<Box<Course>>,
}

/// How the question that was answered last is recognised.
#[derive(Debug)]
pub(crate) struct Answered {
    question_id: QuestionId,
    wire_id: WireId,
}

impl Session {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation,
            state: State::Idle,
            debts: Debts::default(),
            answered: None,
            course: None,
        }
    }

    /// Whether the record, by the question it names, answers once more what was answered last.
    /// A record that names no question (the plain id, nothing echoed) may be anything.
    pub(crate) fn was_answered(&self, echo: QuestionIdEcho, wire_id: &WireId) -> bool {
        self.answered.as_deref().is_some_and(|answered| match echo {
            QuestionIdEcho::Echoed(id) => id == answered.question_id,
            QuestionIdEcho::Absent => !wire_id.is_plain() && *wire_id == answered.wire_id,
            QuestionIdEcho::Foreign => false,
        })
    }
}

impl Answered {
    pub(crate) fn new(question: &Pending) -> Self {
        Self {
            question_id: question.question_id(),
            wire_id: question.wire_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::SessionId;

    use super::Session;

    #[test]
    fn an_idle_session_takes_88_bytes_of_its_table_with_its_id() {
        assert_eq!(size_of::<Session>(), 72);
        assert_eq!(size_of::<(SessionId, Session)>(), 88);
    }
}
