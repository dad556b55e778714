//! From a decoded record to an answer. Pure.
//!
//! Of several headers with one name the last counts, since whoever forwards a record appends its own.
//! A header or field that is null or empty says nothing (schemas without null default to the empty
//! text). The header `question-id` wins over the field; one that is there and no id of ours makes the
//! record foreign to every question.

use avro_codec::DecodedAnswer;
use types::{Answer, AnswerBody, QuestionId, QuestionIdEcho, RecordPosition, TraceContext, WireId};

/// What a record's headers say, beside its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notes {
    question_id: QuestionIdEcho,
    pub(crate) trace: Option<TraceContext>,
    replayed: bool,
}

/// A record's headers, taken apart; the schema's is still bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    /// `__value_schema_id`.
    pub(crate) schema: Option<&'a [u8]>,
    pub(crate) notes: Notes,
}

impl<'a> Headers<'a> {
    /// Reads the headers that matter; unknown ones are passed over.
    pub(crate) fn read(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Self {
        let (mut schema, mut question_id, mut parent, mut state) = (None, None, None, None);
        let mut replayed = false;
        for (name, value) in headers {
            match name {
                b"__value_schema_id" => schema = value,
                b"question-id" => question_id = value,
                b"traceparent" => parent = value,
                b"tracestate" => state = value,
                b"replayed-from" => replayed = true,
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
        };
        Self { schema, notes }
    }
}

/// The answer in a decoded record; `None` when its session id cannot have been minted here, so that
/// it concerns nobody this process knows.
pub(crate) fn answer(
    decoded: DecodedAnswer,
    notes: &Notes,
    position: RecordPosition,
) -> Option<Answer> {
    let wire_id = WireId::parse(&decoded.session_id).ok()?;
    let question_id = match notes.question_id {
        QuestionIdEcho::Absent => decoded
            .question_id
            .as_deref()
            .map_or(QuestionIdEcho::Absent, echo),
        said @ (QuestionIdEcho::Echoed(_) | QuestionIdEcho::Foreign) => said,
    };
    let error = decoded.error.filter(|error| !error.expose().is_empty());
    let body = match (error, decoded.text) {
        (Some(error), _) => AnswerBody::Failed(Some(error)),
        (None, Some(text)) => AnswerBody::Text(text),
        (None, None) => AnswerBody::Failed(None),
    };
    Some(Answer {
        wire_id,
        question_id,
        body,
        position,
        replayed: notes.replayed,
    })
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

    fn decoded() -> DecodedAnswer {
        DecodedAnswer {
            session_id: "s-1".to_owned(),
            question_id: None,
            text: Some(AnswerText::new("yes")),
            error: None,
        }
    }

    #[test]
    fn a_record_without_headers_is_told_by_its_session_alone() {
        let none = headers(&[]);
        assert_eq!((none.schema, none.notes.trace.as_ref()), (None, None));
        let answer = answer(decoded(), &none.notes, AT).unwrap();
        assert_eq!(
            answer,
            Answer {
                wire_id: WireId::parse("s-1").unwrap(),
                question_id: QuestionIdEcho::Absent,
                body: AnswerBody::Text(AnswerText::new("yes")),
                position: AT,
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
        let answer = answer(decoded(), &read.notes, AT).unwrap();
        assert_eq!(answer.question_id, QuestionIdEcho::Echoed(id()));
        assert!(answer.replayed);
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
        let field = |text: &str| DecodedAnswer {
            question_id: Some(text.to_owned()),
            ..decoded()
        };
        let header = headers(&[("question-id", Some(ID.as_bytes()))]);
        let echo = |decoded, notes: &Notes| answer(decoded, notes, AT).unwrap().question_id;
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
                question_id: Some(ID.to_owned()),
                ..decoded()
            };
            let answer = answer(field, &header.notes, AT).unwrap();
            assert_eq!(answer.question_id, QuestionIdEcho::Foreign, "{foreign:?}");
        }
    }

    #[test]
    fn a_session_id_that_was_never_minted_here_concerns_nobody() {
        for foreign in ["", "a b", "s~", "ação", &"x".repeat(200)] {
            let decoded = DecodedAnswer {
                session_id: foreign.to_owned(),
                ..decoded()
            };
            assert_eq!(answer(decoded, &headers(&[]).notes, AT), None, "{foreign}");
        }
    }

    #[test]
    fn an_error_or_nothing_at_all_is_a_failed_answer() {
        let body = |text: Option<&str>, error: Option<&str>| {
            let decoded = DecodedAnswer {
                text: text.map(AnswerText::new),
                error: error.map(AnswerError::new),
                ..decoded()
            };
            answer(decoded, &headers(&[]).notes, AT).unwrap().body
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
