//! Version 2 of the WebSocket protocol: JSON text frames, each with `type`. Pure.
//!
//! The schemas of all of them stand in `docs/schemas/v2`; the tests hold what is sent against them.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use session_core::{Chunk, QuestionErrorCode};
use types::{AskId, QuestionText, UserName};

use crate::frame_queue_stream::TextFrame;

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClientMessage {
    /// Its session begins, or goes on.
    Start {
        resume_token: Option<String>,
        last_seq: u64,
    },
    /// It asks.
    Ask(QuestionFrameV2),
    /// It gives its question up.
    Cancel(AskId),
    /// It has the parts up to this one.
    Ack(u64),
    /// It shows a fresh JWT; without authentication there is nothing to do.
    Renew,
}

/// A question as a client put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuestionFrameV2 {
    pub(crate) ask_id: AskId,
    pub(crate) text: QuestionText,
    pub(crate) user_name: Option<UserName>,
    pub(crate) timeout: Option<Duration>,
}

/// A text that is no frame of a client, or one that cannot be served. The connection stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameErrorV2 {
    /// Not such a frame.
    Malformed {
        /// The question it is about, if it says so.
        id: Option<AskId>,
    },
    /// A question, longer than allowed.
    QuestionTooLong {
        /// The question.
        id: AskId,
    },
}

/// The largest `seq` that every JSON library keeps exactly (RFC 8259, section 6).
const MAX_SEQ: u64 = (1 << 53) - 1;

/// Reads a client's frame. Unknown fields are ignored; optional ones may be null.
pub(crate) fn parse_client_frame(
    text: &str,
    max_question_bytes: usize,
) -> Result<ClientMessage, FrameErrorV2> {
    let malformed = || FrameErrorV2::Malformed { id: None };
    let frame: ClientFrameV2<'_> = serde_json::from_str(text).map_err(|_| malformed())?;
    match frame.kind.as_ref() {
        "start" => Ok(ClientMessage::Start {
            last_seq: frame.last_seq.unwrap_or(0).min(MAX_SEQ),
            resume_token: frame.resume_token,
        }),
        "ask" => parse_ask(frame, max_question_bytes).map(ClientMessage::Ask),
        "cancel" => parse_ask_id(frame.id).map(ClientMessage::Cancel),
        "ack" => frame.seq.map(ClientMessage::Ack).ok_or_else(malformed),
        "renew" => Ok(ClientMessage::Renew),
        _ => Err(malformed()),
    }
}

fn parse_ask(
    frame: ClientFrameV2<'_>,
    max_question_bytes: usize,
) -> Result<QuestionFrameV2, FrameErrorV2> {
    let id = parse_ask_id(frame.id)?;
    match frame.content {
        Some(content) if content.len() > max_question_bytes => {
            Err(FrameErrorV2::QuestionTooLong { id })
        }
        Some(content) if !content.is_empty() => Ok(QuestionFrameV2 {
            ask_id: id,
            text: QuestionText::new(content),
            user_name: frame.user_name.map(UserName::new),
            timeout: frame.timeout_ms.map(Duration::from_millis),
        }),
        Some(_) | None => Err(FrameErrorV2::Malformed { id: Some(id) }),
    }
}

fn parse_ask_id(id: Option<Cow<'_, str>>) -> Result<AskId, FrameErrorV2> {
    let id = id.and_then(|id| AskId::parse(&id).ok());
    id.ok_or(FrameErrorV2::Malformed { id: None })
}

/// Every field of every frame of a client; each kind of frame has some of them.
#[derive(Deserialize)]
struct ClientFrameV2<'a> {
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
pub(crate) enum ServerFrameV2<'a> {
    /// The session is open.
    Hello {
        session_id: &'a str,
        resume_token: &'a str,
        resumed: bool,
        pending: Option<&'a str>,
        limits: AdvertisedLimits,
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
        metadata: Option<MetadataJson<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resume_token: Option<&'a str>,
    },
    /// Something is refused, or a question ended without an answer.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: ErrorCodeV2,
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

/// The answering side's metadata of its answer: its JSON as it is, or what is none as a string.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum MetadataJson<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> MetadataJson<'a> {
    pub(crate) fn from_text(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

/// The limits that a client may count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct AdvertisedLimits {
    pub(crate) max_message_bytes: usize,
    pub(crate) max_question_bytes: usize,
    pub(crate) answer_timeout_ms: u64,
    pub(crate) resume_window_ms: u64,
    pub(crate) heartbeat_ms: u64,
}

/// An error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCodeV2 {
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

impl<'a> ServerFrameV2<'a> {
    /// One part of the answer to `id`.
    pub(crate) fn from_chunk(
        id: &'a AskId,
        cut: Chunk<'a>,
        metadata: Option<MetadataJson<'a>>,
        resume_token: Option<&'a str>,
    ) -> Self {
        Self::Answer {
            id: id.as_str(),
            seq: cut.seq,
            part: cut.index,
            is_final: cut.is_final,
            data: cut.text,
            metadata,
            resume_token,
        }
    }

    /// An error, in the words of its code.
    pub(crate) fn new_error(
        id: Option<&'a AskId>,
        code: ErrorCodeV2,
        retry_after: Option<Duration>,
        resume_token: Option<&'a str>,
    ) -> Self {
        let (message, retryable) = code.message_and_retryable();
        Self::Error {
            id: id.map(AskId::as_str),
            code,
            message,
            retryable,
            retry_after_ms: retry_after.map(whole_millis),
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
        bytes.into_bytes()
    }
}

impl ErrorCodeV2 {
    /// Returns the message for people, and whether the same question may be asked again.
    fn message_and_retryable(self) -> (&'static str, bool) {
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

impl From<QuestionErrorCode> for ErrorCodeV2 {
    fn from(code: QuestionErrorCode) -> Self {
        match code {
            QuestionErrorCode::Busy => Self::Busy,
            QuestionErrorCode::AlreadyAnswered => Self::AlreadyAnswered,
            QuestionErrorCode::PublishFailed => Self::PublishFailed,
            QuestionErrorCode::Timeout => Self::Timeout,
            QuestionErrorCode::Cancelled => Self::Cancelled,
            QuestionErrorCode::AnswerFailed => Self::AnswerFailed,
            QuestionErrorCode::Draining => Self::Draining,
        }
    }
}

/// Whole milliseconds.
pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_ask_id(text: &str) -> AskId {
        AskId::parse(text).unwrap()
    }

    fn parsed(text: &str) -> Result<ClientMessage, FrameErrorV2> {
        parse_client_frame(text, 8)
    }

    #[test]
    fn each_frame_of_a_client_is_read_and_unknown_fields_are_ignored() {
        let question = QuestionFrameV2 {
            ask_id: parse_ask_id("q1"),
            text: QuestionText::new("onde?"),
            user_name: None,
            timeout: None,
        };
        for (frame, said) in [
            (
                r#"{"type":"start"}"#,
                ClientMessage::Start {
                    resume_token: None,
                    last_seq: 0,
                },
            ),
            (
                r#"{"type":"start","token":"a jwt","resume_token":"t","last_seq":3}"#,
                ClientMessage::Start {
                    resume_token: Some("t".to_owned()),
                    last_seq: 3,
                },
            ),
            (
                r#"{"type":"start","resume_token":null,"last_seq":18446744073709551615}"#,
                ClientMessage::Start {
                    resume_token: None,
                    last_seq: MAX_SEQ,
                },
            ),
            (
                r#"{"type":"ask","id":"q1","content":"onde?","x":[{}]}"#,
                ClientMessage::Ask(question.clone()),
            ),
            (
                r#"{"id":"q\u0031","user_name":"ana","timeout_ms":5000,"type":"ask","content":"onde?"}"#,
                ClientMessage::Ask(QuestionFrameV2 {
                    user_name: Some(UserName::new("ana")),
                    timeout: Some(Duration::from_secs(5)),
                    ..question
                }),
            ),
            (
                r#"{"type":"cancel","id":"q1"}"#,
                ClientMessage::Cancel(parse_ask_id("q1")),
            ),
            (r#"{"type":"ack","seq":9}"#, ClientMessage::Ack(9)),
            (r#"{"type":"renew","token":"x"}"#, ClientMessage::Renew),
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
            let refused = FrameErrorV2::Malformed {
                id: about.map(parse_ask_id),
            };
            assert_eq!(parsed(frame), Err(refused), "{frame:.60}");
        }
    }

    #[test]
    fn a_question_may_be_as_long_as_allowed_in_bytes() {
        let frame = |content: &str| format!(r#"{{"type":"ask","id":"q","content":"{content}"}}"#);
        assert!(parsed(&frame("çççç")).is_ok());
        let refused = FrameErrorV2::QuestionTooLong {
            id: parse_ask_id("q"),
        };
        assert_eq!(parsed(&frame("ççççç")), Err(refused));
    }

    #[test]
    fn each_opening_frame_has_exactly_these_bytes() {
        let limits = AdvertisedLimits {
            max_message_bytes: 1,
            max_question_bytes: 2,
            answer_timeout_ms: 3,
            resume_window_ms: 4,
            heartbeat_ms: 5,
        };
        for (frame, json) in [
            (
                ServerFrameV2::Hello {
                    session_id: "s",
                    resume_token: "t",
                    resumed: false,
                    pending: None,
                    limits,
                },
                r#"{"type":"hello","session_id":"s","resume_token":"t","resumed":false,"pending":null,"limits":{"max_message_bytes":1,"max_question_bytes":2,"answer_timeout_ms":3,"resume_window_ms":4,"heartbeat_ms":5}}"#,
            ),
            (
                ServerFrameV2::Accepted {
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
        let question = parse_ask_id("q1");
        let cut = Chunk {
            seq: 4,
            index: 1,
            is_final: true,
            text: "ação \"x\"",
        };
        let after = Some(Duration::from_millis(7));
        for (frame, json) in [
            (
                ServerFrameV2::from_chunk(
                    &question,
                    cut,
                    Some(MetadataJson::from_text("[1.50]")),
                    Some("t"),
                ),
                r#"{"type":"answer","id":"q1","seq":4,"part":1,"final":true,"data":"ação \"x\"","metadata":[1.50],"resume_token":"t"}"#,
            ),
            (
                ServerFrameV2::from_chunk(
                    &question,
                    cut,
                    Some(MetadataJson::from_text("not JSON")),
                    None,
                ),
                r#"{"type":"answer","id":"q1","seq":4,"part":1,"final":true,"data":"ação \"x\"","metadata":"not JSON"}"#,
            ),
            (
                ServerFrameV2::new_error(Some(&question), ErrorCodeV2::Busy, None, None),
                r#"{"type":"error","id":"q1","code":"busy","message":"another question is outstanding; it goes on","retryable":true}"#,
            ),
            (
                ServerFrameV2::new_error(None, ErrorCodeV2::RateLimited, after, Some("t")),
                r#"{"type":"error","code":"rate_limited","message":"too many frames in a second","retryable":true,"retry_after_ms":7,"resume_token":"t"}"#,
            ),
            (
                ServerFrameV2::Heartbeat { resume_token: None },
                r#"{"type":"heartbeat"}"#,
            ),
            (
                ServerFrameV2::Closing {
                    retry_after_ms: 9,
                    resume_token: Some("t"),
                },
                r#"{"type":"closing","retry_after_ms":9,"resume_token":"t"}"#,
            ),
        ] {
            assert_bytes(frame, json);
        }
    }

    fn assert_bytes(frame: ServerFrameV2<'_>, json: &str) {
        let bytes = frame.encode();
        let header = if json.len() < 126 { 2 } else { 4 };
        assert_eq!(str::from_utf8(&bytes[header..]), Ok(json));
    }
}
