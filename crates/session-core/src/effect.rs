//! Everything the core can want done.

use std::time::Duration;

use types::{
    AnswerOutcome, AnswerText, MinOffsets, QuestionId, QuestionOutcome, QuestionRecord, SessionId,
    SessionKey, WireId,
};

use crate::server_message::{MessageV2, ResumePoint};

/// One thing to do. Closed and comparable, so that tests are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Produce this question; report with [`crate::Input::Published`] or [`crate::Input::PublishFailed`].
    /// The pending entry exists already.
    Publish {
        /// The session that asked.
        key: SessionKey,
        /// The publication, which the report names.
        publish_id: PublishId,
        /// The question to produce.
        question: QuestionRecord,
    },
    /// Look up what was written of an answer before now: every record that names the question, and
    /// every one under the wire id that names none. Report with [`crate::Input::Recovered`]. The
    /// pending entry exists already, so what comes from now on is not missed.
    Recover {
        /// The session that asked.
        key: SessionKey,
        /// The question.
        question_id: QuestionId,
        /// The session id of its answer.
        wire_id: WireId,
        /// Below it stands nothing of its answer.
        min_offsets: MinOffsets,
    },
    /// Tell this to a client of version 2.
    SendV2 {
        /// The connection.
        key: SessionKey,
        /// The message.
        message: Box<MessageV2>,
    },
    /// Put this on the socket of a client of version 1.
    SendV1 {
        /// To whom.
        key: SessionKey,
        /// The message.
        reply: ReplyV1,
    },
    /// Close the socket after what was sent before.
    Close {
        /// The connection.
        key: SessionKey,
        /// The reason.
        reason: CloseReason,
        /// The content of the client's next token, if it does well to come back with one (version 2).
        resume: Option<Box<ResumePoint>>,
    },
    /// Something worth a log line or a metric happened.
    RecordEvent(SessionEvent),
}

/// Names one publication of a question. A question that is asked again has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishId {
    /// The question.
    pub question: QuestionId,
    /// Counts the publications of this process.
    pub number: u64,
}

/// The version of the WebSocket protocol that a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProtocolVersion {
    /// One frame a question.
    V1,
    /// Tokens, parts, resumption.
    V2,
}

/// A message to a client of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyV1 {
    /// The answer to the session's question.
    Answer {
        /// The answer's text.
        text: AnswerText,
        /// From [`crate::Input::Ask`] to the delivery report; `None` when the answer came first.
        publish_time: Option<Duration>,
        /// From [`crate::Input::Ask`] to the answer.
        total_time: Duration,
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

/// The reason for which the core closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// This process drains (4001).
    Draining,
    /// A newer connection has the same session id (4509).
    Superseded,
}

/// An event for logs and metrics. Ids only, never texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// A question is in Kafka.
    QuestionAccepted {
        /// The session that asked.
        key: SessionKey,
        /// The version that its client speaks.
        version: ProtocolVersion,
        /// From asking to now.
        elapsed: Duration,
    },
    /// A question that was accepted earlier, here or elsewhere, came with its resumed session.
    QuestionAdopted {
        /// The session that asked.
        key: SessionKey,
    },
    /// A session could not be resumed.
    NotResumed {
        /// The session of the token.
        key: SessionKey,
    },
    /// A socket without a token asked for the id of a live session that it may not replace: in version 1
    /// it is closed, in version 2 it gets another id.
    SessionIdInUse {
        /// The connection that asked.
        key: SessionKey,
        /// The version that its client speaks.
        version: ProtocolVersion,
    },
    /// A question ended.
    QuestionEnded {
        /// The session that asked.
        key: SessionKey,
        /// The outcome.
        outcome: QuestionOutcome,
        /// From asking to now.
        elapsed: Duration,
    },
    /// A record of the answers' topic was decided.
    AnswerDecided {
        /// The outcome.
        outcome: AnswerOutcome,
    },
    /// An answer is larger than it may be; its question has ended with an error.
    AnswerTooLarge,
    /// Another attempt at an answer began after parts of the one before were sent; its question has
    /// ended with an error (version 2).
    AnswerRestarted,
    /// The parts of an answer contradict each other; its question has ended with an error.
    ContradictoryParts,
    /// The answering side answered one plain question twice: every question takes a suffix for
    /// `answer_ttl`.
    DuplicateAnswers,
    /// An answer under the bare id of a session that had asked under a suffix, for the third time or more
    /// with none under a suffix in between: the answering side strips suffixes, which breaks the contract.
    SuffixStripped {
        /// The session whose question cannot be answered so.
        session: SessionId,
    },
    /// A debt could not be remembered: every question takes a suffix for `answer_ttl`.
    DepartedTableFull,
}
