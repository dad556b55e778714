//! Everything the core can want done.

use std::time::Duration;

use types::{AnswerOutcome, AnswerText, Question, QuestionOutcome, SessionKey};

/// One thing to do. Closed and comparable, so that tests are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Produce this question; report with [`crate::Input::Published`] or [`crate::Input::PublishFailed`].
    /// The pending entry exists already.
    Publish {
        /// Who asked.
        key: SessionKey,
        /// What to produce.
        question: Question,
    },
    /// Put this on the socket.
    Send {
        /// To whom.
        key: SessionKey,
        /// What.
        reply: Reply,
    },
    /// Close the socket after what was sent before.
    Close {
        /// Whose.
        key: SessionKey,
        /// Why.
        reason: CloseReason,
    },
    /// Something worth a log line or a metric happened.
    Note(Event),
}

/// What a client is told. Each edge version renders these in its own frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The answer to the session's question.
    Answer {
        /// The answer's text.
        text: AnswerText,
        /// From [`crate::Input::Ask`] to the delivery report; `None` when the answer came first.
        publish: Option<Duration>,
        /// From [`crate::Input::Ask`] to the answer.
        total: Duration,
    },
    /// The answering side gave up on the question.
    AnswerFailed,
    /// One question is outstanding; it goes on.
    Busy,
    /// This process is draining and takes no questions.
    Draining,
    /// Kafka or the registry did not take the question; the session is free.
    PublishFailed,
    /// The answer deadline, or the drain's budget, passed; the session is free.
    TimedOut,
}

/// Why the core closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// This process drains (4001).
    Draining,
    /// A newer connection has the same session id (4509).
    Superseded,
}

/// What happened, for logs and metrics. Ids only, never texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A question is in Kafka.
    QuestionAccepted {
        /// Whose question.
        key: SessionKey,
        /// From asking to now.
        after: Duration,
    },
    /// A question ended.
    QuestionEnded {
        /// Whose question.
        key: SessionKey,
        /// How.
        outcome: QuestionOutcome,
        /// From asking to now.
        after: Duration,
    },
    /// A record of the answers' topic was decided.
    AnswerDecided {
        /// How.
        outcome: AnswerOutcome,
    },
    /// An answer is larger than it may be; its question has ended with an error.
    AnswerTooLarge,
    /// The parts of an answer contradict each other; its question has ended with an error.
    PartsBroken,
    /// The answering side answered one plain question twice: every question takes a suffix for
    /// `answer_ttl`.
    DuplicatesSeen,
    /// A debt could not be remembered: every question takes a suffix for `answer_ttl`.
    OwedTableFull,
}
