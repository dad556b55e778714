//! From a decoded record to an answer. Pure.
//!
//! Of several headers with one name the last counts, since whoever forwards a record appends its own.
//! A header or field that is null or empty says nothing (schemas without null default to the empty
//! text). The header `question-id` wins over the field; one that is there and no id of ours makes the
//! record foreign to every question.

use avro_codec::DecodedAnswer;
use types::{
    Answer, AnswerBody, AnswerError, AnswerMetadata, AnswerPart, AnswerText, BorrowedText,
    PartOrder, QuestionId, QuestionIdEcho, RecordPosition, TraceContext, WireId,
};

use crate::answer_index::RecordKey;
use crate::dead_letter::ToEnvelope;

/// The record's headers that concern its answer, without its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerHeaders {
    question_id: QuestionIdEcho,
    pub(crate) trace: Option<TraceContext>,
    replayed: bool,
    part: PartHeaders,
    metadata: Option<Box<str>>,
}

/// The texts of the headers about the part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PartHeaders {
    part: Option<Box<str>>,
    is_final: Option<Box<str>>,
    attempt: Option<Box<str>>,
}

/// The reason for which a decoded record is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAnAnswer {
    /// Its session id cannot have been minted here, so that it concerns nobody this process knows.
    ForeignSession,
    /// Its part number, final mark or attempt cannot be read; shown as a whole answer it would be wrong.
    InvalidPart,
}

/// A record as it was read, borrowed from the client.
#[derive(Debug)]
pub(crate) struct AnswerRecord<'a> {
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: RecordHeaders<'a>,
    /// All of it, should it have to be kept.
    pub(crate) envelope_source: &'a dyn ToEnvelope,
}

/// A record's headers, taken apart; the schema's is still bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecordHeaders<'a> {
    /// `__value_schema_id`.
    pub(crate) schema_id: Option<&'a [u8]>,
    pub(crate) metadata: AnswerHeaders,
}

impl AnswerHeaders {
    /// The question that a header names.
    pub(crate) fn echoed_question(&self) -> Option<QuestionId> {
        match self.question_id {
            QuestionIdEcho::Echoed(id) => Some(id),
            QuestionIdEcho::Absent | QuestionIdEcho::Foreign => None,
        }
    }
}

impl<'a> RecordHeaders<'a> {
    /// Reads the headers that matter; unknown ones are passed over.
    pub(crate) fn read(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Self {
        let (mut schema, mut question_id, mut parent, mut state) = (None, None, None, None);
        let mut replayed = false;
        let mut part = PartHeaders::default();
        let mut metadata = None;
        for (name, value) in headers {
            match name {
                b"__value_schema_id" => schema = value,
                b"question-id" => question_id = value,
                b"traceparent" => parent = value,
                b"tracestate" => state = value,
                b"replayed-from" => replayed = true,
                b"answer-part" => part.part = value.and_then(read_text),
                b"answer-final" => part.is_final = value.and_then(read_text),
                b"answer-attempt" => part.attempt = value.and_then(read_text),
                b"answer-metadata" => metadata = value.and_then(read_optional_text),
                _ => {}
            }
        }
        let text = |value: Option<&'a [u8]>| value.and_then(|value| str::from_utf8(value).ok());
        let notes = AnswerHeaders {
            question_id: question_id.map_or(QuestionIdEcho::Absent, |value| {
                str::from_utf8(value).map_or(QuestionIdEcho::Foreign, parse_question_id)
            }),
            trace: text(parent).and_then(|parent| TraceContext::parse(parent, text(state))),
            replayed,
            part,
            metadata,
        };
        Self {
            schema_id: schema,
            metadata: notes,
        }
    }
}

/// Reads a header's text; an empty one counts as absent. A value that is not UTF-8 is kept as something that is no
/// number.
fn read_text(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).unwrap_or("?");
    (!text.is_empty()).then(|| text.into())
}

/// A text that the answer can do without: an empty one, or one that is not UTF-8, says nothing.
fn read_optional_text(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).ok()?;
    (!text.is_empty()).then(|| text.into())
}

/// Checks that [`parse_answer`] would make an answer of a decoded record; copies nothing.
///
/// # Errors
///
/// The reason.
pub(crate) fn check_answer(
    decoded: &DecodedAnswer<'_>,
    notes: &AnswerHeaders,
) -> Result<(), NotAnAnswer> {
    if !WireId::is_valid(decoded.session_id) {
        return Err(NotAnAnswer::ForeignSession);
    }
    parse_part(decoded, &notes.part)
        .map(drop)
        .ok_or(NotAnAnswer::InvalidPart)
}

/// The answer in a decoded record.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn parse_answer(
    decoded: &DecodedAnswer<'_>,
    notes: &AnswerHeaders,
    position: RecordPosition,
) -> Result<Answer, NotAnAnswer> {
    let wire_id = WireId::parse(decoded.session_id).map_err(|_| NotAnAnswer::ForeignSession)?;
    let part = parse_part(decoded, &notes.part).ok_or(NotAnAnswer::InvalidPart)?;
    let question_id = echoed_question_id(decoded, notes);
    let text = decoded.text.map(BorrowedText::expose);
    let error = decoded.error.map(BorrowedText::expose);
    let body = match (error.filter(|error| !error.is_empty()), text) {
        (Some(error), _) => AnswerBody::Failed(Some(AnswerError::new(error))),
        (None, Some(text)) => AnswerBody::Text(AnswerText::new(text)),
        (None, None) => AnswerBody::Failed(None),
    };
    let in_field = decoded.metadata.map(BorrowedText::expose);
    Ok(Answer {
        wire_id,
        question_id,
        part,
        body,
        position,
        metadata: notes
            .metadata
            .as_deref()
            .or(in_field)
            .map(AnswerMetadata::new),
        is_replayed: notes.replayed,
    })
}

/// Returns the key under which a record is indexed: the same as it is attributed by.
pub(crate) fn record_key<'a>(decoded: &DecodedAnswer<'a>, notes: &AnswerHeaders) -> RecordKey<'a> {
    match echoed_question_id(decoded, notes) {
        QuestionIdEcho::Echoed(question) => RecordKey::QuestionId(question),
        QuestionIdEcho::Absent | QuestionIdEcho::Foreign => RecordKey::WireId(decoded.session_id),
    }
}

/// The question it names: by the header, else by the field.
fn echoed_question_id(decoded: &DecodedAnswer<'_>, notes: &AnswerHeaders) -> QuestionIdEcho {
    match notes.question_id {
        QuestionIdEcho::Absent => decoded
            .question_id
            .map_or(QuestionIdEcho::Absent, parse_question_id),
        said @ (QuestionIdEcho::Echoed(_) | QuestionIdEcho::Foreign) => said,
    }
}

/// Reads the part by the headers, else by the fields. `None` when they make no sense.
fn parse_part(decoded: &DecodedAnswer<'_>, notes: &PartHeaders) -> Option<AnswerPart> {
    let number = parse_count(notes.part.as_deref(), decoded.part)?;
    let attempt = parse_count(notes.attempt.as_deref(), decoded.attempt)?;
    let is_final = match notes.is_final.as_deref() {
        None => decoded.is_final,
        Some(said) => Some(said.parse().ok()?),
    };
    if number.is_none() && is_final.is_none() {
        return Some(AnswerPart::Whole);
    }
    Some(AnswerPart::Piece {
        order: number.map_or(PartOrder::ByOffset, PartOrder::Numbered),
        is_final: is_final.unwrap_or(false),
        attempt: attempt.unwrap_or(0),
    })
}

/// A count by a header, else by a field; `None` when it is none.
fn parse_count(header: Option<&str>, field: Option<i64>) -> Option<Option<u32>> {
    match (header, field) {
        (Some(header), _) => header.parse().ok().map(Some),
        (None, Some(field)) => u32::try_from(field).ok().map(Some),
        (None, None) => Some(None),
    }
}

fn parse_question_id(text: &str) -> QuestionIdEcho {
    if text.is_empty() {
        return QuestionIdEcho::Absent;
    }
    QuestionId::parse(text).map_or(QuestionIdEcho::Foreign, QuestionIdEcho::Echoed)
}

#[cfg(test)]
mod tests {
    use types::{AnswerError, AnswerText};

    use super::*;

    const AT: RecordPosition = RecordPosition {
        partition: 2,
        offset: 7,
    };
    const ID: &str = "000102030405060708090a0b0c0d0e0f";
    const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn id() -> QuestionId {
        QuestionId::parse(ID).unwrap()
    }

    fn headers<'a>(headers: &[(&'a str, Option<&'a [u8]>)]) -> RecordHeaders<'a> {
        RecordHeaders::read(
            headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), *value)),
        )
    }

    fn decoded() -> DecodedAnswer<'static> {
        DecodedAnswer {
            session_id: "s-1",
            question_id: None,
            text: Some(BorrowedText::new("yes")),
            error: None,
            part: None,
            is_final: None,
            attempt: None,
            metadata: None,
        }
    }

    #[test]
    fn a_record_without_headers_is_told_by_its_session_alone() {
        let none = headers(&[]);
        assert_eq!((none.schema_id, none.metadata.trace.as_ref()), (None, None));
        let answer = parse_answer(&decoded(), &none.metadata, AT).unwrap();
        assert_eq!(
            answer,
            Answer {
                wire_id: WireId::parse("s-1").unwrap(),
                question_id: QuestionIdEcho::Absent,
                part: AnswerPart::Whole,
                body: AnswerBody::Text(AnswerText::new("yes")),
                position: AT,
                metadata: None,
                is_replayed: false,
            }
        );
    }

    #[test]
    fn every_header_that_matters_is_read_and_others_are_passed_over() {
        let read = headers(&[
            ("x", Some(b"y")),
            ("__value_schema_id", Some(&[0, 0, 0, 0, 1])),
            ("question-id", Some(ID.as_bytes())),
            ("traceparent", Some(PARENT)),
            ("tracestate", Some(b"a=b")),
            ("replayed-from", Some(b"respostas.dlq-0-1")),
        ]);
        assert_eq!(read.schema_id, Some(&[0, 0, 0, 0, 1][..]));
        let trace = read.metadata.trace.as_ref().unwrap();
        assert_eq!(trace.to_string().as_bytes(), PARENT);
        assert_eq!(trace.state.as_deref(), Some("a=b"));
        let answer = parse_answer(&decoded(), &read.metadata, AT).unwrap();
        assert_eq!(answer.question_id, QuestionIdEcho::Echoed(id()));
        assert!(answer.is_replayed);
    }

    #[test]
    fn metadata_is_told_by_the_header_before_the_field() {
        let field = |text: Option<&'static str>| DecodedAnswer {
            metadata: text.map(BorrowedText::new),
            ..decoded()
        };
        let said = |decoded, header: Option<&[u8]>| {
            let read = headers(&[("answer-metadata", header)]);
            let metadata = parse_answer(&decoded, &read.metadata, AT).unwrap().metadata;
            metadata.map(|metadata| metadata.expose().to_owned())
        };
        assert_eq!(said(field(Some("1")), Some(b"2")).as_deref(), Some("2"));
        assert_eq!(said(field(Some("1")), Some(b"")).as_deref(), Some("1"));
        assert_eq!(said(field(Some("1")), None).as_deref(), Some("1"));
        assert_eq!(said(field(None), Some(b"\xff")), None);
    }

    #[test]
    fn a_part_is_told_by_headers_before_fields() {
        let field = |part, is_final, attempt| DecodedAnswer {
            part,
            is_final,
            attempt,
            ..decoded()
        };
        let part = |decoded, said: &[(&str, Option<&[u8]>)]| {
            let notes = headers(said).metadata;
            let part = parse_answer(&decoded, &notes, AT).map(|answer| answer.part);
            assert_eq!(check_answer(&decoded, &notes), part.map(drop));
            part
        };
        let piece = |order, is_final, attempt| {
            Ok(AnswerPart::Piece {
                order,
                is_final,
                attempt,
            })
        };
        let (numbered, as_written) = (PartOrder::Numbered, PartOrder::ByOffset);
        let nothing = || field(None, None, None);
        assert_eq!(part(field(None, None, Some(3)), &[]), Ok(AnswerPart::Whole));
        assert_eq!(
            part(field(Some(2), None, None), &[]),
            piece(numbered(2), false, 0)
        );
        assert_eq!(
            part(field(None, Some(true), Some(3)), &[]),
            piece(as_written, true, 3)
        );
        let all: [(&str, Option<&[u8]>); 3] = [
            ("answer-part", Some(b"7")),
            ("answer-final", Some(b"true")),
            ("answer-attempt", Some(b"1")),
        ];
        assert_eq!(part(nothing(), &all), piece(numbered(7), true, 1));
        assert_eq!(
            part(field(Some(2), Some(false), Some(0)), &all),
            piece(numbered(7), true, 1)
        );
        let silent: [(&str, Option<&[u8]>); 2] =
            [("answer-part", None), ("answer-final", Some(b""))];
        assert_eq!(part(nothing(), &silent), Ok(AnswerPart::Whole));
    }

    #[test]
    fn a_part_that_makes_no_sense_is_no_answer() {
        for (name, value) in [
            ("answer-part", &b"-1"[..]),
            ("answer-part", b"one"),
            ("answer-part", b"\xff"),
            ("answer-final", b"yes"),
            ("answer-attempt", b"4294967296"),
        ] {
            let said = headers(&[(name, Some(value))]);
            assert_eq!(
                parse_answer(&decoded(), &said.metadata, AT),
                Err(NotAnAnswer::InvalidPart),
                "{name}"
            );
        }
        let negative = DecodedAnswer {
            part: Some(-1),
            ..decoded()
        };
        assert_eq!(
            parse_answer(&negative, &headers(&[]).metadata, AT),
            Err(NotAnAnswer::InvalidPart)
        );
    }

    #[test]
    fn of_several_headers_with_one_name_the_last_counts() {
        let twice = headers(&[
            ("question-id", Some(b"not an id")),
            ("question-id", Some(ID.as_bytes())),
        ]);
        assert_eq!(twice.metadata.question_id, QuestionIdEcho::Echoed(id()));
    }

    #[test]
    fn the_header_wins_over_the_field() {
        let other = "ff0102030405060708090a0b0c0d0e0f";
        let field = |text: &'static str| DecodedAnswer {
            question_id: Some(text),
            ..decoded()
        };
        let header = headers(&[("question-id", Some(ID.as_bytes()))]);
        let echo =
            |decoded, notes: &AnswerHeaders| parse_answer(&decoded, notes, AT).unwrap().question_id;
        assert_eq!(
            echo(field(other), &header.metadata),
            QuestionIdEcho::Echoed(id())
        );
        assert_eq!(
            echo(field(ID), &headers(&[]).metadata),
            QuestionIdEcho::Echoed(id())
        );
        for nothing in [None, Some(&b""[..])] {
            let header = headers(&[("question-id", nothing)]);
            assert_eq!(
                echo(field(ID), &header.metadata),
                QuestionIdEcho::Echoed(id()),
                "a header that says nothing leaves it to the field"
            );
        }
        assert_eq!(
            echo(field(""), &headers(&[]).metadata),
            QuestionIdEcho::Absent
        );
    }

    #[test]
    fn a_question_id_that_is_not_ours_makes_the_record_foreign_to_every_question() {
        for foreign in [
            &b"42"[..],
            b"\xff\xfe",
            b"000102030405060708090a0b0c0d0e0f0",
        ] {
            let header = headers(&[("question-id", Some(foreign))]);
            let field = DecodedAnswer {
                question_id: Some(ID),
                ..decoded()
            };
            let answer = parse_answer(&field, &header.metadata, AT).unwrap();
            assert_eq!(answer.question_id, QuestionIdEcho::Foreign, "{foreign:?}");
        }
    }

    #[test]
    fn a_session_id_that_was_never_minted_here_concerns_nobody() {
        for foreign in ["", "a b", "s~", "ação", &"x".repeat(200)] {
            let decoded = DecodedAnswer {
                session_id: foreign,
                ..decoded()
            };
            let notes = headers(&[]).metadata;
            assert_eq!(
                check_answer(&decoded, &notes),
                Err(NotAnAnswer::ForeignSession),
                "{foreign}"
            );
            let answer = parse_answer(&decoded, &notes, AT);
            assert_eq!(answer, Err(NotAnAnswer::ForeignSession), "{foreign}");
        }
    }

    #[test]
    fn an_error_or_nothing_at_all_is_a_failed_answer() {
        let body = |text: Option<&str>, error: Option<&str>| {
            let decoded = DecodedAnswer {
                text: text.map(BorrowedText::new),
                error: error.map(BorrowedText::new),
                ..decoded()
            };
            parse_answer(&decoded, &headers(&[]).metadata, AT)
                .unwrap()
                .body
        };
        let failed = || AnswerBody::Failed(Some(AnswerError::new("why")));
        assert_eq!(body(None, Some("why")), failed());
        assert_eq!(body(Some("partial"), Some("why")), failed());
        assert_eq!(body(None, None), AnswerBody::Failed(None));
        assert_eq!(
            body(Some(""), Some("")),
            AnswerBody::Text(AnswerText::new("")),
            "an empty error is none, an empty answer is one"
        );
    }

    #[test]
    fn a_trace_that_is_not_valid_is_no_trace() {
        for bad in [&b"junk"[..], b"\xff"] {
            assert_eq!(headers(&[("traceparent", Some(bad))]).metadata.trace, None);
        }
    }
}
