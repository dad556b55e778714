//! Everything the core can want done.

use std::time::Duration;

use types::{
    AnswerFloor, AnswerOutcome, AnswerText, Question, QuestionId, QuestionOutcome, SessionId,
    SessionKey, WireId,
};

use crate::told::{ResumePoint, Told};

/// One thing to do. Closed and comparable, so that tests are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Produce this question; report with [`crate::Input::Published`] or [`crate::Input::PublishFailed`].
    /// The pending entry exists already.
    Publish {
        /// Who asked.
        key: SessionKey,
        /// What the report is to name.
        publish: PublishId,
        /// What to produce.
        question: Question,
    },
    /// Look up what was written of an answer before now: every record that names the question, and
    /// every one under the wire id that names none. Report with [`crate::Input::Recovered`]. The
    /// pending entry exists already, so what comes from now on is not missed.
    Recover {
        /// Whose question.
        key: SessionKey,
        /// Which one.
        question_id: QuestionId,
        /// What its answer carries as session id.
        wire_id: WireId,
        /// Below it stands nothing of its answer.
        floor: AnswerFloor,
    },
    /// Tell this to a client of version 2.
    Tell {
        /// Whom.
        key: SessionKey,
        /// What.
        told: Box<Told>,
    },
    /// Put this on the socket of a client of version 1.
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
        /// What the client's next token says, if it does well to come back with one (version 2).
        resume: Option<Box<ResumePoint>>,
    },
    /// Something worth a log line or a metric happened.
    Note(Event),
}

/// Names one publication of a question. A question that is asked again has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishId {
    /// The question.
    pub question: QuestionId,
    /// Counts the publications of this process.
    pub number: u64,
}

/// Which version of the WebSocket protocol a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// One frame a question.
    V1,
    /// Tokens, parts, resumption.
    V2,
}

/// What a client of version 1 is told.
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
        /// What its client speaks.
        version: Version,
        /// From asking to now.
        after: Duration,
    },
    /// A question that was accepted earlier, here or elsewhere, came with its resumed session.
    QuestionAdopted {
        /// Whose question.
        key: SessionKey,
    },
    /// A session could not be resumed.
    NotResumed {
        /// Whose token it was.
        key: SessionKey,
    },
    /// A socket without a token asked for the id of a live session that it may not replace: in version 1
    /// it is closed, in version 2 it gets another id.
    SessionIdInUse {
        /// The connection that asked.
        key: SessionKey,
        /// The version that its client speaks.
        version: Version,
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
    /// Another attempt at an answer began after parts of the one before were sent; its question has
    /// ended with an error (version 2).
    AnswerRestarted,
    /// The parts of an answer contradict each other; its question has ended with an error.
    PartsBroken,
    /// The answering side answered one plain question twice: every question takes a suffix for
    /// `answer_ttl`.
    DuplicatesSeen,
    /// An answer under the bare id of a session that had asked under a suffix, for the third time or more
    /// with none under a suffix in between: the answering side strips suffixes, which breaks the contract.
    SuffixStripped {
        /// The session whose question cannot be answered so.
        session: SessionId,
    },
    /// A debt could not be remembered: every question takes a suffix for `answer_ttl`.
    OwedTableFull,
}
