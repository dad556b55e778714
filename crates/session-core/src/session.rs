//! One session: its connection, where it stands, and what it may still be owed.

use types::{Generation, QuestionId, QuestionIdEcho, WireId};

use crate::outstanding_question::OutstandingQuestion;
use crate::pending_answers::PendingAnswers;
use crate::session_state::SessionState;
use crate::stream_progress::StreamProgress;

/// A session that is connected, or departed and possibly owed an answer.
#[derive(Debug)]
pub(crate) struct Session {
    /// The connection it has, or had last.
    pub(crate) generation: Generation,
    pub(crate) state: SessionState,
    pub(crate) pending_answers: PendingAnswers,
    /// The question that was answered last, to tell a duplicate from a late answer.
    pub(crate) last_answered: Option<Box<AnsweredQuestion>>,
    /// `Some` when its connection speaks version 2, or the last one did.
    pub(crate) progress: Option<Box<StreamProgress>>,
}

/// Identifies the question that was answered last.
#[derive(Debug)]
pub(crate) struct AnsweredQuestion {
    question_id: QuestionId,
    wire_id: WireId,
}

impl Session {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation,
            state: SessionState::Idle,
            pending_answers: PendingAnswers::default(),
            last_answered: None,
            progress: None,
        }
    }

    /// Tells whether the record, by the question it names, answers once more what was answered last.
    /// A record that names no question (the plain id, nothing echoed) may be anything.
    pub(crate) fn is_repeat_of_last_answer(&self, echo: QuestionIdEcho, wire_id: &WireId) -> bool {
        self.last_answered
            .as_deref()
            .is_some_and(|answered| match echo {
                QuestionIdEcho::Echoed(id) => id == answered.question_id,
                QuestionIdEcho::Absent => !wire_id.is_plain() && *wire_id == answered.wire_id,
                QuestionIdEcho::Foreign => false,
            })
    }
}

impl AnsweredQuestion {
    pub(crate) fn new(question: &OutstandingQuestion) -> Self {
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
