//! One dead letter: a record of the answers' topic that nobody can decode, what is kept of it, and
//! the headers by which its copy in the dead letters' topic says where it stood. Knows no client.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use types::RecordPosition;

use crate::librdkafka;
use crate::unreadable::UnreadableBatch;

/// Reasons of dead letters: every reason, the metric's labels and the values of
/// `dlq-reason`.
pub const DEAD_LETTER_REASONS: &[&str] = &[
    "answer_part",
    BATCH_UNREADABLE,
    "field_type",
    "magic",
    "malformed",
    "missing_field",
    "schema_not_avro",
    "schema_not_found",
    "schema_references",
    "schema_too_large",
    "schema_unusable",
    "too_large",
    "trailing",
    "truncated",
    "utf8",
];

/// The reason of a letter that stands for a whole batch and has nothing but its position: nobody can
/// read what to replay.
pub(crate) const BATCH_UNREADABLE: &str = "batch_unreadable";

/// The headers a copy has beside those of the record.
pub(crate) const REASON_HEADER: &str = "dlq-reason";
pub(crate) const TOPIC_HEADER: &str = "dlq-topic";
pub(crate) const PARTITION_HEADER: &str = "dlq-partition";
pub(crate) const OFFSET_HEADER: &str = "dlq-offset";
/// Of a batch: the offset of its last record, where `dlq-offset` names the first.
pub(crate) const LAST_OFFSET_HEADER: &str = "dlq-last-offset";

/// A record nobody can decode, whole.
pub(crate) struct DeadLetter {
    pub(crate) at: RecordPosition,
    pub(crate) reason: &'static str,
    pub(crate) value: Box<[u8]>,
    pub(crate) envelope: Envelope,
}

/// The key and the headers of a record.
pub(crate) struct Envelope {
    pub(crate) key: Option<Box<[u8]>>,
    /// librdkafka's own copy: names need not be text, may repeat, and values may be null.
    headers: OwnedHeaders,
    bytes: usize,
}

/// Copies the key and the headers of a record. Called only when they are to be kept.
pub(crate) trait ToEnvelope: fmt::Debug {
    fn to_envelope(&self) -> Envelope;
}

/// Identifies a dead letter, so that two copies of one are told from two records.
///
/// A position alone would do until the topic is created anew and its offsets are given a second
/// time, hence the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeadLetterId {
    pub(crate) at: RecordPosition,
    digest: u64,
}

/// The origin of a dead letter, as a copy's headers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterOrigin<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) at: RecordPosition,
    pub(crate) reason: &'a [u8],
}

impl DeadLetter {
    /// Makes the letter of a batch that cannot be read.
    pub(crate) fn for_batch(batch: &UnreadableBatch) -> Self {
        let last = (batch.next - 1).to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: LAST_OFFSET_HEADER,
            value: Some(&last),
        });
        Self {
            at: RecordPosition {
                partition: batch.partition,
                offset: batch.first,
            },
            reason: BATCH_UNREADABLE,
            value: Box::default(),
            envelope: Envelope::new(None, headers, LAST_OFFSET_HEADER.len() + last.len()),
        }
    }

    pub(crate) fn id(&self) -> DeadLetterId {
        DeadLetterId::new(self.at, self.envelope.key.as_deref(), &self.value)
    }

    /// About what it takes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.value.len() + self.envelope.bytes
    }

    /// The headers of its copy: those of the record, then those that say where it stood in `topic`.
    pub(crate) fn headers(&self, topic: &str) -> OwnedHeaders {
        let own = [
            (REASON_HEADER, self.reason.to_owned()),
            (TOPIC_HEADER, topic.to_owned()),
            (PARTITION_HEADER, self.at.partition.to_string()),
            (OFFSET_HEADER, self.at.offset.to_string()),
        ];
        own.iter()
            .fold(self.envelope.headers.clone(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            })
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("at", &self.at)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Envelope {
    pub(crate) fn new(key: Option<&[u8]>, headers: OwnedHeaders, header_bytes: usize) -> Self {
        Self {
            key: key.map(Into::into),
            headers,
            bytes: key.map_or(0, <[u8]>::len) + header_bytes,
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside")
    }
}

impl ToEnvelope for BorrowedMessage<'_> {
    fn to_envelope(&self) -> Envelope {
        let of_header =
            |(name, value): (&[u8], Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let header_bytes = librdkafka::headers(self).map(of_header).sum();
        let headers = self.headers().map(|headers| headers.detach());
        Envelope::new(self.key(), headers.unwrap_or_default(), header_bytes)
    }
}

impl DeadLetterId {
    pub(crate) fn new(at: RecordPosition, key: Option<&[u8]>, value: &[u8]) -> Self {
        // One process compares what it has hashed itself, so any fixed hash does.
        let mut hasher = DefaultHasher::new();
        (key, value).hash(&mut hasher);
        Self {
            at,
            digest: hasher.finish(),
        }
    }
}

impl<'a> DeadLetterOrigin<'a> {
    /// Reads the headers of a copy; `None` when they are not those of one. Of several with one name
    /// the last counts, since a record may have been a dead letter before.
    pub(crate) fn read(
        headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Option<Self> {
        let (mut reason, mut topic, mut partition, mut offset) = (None, None, None, None);
        for (name, value) in headers {
            match str::from_utf8(name) {
                Ok(REASON_HEADER) => reason = value,
                Ok(TOPIC_HEADER) => topic = value,
                Ok(PARTITION_HEADER) => partition = value,
                Ok(OFFSET_HEADER) => offset = value,
                Ok(_) | Err(_) => {}
            }
        }
        Some(Self {
            topic: topic?,
            at: RecordPosition {
                partition: str::from_utf8(partition?).ok()?.parse().ok()?,
                offset: str::from_utf8(offset?).ok()?.parse().ok()?,
            },
            reason: reason?,
        })
    }

    /// The reason, if it is one of ours.
    pub(crate) fn known_reason(&self) -> Option<&'static str> {
        let known = |reason: &&&str| reason.as_bytes() == self.reason;
        DEAD_LETTER_REASONS.iter().find(known).copied()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;
    use crate::assignment::StartPosition;

    const AT: RecordPosition = RecordPosition {
        partition: 3,
        offset: 41,
    };

    fn header<'a>(key: &'a str, value: Option<&'a [u8]>) -> Header<'a, &'a [u8]> {
        Header { key, value }
    }

    fn letter(headers: OwnedHeaders) -> DeadLetter {
        DeadLetter {
            at: AT,
            reason: "magic",
            value: b"canary".as_slice().into(),
            envelope: Envelope::new(Some(b"canary"), headers, 0),
        }
    }

    fn all(headers: &OwnedHeaders) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let pair = |header: Header<'_, &[u8]>| {
            let value = header.value.map(<[u8]>::to_vec);
            (header.key.as_bytes().to_vec(), value)
        };
        headers.iter().map(pair).collect()
    }

    fn origin(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> Option<(Vec<u8>, RecordPosition)> {
        let borrowed = headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_deref()));
        DeadLetterOrigin::read(borrowed).map(|origin| (origin.topic.to_vec(), origin.at))
    }

    #[test]
    fn a_copy_has_the_records_headers_in_order_and_says_where_it_stood() {
        let before = OwnedHeaders::new()
            .insert(header("a", Some(b"\xff")))
            .insert(header("a", None))
            .insert(header("", Some(b"")));
        let copy = all(&letter(before.clone()).headers("respostas"));
        assert_eq!(copy[..3], all(&before));
        assert_eq!(origin(&copy), Some((b"respostas".to_vec(), AT)));
        assert_eq!(copy.len(), 7);
    }

    #[test]
    fn what_was_a_dead_letter_before_says_where_it_stood_last() {
        let before = OwnedHeaders::new()
            .insert(header(TOPIC_HEADER, Some(b"older")))
            .insert(header(OFFSET_HEADER, Some(b"1")));
        let copy = all(&letter(before).headers("respostas"));
        assert_eq!(origin(&copy), Some((b"respostas".to_vec(), AT)));
    }

    #[test]
    fn the_letter_of_a_batch_says_from_where_to_where_it_stood_and_nothing_else() {
        let batch = UnreadableBatch {
            partition: 3,
            position: StartPosition::At(41),
            first: 40,
            next: 44,
        };
        let letter = DeadLetter::for_batch(&batch);
        let copy = all(&letter.headers("respostas"));
        assert_eq!(copy[0], (b"dlq-last-offset".to_vec(), Some(b"43".to_vec())));
        assert_eq!(copy[1].1.as_deref(), Some(b"batch_unreadable".as_slice()));
        let at = RecordPosition {
            partition: 3,
            offset: 40,
        };
        assert_eq!(origin(&copy), Some((b"respostas".to_vec(), at)));
        assert!(letter.value.is_empty() && letter.envelope.key.is_none());
        // Every replica finds the same one, wherever in the batch it began to read.
        let elsewhere = UnreadableBatch {
            position: StartPosition::Beginning,
            ..batch
        };
        assert_eq!(DeadLetter::for_batch(&elsewhere).id(), letter.id());
    }

    #[test]
    fn headers_that_are_no_copys_are_told() {
        let copy = all(&letter(OwnedHeaders::new()).headers("respostas"));
        for missing in 0..copy.len() {
            let mut rest = copy.clone();
            rest.remove(missing);
            assert_eq!(origin(&rest), None);
        }
        let mut wrong = copy.clone();
        wrong[2].1 = Some(b"one".to_vec());
        assert_eq!(origin(&wrong), None);
    }

    #[test]
    fn a_mark_tells_records_apart_that_stood_in_one_place() {
        let one = DeadLetterId::new(AT, None, b"value");
        assert_eq!(one, DeadLetterId::new(AT, None, b"value"));
        let elsewhere = RecordPosition { offset: 42, ..AT };
        for other in [
            DeadLetterId::new(elsewhere, None, b"value"),
            DeadLetterId::new(AT, Some(b""), b"value"),
            DeadLetterId::new(AT, None, b"values"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn nothing_of_a_record_is_in_its_debug_text() {
        let said = format!("{:?}", letter(OwnedHeaders::new()));
        assert!(said.contains("41") && !said.contains("canary"), "{said}");
    }

    #[test]
    fn a_reason_is_known_or_not_and_never_repeated() {
        let of = |reason: &'static [u8]| DeadLetterOrigin {
            topic: b"t",
            at: AT,
            reason,
        };
        assert_eq!(of(b"magic").known_reason(), Some("magic"));
        assert_eq!(of(b"canary").known_reason(), None);
        assert!(DEAD_LETTER_REASONS.is_sorted());
    }
}
