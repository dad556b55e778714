//! Version 1 of the WebSocket protocol: five frames out, one frame in. Pure.
//!
//! The known clients send one frame and read exactly one, so there is nothing else.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use session_core::ReplyV1;
use types::{AnswerText, QuestionText, UserName};

use crate::frame_queue_stream::TextFrame;

/// A question as a client put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuestionFrameV1 {
    pub(crate) text: QuestionText,
    pub(crate) user_name: Option<UserName>,
}

/// A text frame that is no question. The connection stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameErrorV1 {
    /// Not such a frame: wrong JSON, wrong type, no content, empty content.
    Malformed,
    /// A question, longer than allowed.
    QuestionTooLong,
}

/// Reads a client's frame. Unknown fields are ignored; `user_name` may be missing or null.
pub(crate) fn parse_client_frame(
    text: &str,
    max_question_bytes: usize,
) -> Result<QuestionFrameV1, FrameErrorV1> {
    let frame: ClientFrameV1<'_> =
        serde_json::from_str(text).map_err(|_| FrameErrorV1::Malformed)?;
    if frame.kind != "message" || frame.content.is_empty() {
        return Err(FrameErrorV1::Malformed);
    }
    if frame.content.len() > max_question_bytes {
        return Err(FrameErrorV1::QuestionTooLong);
    }
    Ok(QuestionFrameV1 {
        text: QuestionText::new(frame.content),
        user_name: frame.user_name.map(UserName::new),
    })
}

/// A frame for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerFrameV1<'a> {
    /// The answer.
    Response(&'a AnswerText),
    /// One question is outstanding; it goes on.
    Busy,
    /// The question was not taken.
    NotSent,
    /// The text was not a question.
    Invalid,
    /// No answer, for whatever reason.
    TimedOut,
}

impl<'a> ServerFrameV1<'a> {
    /// Returns the version-1 frame of a reply of the core.
    pub(crate) fn from_reply(reply: &'a ReplyV1) -> Self {
        match reply {
            ReplyV1::Answer { text, .. } => Self::Response(text),
            ReplyV1::Busy => Self::Busy,
            ReplyV1::Draining | ReplyV1::PublishFailed => Self::NotSent,
            ReplyV1::AnswerFailed | ReplyV1::TimedOut => Self::TimedOut,
        }
    }

    /// The frame's bytes, WebSocket header and all.
    pub(crate) fn encode_frame(self) -> Bytes {
        let message = match self {
            Self::Response(text) => return encode_response(text),
            Self::Busy => "Please wait for the previous response",
            Self::NotSent => "Failed to send question to processing system",
            Self::Invalid => "Invalid message format",
            Self::TimedOut => "No response in time",
        };
        encode_frame(
            &ErrorFrameV1 {
                kind: "error",
                message,
            },
            message.len(),
        )
    }
}

fn encode_response(text: &AnswerText) -> Bytes {
    let data = text.expose();
    encode_frame(
        &ResponseFrameV1 {
            kind: "response",
            data,
        },
        data.len(),
    )
}

fn encode_frame(frame: &impl Serialize, text_len: usize) -> Bytes {
    const AROUND_THE_TEXT: usize = 64;
    let mut bytes = TextFrame::with_capacity(text_len + AROUND_THE_TEXT);
    serde_json::to_writer(&mut bytes, frame).expect("strings serialise, and memory takes them");
    bytes.into_bytes()
}

#[derive(Deserialize)]
struct ClientFrameV1<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    content: String,
    #[serde(default)]
    user_name: Option<String>,
}

// The order of the fields is the order on the wire.

#[derive(Serialize)]
struct ResponseFrameV1<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: &'a str,
}

#[derive(Serialize)]
struct ErrorFrameV1 {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'static str,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(text: &str) -> Result<(String, Option<String>), FrameErrorV1> {
        parse_client_frame(text, 8).map(|question| {
            let name = question.user_name.map(|name| name.expose().to_owned());
            (question.text.expose().to_owned(), name)
        })
    }

    #[test]
    fn a_question_is_read_with_or_without_a_name_and_unknown_fields_are_ignored() {
        let onde = Ok(("onde?".to_owned(), None));
        for frame in [
            r#"{"type":"message","content":"onde?"}"#,
            r#"{"content":"onde?","user_name":null,"type":"message"}"#,
            r#" { "x" : [1,{"y":null}], "type" : "mess\u0061ge", "content" : "ond\u0065?" } "#,
        ] {
            assert_eq!(parsed(frame), onde, "{frame}");
        }
        let named = r#"{"type":"message","content":"onde?","user_name":"ana"}"#;
        assert_eq!(
            parsed(named),
            Ok(("onde?".to_owned(), Some("ana".to_owned())))
        );
    }

    #[test]
    fn anything_else_is_malformed() {
        for frame in [
            "",
            "onde?",
            "[]",
            "null",
            r#""message""#,
            "{}",
            r#"{"type":"message"}"#,
            r#"{"content":"onde?"}"#,
            r#"{"type":"ask","content":"onde?"}"#,
            r#"{"type":null,"content":"onde?"}"#,
            r#"{"type":"message","content":""}"#,
            r#"{"type":"message","content":null}"#,
            r#"{"type":"message","content":7}"#,
            r#"{"type":"message","content":"\ud800"}"#,
            r#"{"type":"message","content":"onde?","user_name":7}"#,
            r#"{"type":"message","content":"onde?"} {}"#,
            r#"{"type":"message","content":"onde?""#,
            &"[".repeat(30_000),
            &format!(r#"{{"x":{}"#, "[".repeat(30_000)),
        ] {
            assert_eq!(parsed(frame), Err(FrameErrorV1::Malformed), "{frame:.40}");
        }
    }

    #[test]
    fn the_length_of_a_question_counts_in_bytes_of_utf8() {
        let frame = |content: &str| format!(r#"{{"type":"message","content":"{content}"}}"#);
        assert!(parsed(&frame("12345678")).is_ok());
        assert!(parsed(&frame("çççç")).is_ok());
        for long in ["123456789", "ççççç"] {
            assert_eq!(parsed(&frame(long)), Err(FrameErrorV1::QuestionTooLong));
        }
    }

    #[test]
    fn each_frame_has_exactly_these_bytes() {
        let text = AnswerText::new("linha \"1\"\nação");
        for (frame, json) in [
            (
                ServerFrameV1::Response(&text),
                r#"{"type":"response","data":"linha \"1\"\nação"}"#,
            ),
            (
                ServerFrameV1::Busy,
                r#"{"type":"error","message":"Please wait for the previous response"}"#,
            ),
            (
                ServerFrameV1::NotSent,
                r#"{"type":"error","message":"Failed to send question to processing system"}"#,
            ),
            (
                ServerFrameV1::Invalid,
                r#"{"type":"error","message":"Invalid message format"}"#,
            ),
            (
                ServerFrameV1::TimedOut,
                r#"{"type":"error","message":"No response in time"}"#,
            ),
        ] {
            let bytes = frame.encode_frame();
            let (header, payload) = bytes.split_at(2);
            assert_eq!(header, [0x81, u8::try_from(json.len()).unwrap()], "{json}");
            assert_eq!(std::str::from_utf8(payload), Ok(json));
        }
    }

    #[test]
    fn every_reply_of_the_core_is_one_of_the_five_frames() {
        let answer = ReplyV1::Answer {
            text: AnswerText::new("x"),
            publish_time: None,
            total_time: Duration::ZERO,
        };
        assert!(matches!(
            ServerFrameV1::from_reply(&answer),
            ServerFrameV1::Response(_)
        ));
        for (reply, frame) in [
            (ReplyV1::AnswerFailed, ServerFrameV1::TimedOut),
            (ReplyV1::TimedOut, ServerFrameV1::TimedOut),
            (ReplyV1::Busy, ServerFrameV1::Busy),
            (ReplyV1::Draining, ServerFrameV1::NotSent),
            (ReplyV1::PublishFailed, ServerFrameV1::NotSent),
        ] {
            assert_eq!(ServerFrameV1::from_reply(&reply), frame);
        }
    }
}
