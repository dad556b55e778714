//! One session: its connection, its open question, and what it may still be owed.

use std::time::{Duration, Instant};

use types::{AnswerFloor, Generation, QuestionId, QuestionIdEcho, WireId};

/// A session that is connected, or departed and possibly owed an answer.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// `None` once the socket is gone.
    pub(crate) connection: Option<Connection>,
    pub(crate) debts: Debts,
    /// The question that was answered last, to tell a duplicate from a late answer.
    pub(crate) answered: Option<Box<Answered>>,
}

/// The socket a session has now.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) generation: Generation,
    /// True once the socket was told to close: nothing more is sent and nothing more is taken.
    pub(crate) closing: bool,
    pub(crate) question: Option<Box<OpenQuestion>>,
}

/// The question a session waits for.
#[derive(Debug)]
pub(crate) struct OpenQuestion {
    pub(crate) question_id: QuestionId,
    pub(crate) wire_id: WireId,
    /// An answer below it was written before this question.
    pub(crate) floor: AnswerFloor,
    pub(crate) asked: Instant,
    pub(crate) deadline: Instant,
    /// From asking to the delivery report, once there is one.
    pub(crate) accepted_after: Option<Duration>,
}

/// What the last answered question was called.
#[derive(Debug)]
pub(crate) struct Answered {
    question_id: QuestionId,
    wire_id: WireId,
}

/// What a session may still be owed: nothing, or answers to questions it no longer waits for.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    until: Option<Instant>,
    /// How many of them were published under the plain id.
    plain: u8,
}

impl Session {
    /// The connection, if it has this generation.
    pub(crate) fn current(&mut self, generation: Generation) -> Option<&mut Connection> {
        self.connection
            .as_mut()
            .filter(|connection| connection.generation == generation)
    }

    /// The open question, if any.
    pub(crate) fn question(&self) -> Option<&OpenQuestion> {
        self.connection.as_ref()?.question.as_deref()
    }
}

impl Connection {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation,
            closing: false,
            question: None,
        }
    }
}

impl Answered {
    pub(crate) fn new(question: &OpenQuestion) -> Self {
        Self {
            question_id: question.question_id,
            wire_id: question.wire_id.clone(),
        }
    }

    /// True when the record answers this question once more, by what it says of itself.
    pub(crate) fn matches(&self, echo: QuestionIdEcho, wire_id: &WireId) -> bool {
        match echo {
            QuestionIdEcho::Echoed(id) => id == self.question_id,
            QuestionIdEcho::Absent => !wire_id.is_plain() && *wire_id == self.wire_id,
            QuestionIdEcho::Foreign => false,
        }
    }
}

impl Debts {
    /// Notes that an answer to `wire_id` may come until `until` although nobody waits for it.
    pub(crate) fn incur(&mut self, now: Instant, until: Instant, wire_id: &WireId) {
        if !self.outstanding(now) {
            self.plain = 0;
        }
        self.until = self.until.max(Some(until));
        if wire_id.is_plain() {
            self.plain = self.plain.saturating_add(1);
        }
    }

    /// True while an answer that nobody waits for may still come.
    pub(crate) fn outstanding(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When the last of them lapses.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Takes one plain answer as the explanation of one debt; false when none explains it.
    pub(crate) fn settle_plain(&mut self, now: Instant) -> bool {
        let explained = self.outstanding(now) && self.plain > 0;
        if explained {
            self.plain -= 1;
        }
        explained
    }
}

#[cfg(test)]
mod tests {
    use types::SessionId;

    use super::*;

    #[test]
    fn a_debt_lapses_and_explains_as_many_plain_answers_as_were_incurred() {
        let wire_id = WireId::plain(&SessionId::parse("s").unwrap());
        let start = Instant::now_for_tests();
        let later = start + Duration::from_secs(10);
        let mut debts = Debts::default();
        assert!(!debts.outstanding(start) && !debts.settle_plain(start));

        debts.incur(start, later, &wire_id);
        assert!(debts.outstanding(start) && !debts.outstanding(later));
        assert!(debts.settle_plain(start));
        assert!(!debts.settle_plain(start), "one debt explains one answer");
        assert!(
            debts.outstanding(start),
            "a settled debt is still an ambiguity"
        );
        assert!(!debts.settle_plain(later));
    }

    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() <= 96, "{} bytes", size_of::<Session>());
    }

    trait Now {
        fn now_for_tests() -> Self;
    }

    impl Now for Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the start of a test"
        )]
        fn now_for_tests() -> Self {
            Self::now()
        }
    }
}
