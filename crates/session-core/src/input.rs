//! Everything that can happen to the core.

use std::time::{Duration, SystemTime};

use types::{
    Answer, AskId, Lineage, MinOffsets, Persisted, QuestionId, QuestionText, SessionKey, UserName,
    WireIdSuffix,
};

use crate::ResumePoint;
use crate::effect::PublishId;

/// One thing that happened. Closed and comparable, so that tests are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A socket of version 1 was accepted. Its generation is larger than any before it; one that is older than
    /// its session's connection all the same lost a race and is told to close.
    Connected {
        /// The session and its new connection.
        key: SessionKey,
    },
    /// A socket of version 2 has sent its `start`. Generations as with [`Self::Connected`].
    Start {
        /// The session and its new connection.
        key: SessionKey,
        /// A new session, or one that goes on.
        start: SessionStart,
    },
    /// The result of [`crate::Effect::Recover`].
    Recovered {
        /// The session that asked.
        key: SessionKey,
        /// The question.
        question_id: QuestionId,
        /// The records written of its answer before.
        result: RecoveryResult,
    },
    /// A socket is gone. Stale keys have no effect.
    Disconnected {
        /// The session and the connection that ended.
        key: SessionKey,
    },
    /// A client asks.
    Ask {
        /// The session that asks.
        key: SessionKey,
        /// The message.
        ask: AskRequest,
    },
    /// A client of version 2 gives its question up.
    Cancel {
        /// The session that asked.
        key: SessionKey,
        /// The client's id of the question; any other than the open one's has no effect.
        ask_id: AskId,
    },
    /// A client of version 2 says what it has received.
    Ack {
        /// The session that asked.
        key: SessionKey,
        /// The last part without a gap before it.
        seq: u64,
    },
    /// Kafka has the question (delivery report, acks=all).
    Published {
        /// The publication.
        publish_id: PublishId,
    },
    /// Kafka or the registry did not take the question.
    PublishFailed {
        /// The publication.
        publish_id: PublishId,
        /// Tells whether it may be in Kafka all the same.
        persisted: Persisted,
    },
    /// An answer was read from Kafka.
    Answer(Answer),
    /// Stop taking questions, close idle sessions at most `closes` at a time. May be given again.
    Drain {
        /// The number of idle sessions to close now.
        max_closes: usize,
    },
    /// The drain's budget is spent: tell who still waits, close everybody.
    DrainExpired,
    /// The time that [`crate::SessionRegistry::poll_timeout`] asked for has come.
    Tick,
}

/// A question as the client put it, with all that the core may not make itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskRequest {
    /// Identifies the question: at random in version 1, by its client in version 2.
    pub identity: AskIdentity,
    /// Its text.
    pub text: QuestionText,
    /// The name of the person who asks, if given.
    pub user_name: Option<UserName>,
    /// Random characters for the wire id, used or not.
    pub suffix: WireIdSuffix,
    /// The answers' high watermarks as known now, before the question is produced.
    pub min_offsets: MinOffsets,
    /// Wall time, handed on to the record. Decides nothing.
    pub asked_at: SystemTime,
}

/// Identifies a question, as the version of the protocol has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskIdentity {
    /// Version 1: 128 random bits that no other question has.
    Random(QuestionId),
    /// Version 2: the client's idempotency key. The core derives the question id from it and the
    /// session's [`Lineage`], so that the same question has the same id when it is asked again.
    Keyed(KeyedAsk),
}

/// The part of an ask that only version 2 has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedAsk {
    /// The client's idempotency key.
    pub ask_id: AskId,
    /// Longest wait for the answer; never longer than [`crate::CoreSettings::answer_timeout`].
    pub timeout: Option<Duration>,
}

/// The beginning of a version-2 session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStart {
    /// Begins a new session, under the key's session id if no live session has it.
    Fresh {
        /// 128 random bits that scope the question ids of this session.
        lineage: Lineage,
    },
    /// Resumes where a token says. The key is that of the token's session.
    Resume {
        /// The content of the token.
        point: ResumePoint,
        /// The last part that the client has received.
        last_seq: u64,
    },
}

/// The records of an answer that were written before its session was resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryResult {
    /// Every record of its wire id, in any order; none when nothing was written.
    Found(Vec<Answer>),
    /// Nobody can know: not all of the topic since then can be looked at.
    Unavailable,
}
