//! Version 2 of the WebSocket protocol: JSON text frames, each with `type`. Pure.
//!
//! The schemas of all of them stand in `docs/schemas/v2`; the tests hold what is sent against them.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use session_core::{Cut, ErrorCode};
use types::{AskId, QuestionText, UserName};

use crate::socket_io::TextFrame;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its session begins, or goes on.
    Start {
        resume_token: Option<String>,
        last_seq: u64,
    },
    /// It asks.
    Ask(Question),
    /// It gives its question up.
    Cancel(AskId),
    /// It has the parts up to this one.
    Ack(u64),
    /// It shows a fresh JWT; without authentication there is nothing to do.
    Renew,
}

/// A question as a client put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) id: AskId,
    pub(crate) text: QuestionText,
    pub(crate) user_name: Option<UserName>,
    pub(crate) timeout: Option<Duration>,
}

/// A text that is no frame of a client, or one that cannot be served. The connection stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not such a frame.
    Malformed {
        /// The question it is about, if it says so.
        id: Option<AskId>,
    },
    /// A question, longer than allowed.
    QuestionTooLong {
        /// Which one.
        id: AskId,
    },
}

/// The largest `seq` that every JSON library keeps exactly (RFC 8259, section 6).
const MAX_SEQ: u64 = (1 << 53) - 1;

/// Reads a client's frame. Unknown fields are ignored; optional ones may be null.
pub(crate) fn parse(text: &str, max_question_bytes: usize) -> Result<Said, Refused> {
    let malformed = || Refused::Malformed { id: None };
    let frame: ClientFrame<'_> = serde_json::from_str(text).map_err(|_| malformed())?;
    match frame.kind.as_ref() {
        "start" => Ok(Said::Start {
            last_seq: frame.last_seq.unwrap_or(0).min(MAX_SEQ),
            resume_token: frame.resume_token,
        }),
        "ask" => ask(frame, max_question_bytes).map(Said::Ask),
        "cancel" => id(frame.id).map(Said::Cancel),
        "ack" => frame.seq.map(Said::Ack).ok_or_else(malformed),
        "renew" => Ok(Said::Renew),
        _ => Err(malformed()),
    }
}

fn ask(frame: ClientFrame<'_>, max_question_bytes: usize) -> Result<Question, Refused> {
    let id = id(frame.id)?;
    match frame.content {
        Some(content) if content.len() > max_question_bytes => Err(Refused::QuestionTooLong { id }),
        Some(content) if !content.is_empty() => Ok(Question {
            id,
            text: QuestionText::new(content),
            user_name: frame.user_name.map(UserName::new),
            timeout: frame.timeout_ms.map(Duration::from_millis),
        }),
        Some(_) | None => Err(Refused::Malformed { id: Some(id) }),
    }
}

fn id(id: Option<Cow<'_, str>>) -> Result<AskId, Refused> {
    let id = id.and_then(|id| AskId::parse(&id).ok());
    id.ok_or(Refused::Malformed { id: None })
}

/// Every field of every frame of a client; each kind of frame has some of them.
#[derive(Deserialize)]
struct ClientFrame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    user_name: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    resume_token: Option<String>,
    #[serde(default)]
    last_seq: Option<u64>,
    #[serde(default)]
    seq: Option<u64>,
}

/// A frame for a client. The order of the fields is the order on the wire.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerFrame<'a> {
    /// The session is open.
    Hello {
        session_id: &'a str,
        resume_token: &'a str,
        resumed: bool,
        pending: Option<&'a str>,
        limits: Limits,
    },
    /// Kafka has the question.
    Accepted { id: &'a str, resume_token: &'a str },
    /// A part of its answer.
    Answer {
        id: &'a str,
        seq: u64,
        part: u64,
        #[serde(rename = "final")]
        is_final: bool,
        data: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_token: Option<&'a str>,
    },
    /// Something is refused, or a question ended without an answer.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: Code,
        message: &'static str,
        retryable: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_token: Option<&'a str>,
    },
    /// Nothing else was sent for a while.
    Heartbeat {
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_token: Option<&'a str>,
    },
    /// The socket is about to be closed.
    Closing {
        retry_after_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_token: Option<&'a str>,
    },
}

/// What the answering side says of its answer: its JSON as it is, or what is none as a string.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum Metadata<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> Metadata<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

/// What a client may count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    pub(crate) max_message_bytes: usize,
    pub(crate) max_question_bytes: usize,
    pub(crate) answer_timeout_ms: u64,
    pub(crate) resume_window_ms: u64,
    pub(crate) heartbeat_ms: u64,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    Busy,
    AlreadyAnswered,
    InvalidFrame,
    TooLarge,
    RateLimited,
    PublishFailed,
    Timeout,
    Cancelled,
    AnswerFailed,
    Draining,
}

impl<'a> ServerFrame<'a> {
    /// One part of the answer to `id`.
    pub(crate) fn part(
        id: &'a AskId,
        cut: Cut<'a>,
        metadata: Option<Metadata<'a>>,
        resume_token: Option<&'a str>,
    ) -> Self {
        Self::Answer {
            id: id.as_str(),
            seq: cut.seq,
            part: cut.part,
            is_final: cut.is_final,
            data: cut.data,
            metadata,
            resume_token,
        }
    }

    /// An error, in the words of its code.
    pub(crate) fn error(
        id: Option<&'a AskId>,
        code: Code,
        retry_after: Option<Duration>,
        resume_token: Option<&'a str>,
    ) -> Self {
        let (message, retryable) = code.row();
        Self::Error {
            id: id.map(AskId::as_str),
            code,
            message,
            retryable,
            retry_after_ms: retry_after.map(millis),
            resume_token,
        }
    }

    /// The frame's bytes, WebSocket header and all.
    pub(crate) fn encode(self) -> Bytes {
        const AROUND_THE_TEXT: usize = 640;
        let text_len = match self {
            Self::Answer { data, .. } => data.len(),
            Self::Hello { .. }
            | Self::Accepted { .. }
            | Self::Error { .. }
            | Self::Heartbeat { .. }
            | Self::Closing { .. } => 0,
        };
        let mut bytes = TextFrame::with_capacity(text_len + AROUND_THE_TEXT);
        serde_json::to_writer(&mut bytes, &self).expect("strings serialise, and memory takes them");
        bytes.finish()
    }
}

impl Code {
    /// What it says to a person, and whether the same question may be asked again.
    fn row(self) -> (&'static str, bool) {
        match self {
            Self::Busy => ("another question is outstanding; it goes on", true),
            Self::AlreadyAnswered => ("this question was answered", false),
            Self::InvalidFrame => ("not a frame of this protocol", false),
            Self::TooLarge => (
                "the question is longer than limits.max_question_bytes",
                false,
            ),
            Self::RateLimited => ("too many frames in a second", true),
            Self::PublishFailed => ("the question was not taken; ask again", true),
            Self::Timeout => ("no answer came in time", true),
            Self::Cancelled => ("the question was given up", true),
            Self::AnswerFailed => ("the answering side has no answer", true),
            Self::Draining => (
                "this process is about to end; connect again and ask there",
                true,
            ),
        }
    }
}

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Busy => Self::Busy,
            ErrorCode::AlreadyAnswered => Self::AlreadyAnswered,
            ErrorCode::PublishFailed => Self::PublishFailed,
            ErrorCode::Timeout => Self::Timeout,
            ErrorCode::Cancelled => Self::Cancelled,
            ErrorCode::AnswerFailed => Self::AnswerFailed,
            ErrorCode::Draining => Self::Draining,
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AskId {
        AskId::parse(text).unwrap()
    }

    fn parsed(text: &str) -> Result<Said, Refused> {
        parse(text, 8)
    }

    #[test]
    fn each_frame_of_a_client_is_read_and_unknown_fields_are_ignored() {
        let question = Question {
            id: id("q1"),
            text: QuestionText::new("onde?"),
            user_name: None,
            timeout: None,
        };
        for (frame, said) in [
            (
                r#"{"type":"start"}"#,
                Said::Start {
                    resume_token: None,
                    last_seq: 0,
                },
            ),
            (
                r#"{"type":"start","token":"a jwt","resume_token":"t","last_seq":3}"#,
                Said::Start {
                    resume_token: Some("t".to_owned()),
                    last_seq: 3,
                },
            ),
            (
                r#"{"type":"start","resume_token":null,"last_seq":18446744073709551615}"#,
                Said::Start {
                    resume_token: None,
                    last_seq: MAX_SEQ,
                },
            ),
            (
                r#"{"type":"ask","id":"q1","content":"onde?","x":[{}]}"#,
                Said::Ask(question.clone()),
            ),
            (
                r#"{"id":"q\u0031","user_name":"ana","timeout_ms":5000,"type":"ask","content":"onde?"}"#,
                Said::Ask(Question {
                    user_name: Some(UserName::new("ana")),
                    timeout: Some(Duration::from_secs(5)),
                    ..question
                }),
            ),
            (r#"{"type":"cancel","id":"q1"}"#, Said::Cancel(id("q1"))),
            (r#"{"type":"ack","seq":9}"#, Said::Ack(9)),
            (r#"{"type":"renew","token":"x"}"#, Said::Renew),
        ] {
            assert_eq!(parsed(frame), Ok(said), "{frame}");
        }
    }

    #[test]
    fn anything_else_is_malformed_and_names_its_question_where_it_can() {
        let long = "x".repeat(65);
        for (frame, about) in [
            ("", None),
            ("[]", None),
            ("null", None),
            ("{}", None),
            (r#"{"type":"message","content":"version 1"}"#, None),
            (r#"{"type":"hello"}"#, None),
            (r#"{"type":"ask"}"#, None),
            (r#"{"type":"ask","content":"onde?"}"#, None),
            (r#"{"type":"ask","id":"","content":"onde?"}"#, None),
            (r#"{"type":"ask","id":7,"content":"onde?"}"#, None),
            (
                &format!(r#"{{"type":"ask","id":"{long}","content":"x"}}"#),
                None,
            ),
            (r#"{"type":"ask","id":"q1"}"#, Some("q1")),
            (r#"{"type":"ask","id":"q1","content":""}"#, Some("q1")),
            (r#"{"type":"ask","id":"q1","content":null}"#, Some("q1")),
            (
                r#"{"type":"ask","id":"q1","content":"x","timeout_ms":-1}"#,
                None,
            ),
            (r#"{"type":"cancel"}"#, None),
            (r#"{"type":"ack"}"#, None),
            (r#"{"type":"ack","seq":-1}"#, None),
            (r#"{"type":"ack","seq":1.5}"#, None),
            (&"[".repeat(30_000), None),
        ] {
            let refused = Refused::Malformed { id: about.map(id) };
            assert_eq!(parsed(frame), Err(refused), "{frame:.60}");
        }
    }

    #[test]
    fn a_question_may_be_as_long_as_allowed_in_bytes() {
        let frame = |content: &str| format!(r#"{{"type":"ask","id":"q","content":"{content}"}}"#);
        assert!(parsed(&frame("çççç")).is_ok());
        let refused = Refused::QuestionTooLong { id: id("q") };
        assert_eq!(parsed(&frame("ççççç")), Err(refused));
    }

    #[test]
    fn each_opening_frame_has_exactly_these_bytes() {
        let limits = Limits {
            max_message_bytes: 1,
            max_question_bytes: 2,
            answer_timeout_ms: 3,
            resume_window_ms: 4,
            heartbeat_ms: 5,
        };
        for (frame, json) in [
            (
                ServerFrame::Hello {
                    session_id: "s",
                    resume_token: "t",
                    resumed: false,
                    pending: None,
                    limits,
                },
                r#"{"type":"hello","session_id":"s","resume_token":"t","resumed":false,"pending":null,"limits":{"max_message_bytes":1,"max_question_bytes":2,"answer_timeout_ms":3,"resume_window_ms":4,"heartbeat_ms":5}}"#,
            ),
            (
                ServerFrame::Accepted {
                    id: "q1",
                    resume_token: "t",
                },
                r#"{"type":"accepted","id":"q1","resume_token":"t"}"#,
            ),
        ] {
            assert_bytes(frame, json);
        }
    }

    #[test]
    fn each_later_frame_has_exactly_these_bytes() {
        let question = id("q1");
        let cut = Cut {
            seq: 4,
            part: 1,
            is_final: true,
            data: "ação \"x\"",
        };
        let after = Some(Duration::from_millis(7));
        for (frame, json) in [
            (
                ServerFrame::part(&question, cut, Some(Metadata::of("[1.50]")), Some("t")),
                r#"{"type":"answer","id":"q1","seq":4,"part":1,"final":true,"data":"ação \"x\"","metadata":[1.50],"resume_token":"t"}"#,
            ),
            (
                ServerFrame::part(&question, cut, Some(Metadata::of("not JSON")), None),
                r#"{"type":"answer","id":"q1","seq":4,"part":1,"final":true,"data":"ação \"x\"","metadata":"not JSON"}"#,
            ),
            (
                ServerFrame::error(Some(&question), Code::Busy, None, None),
                r#"{"type":"error","id":"q1","code":"busy","message":"another question is outstanding; it goes on","retryable":true}"#,
            ),
            (
                ServerFrame::error(None, Code::RateLimited, after, Some("t")),
                r#"{"type":"error","code":"rate_limited","message":"too many frames in a second","retryable":true,"retry_after_ms":7,"resume_token":"t"}"#,
            ),
            (
                ServerFrame::Heartbeat { resume_token: None },
                r#"{"type":"heartbeat"}"#,
            ),
            (
                ServerFrame::Closing {
                    retry_after_ms: 9,
                    resume_token: Some("t"),
                },
                r#"{"type":"closing","retry_after_ms":9,"resume_token":"t"}"#,
            ),
        ] {
            assert_bytes(frame, json);
        }
    }

    fn assert_bytes(frame: ServerFrame<'_>, json: &str) {
        let bytes = frame.encode();
        let header = if json.len() < 126 { 2 } else { 4 };
        assert_eq!(str::from_utf8(&bytes[header..]), Ok(json));
    }
}
