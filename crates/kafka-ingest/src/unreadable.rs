//! Batches of records that librdkafka cannot unpack: it reports the same error for the same offset again
//! and again, and nothing behind them is read. Here is how far such a batch reaches, so that whoever
//! reads its partition can go on behind it. ADR 0017 has the why. Knows no session and no answer.

mod background;
mod events;
mod finder;
mod search;

use rdkafka::error::RDKafkaErrorCode;

use crate::assignment::StartPosition;
pub(crate) use background::BackgroundBatchFinder;
pub(crate) use finder::{SearchDeadline, UnreadableBatchFinder};

/// A batch that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnreadableBatch {
    pub(crate) partition: i32,
    /// The position of the reader when the batch came next.
    pub(crate) position: StartPosition,
    /// The offset of its first record, which may lie before the position.
    pub(crate) first: i64,
    /// The offset behind its last record: where reading goes on.
    pub(crate) next: i64,
}

/// Returns whether this error stands for a batch that will not be read however often it is fetched.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "librdkafka has two hundred codes; all others are faults that pass"
)]
pub(crate) fn is_unreadable_batch(code: RDKafkaErrorCode) -> bool {
    match code {
        // Cannot be unpacked, or would be larger than `receive.message.max.bytes`.
        RDKafkaErrorCode::BadCompression
        // Fails its checksum, where `check.crcs` is set.
        | RDKafkaErrorCode::BadMessage
        // A codec or a format that librdkafka does not have.
        | RDKafkaErrorCode::NotImplemented
        // Larger than any fetch.
        | RDKafkaErrorCode::MessageSizeTooLarge => true,
        _ => false,
    }
}
