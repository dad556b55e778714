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

use crate::dead_letter::HasBeside;
use crate::recent::Mark;

/// What a record's headers say, beside its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notes {
    question_id: QuestionIdEcho,
    pub(crate) trace: Option<TraceContext>,
    replayed: bool,
    part: PartNotes,
    metadata: Option<Box<str>>,
}

/// What the headers say of the part, as they say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PartNotes {
    part: Option<Box<str>>,
    is_final: Option<Box<str>>,
    attempt: Option<Box<str>>,
}

/// Why a decoded record is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Its session id cannot have been minted here, so that it concerns nobody this process knows.
    Foreign,
    /// Which part of its answer it is cannot be told; shown as the whole it would be wrong.
    Part,
}

/// A record as it was read, borrowed from the client.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
    /// All of it, should it have to be kept.
    pub(crate) whole: &'a dyn HasBeside,
}

/// A record's headers, taken apart; the schema's is still bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    /// `__value_schema_id`.
    pub(crate) schema: Option<&'a [u8]>,
    pub(crate) notes: Notes,
}

impl Notes {
    /// The question that a header names.
    pub(crate) fn echoed(&self) -> Option<QuestionId> {
        match self.question_id {
            QuestionIdEcho::Echoed(id) => Some(id),
            QuestionIdEcho::Absent | QuestionIdEcho::Foreign => None,
        }
    }
}

impl<'a> Headers<'a> {
    /// Reads the headers that matter; unknown ones are passed over.
    pub(crate) fn read(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Self {
        let (mut schema, mut question_id, mut parent, mut state) = (None, None, None, None);
        let mut replayed = false;
        let mut part = PartNotes::default();
        let mut metadata = None;
        for (name, value) in headers {
            match name {
                b"__value_schema_id" => schema = value,
                b"question-id" => question_id = value,
                b"traceparent" => parent = value,
                b"tracestate" => state = value,
                b"replayed-from" => replayed = true,
                b"answer-part" => part.part = value.and_then(said),
                b"answer-final" => part.is_final = value.and_then(said),
                b"answer-attempt" => part.attempt = value.and_then(said),
                b"answer-metadata" => metadata = value.and_then(remark),
                _ => {}
            }
        }
        let text = |value: Option<&'a [u8]>| value.and_then(|value| str::from_utf8(value).ok());
        let notes = Notes {
            question_id: question_id.map_or(QuestionIdEcho::Absent, |value| {
                str::from_utf8(value).map_or(QuestionIdEcho::Foreign, echo)
            }),
            trace: text(parent).and_then(|parent| TraceContext::parse(parent, text(state))),
            replayed,
            part,
            metadata,
        };
        Self { schema, notes }
    }
}

/// What a header says; an empty one says nothing. What is not UTF-8 is kept as something that is no
/// number.
fn said(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).unwrap_or("?");
    (!text.is_empty()).then(|| text.into())
}

/// A text that the answer can do without: an empty one, or one that is not UTF-8, says nothing.
fn remark(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).ok()?;
    (!text.is_empty()).then(|| text.into())
}

/// Whether [`answer`] would make one of a decoded record; copies nothing.
///
/// # Errors
///
/// Why not.
pub(crate) fn check(decoded: &DecodedAnswer<'_>, notes: &Notes) -> Result<(), NoAnswer> {
    if !WireId::accepts(decoded.session_id) {
        return Err(NoAnswer::Foreign);
    }
    part(decoded, &notes.part).map(drop).ok_or(NoAnswer::Part)
}

/// The answer in a decoded record.
///
/// # Errors
///
/// Why there is none.
pub(crate) fn answer(
    decoded: &DecodedAnswer<'_>,
    notes: &Notes,
    position: RecordPosition,
) -> Result<Answer, NoAnswer> {
    let wire_id = WireId::parse(decoded.session_id).map_err(|_| NoAnswer::Foreign)?;
    let part = part(decoded, &notes.part).ok_or(NoAnswer::Part)?;
    let question_id = question_id(decoded, notes);
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
        replayed: notes.replayed,
    })
}

/// What a record is found again by: the same as it is attributed by.
pub(crate) fn mark<'a>(decoded: &DecodedAnswer<'a>, notes: &Notes) -> Mark<'a> {
    match question_id(decoded, notes) {
        QuestionIdEcho::Echoed(question) => Mark::Question(question),
        QuestionIdEcho::Absent | QuestionIdEcho::Foreign => Mark::WireId(decoded.session_id),
    }
}

/// The question it names: by the header, else by the field.
fn question_id(decoded: &DecodedAnswer<'_>, notes: &Notes) -> QuestionIdEcho {
    match notes.question_id {
        QuestionIdEcho::Absent => decoded.question_id.map_or(QuestionIdEcho::Absent, echo),
        said @ (QuestionIdEcho::Echoed(_) | QuestionIdEcho::Foreign) => said,
    }
}

/// Which part it is: by the headers, else by the fields. `None` when they make no sense.
fn part(decoded: &DecodedAnswer<'_>, notes: &PartNotes) -> Option<AnswerPart> {
    let number = number(notes.part.as_deref(), decoded.part)?;
    let attempt = self::number(notes.attempt.as_deref(), decoded.attempt)?;
    let is_final = match notes.is_final.as_deref() {
        None => decoded.is_final,
        Some(said) => Some(said.parse().ok()?),
    };
    if number.is_none() && is_final.is_none() {
        return Some(AnswerPart::Whole);
    }
    Some(AnswerPart::Piece {
        order: number.map_or(PartOrder::AsWritten, PartOrder::Numbered),
        is_final: is_final.unwrap_or(false),
        attempt: attempt.unwrap_or(0),
    })
}

/// A count by a header, else by a field; `None` when it is none.
fn number(header: Option<&str>, field: Option<i64>) -> Option<Option<u32>> {
    match (header, field) {
        (Some(header), _) => header.parse().ok().map(Some),
        (None, Some(field)) => u32::try_from(field).ok().map(Some),
        (None, None) => Some(None),
    }
}

fn echo(text: &str) -> QuestionIdEcho {
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

    fn headers<'a>(headers: &[(&'a str, Option<&'a [u8]>)]) -> Headers<'a> {
        Headers::read(
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
        assert_eq!((none.schema, none.notes.trace.as_ref()), (None, None));
        let answer = answer(&decoded(), &none.notes, AT).unwrap();
        assert_eq!(
            answer,
            Answer {
                wire_id: WireId::parse("s-1").unwrap(),
                question_id: QuestionIdEcho::Absent,
                part: AnswerPart::Whole,
                body: AnswerBody::Text(AnswerText::new("yes")),
                position: AT,
                metadata: None,
                replayed: false,
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
        assert_eq!(read.schema, Some(&[0, 0, 0, 0, 1][..]));
        let trace = read.notes.trace.as_ref().unwrap();
        assert_eq!(trace.to_string().as_bytes(), PARENT);
        assert_eq!(trace.state.as_deref(), Some("a=b"));
        let answer = answer(&decoded(), &read.notes, AT).unwrap();
        assert_eq!(answer.question_id, QuestionIdEcho::Echoed(id()));
        assert!(answer.replayed);
    }

    #[test]
    fn metadata_is_told_by_the_header_before_the_field() {
        let field = |text: Option<&'static str>| DecodedAnswer {
            metadata: text.map(BorrowedText::new),
            ..decoded()
        };
        let said = |decoded, header: Option<&[u8]>| {
            let read = headers(&[("answer-metadata", header)]);
            let metadata = answer(&decoded, &read.notes, AT).unwrap().metadata;
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
            let notes = headers(said).notes;
            let part = answer(&decoded, &notes, AT).map(|answer| answer.part);
            assert_eq!(check(&decoded, &notes), part.map(drop));
            part
        };
        let piece = |order, is_final, attempt| {
            Ok(AnswerPart::Piece {
                order,
                is_final,
                attempt,
            })
        };
        let (numbered, as_written) = (PartOrder::Numbered, PartOrder::AsWritten);
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
                answer(&decoded(), &said.notes, AT),
                Err(NoAnswer::Part),
                "{name}"
            );
        }
        let negative = DecodedAnswer {
            part: Some(-1),
            ..decoded()
        };
        assert_eq!(
            answer(&negative, &headers(&[]).notes, AT),
            Err(NoAnswer::Part)
        );
    }

    #[test]
    fn of_several_headers_with_one_name_the_last_counts() {
        let twice = headers(&[
            ("question-id", Some(b"not an id")),
            ("question-id", Some(ID.as_bytes())),
        ]);
        assert_eq!(twice.notes.question_id, QuestionIdEcho::Echoed(id()));
    }

    #[test]
    fn the_header_wins_over_the_field() {
        let other = "ff0102030405060708090a0b0c0d0e0f";
        let field = |text: &'static str| DecodedAnswer {
            question_id: Some(text),
            ..decoded()
        };
        let header = headers(&[("question-id", Some(ID.as_bytes()))]);
        let echo = |decoded, notes: &Notes| answer(&decoded, notes, AT).unwrap().question_id;
        assert_eq!(
            echo(field(other), &header.notes),
            QuestionIdEcho::Echoed(id())
        );
        assert_eq!(
            echo(field(ID), &headers(&[]).notes),
            QuestionIdEcho::Echoed(id())
        );
        for nothing in [None, Some(&b""[..])] {
            let header = headers(&[("question-id", nothing)]);
            assert_eq!(
                echo(field(ID), &header.notes),
                QuestionIdEcho::Echoed(id()),
                "a header that says nothing leaves it to the field"
            );
        }
        assert_eq!(echo(field(""), &headers(&[]).notes), QuestionIdEcho::Absent);
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
            let answer = answer(&field, &header.notes, AT).unwrap();
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
            let notes = headers(&[]).notes;
            assert_eq!(check(&decoded, &notes), Err(NoAnswer::Foreign), "{foreign}");
            let answer = answer(&decoded, &notes, AT);
            assert_eq!(answer, Err(NoAnswer::Foreign), "{foreign}");
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
            answer(&decoded, &headers(&[]).notes, AT).unwrap().body
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
            assert_eq!(headers(&[("traceparent", Some(bad))]).notes.trace, None);
        }
    }
}
