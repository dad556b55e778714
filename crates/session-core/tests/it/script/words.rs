//! The words of a script, and what they stand for.

use std::time::Duration;

use session_core::{CoreSettings, WireIdMode};
use types::{
    AnswerPart, Generation, Lineage, PartOrder, QuestionId, SessionId, SessionKey, WireIdSuffix,
};

use super::settings;

pub(crate) fn parse_settings(line: &str) -> CoreSettings {
    let words: Vec<&str> = line.split_whitespace().collect();
    let default = settings();
    CoreSettings {
        wire_id: match words.contains(&"question") {
            true => WireIdMode::Suffixed,
            false => WireIdMode::Plain,
        },
        answer_timeout: option(&words, "answer_timeout=").map_or(default.answer_timeout, seconds),
        max_answer_bytes: option(&words, "max_answer=")
            .map_or(default.max_answer_bytes, |n| n.parse().unwrap()),
        chunk_bytes: option(&words, "part=").map_or(4, |n| n.parse().unwrap()),
        answer_ttl: option(&words, "answer_ttl=").map_or(default.answer_ttl, seconds),
        max_departed_sessions: option(&words, "max_owed=")
            .map_or(default.max_departed_sessions, |n| n.parse().unwrap()),
        ..default
    }
}

pub(crate) fn part(words: &[&str]) -> AnswerPart {
    let Some(order) = option(words, "part=") else {
        return AnswerPart::Whole;
    };
    AnswerPart::Piece {
        order: match order {
            "next" => PartOrder::ByOffset,
            number => PartOrder::Numbered(number.parse().unwrap()),
        },
        is_final: words.contains(&"final"),
        attempt: option(words, "attempt=").map_or(0, |attempt| attempt.parse().unwrap()),
    }
}

/// The value of the word that starts with `name`.
pub(crate) fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name))
}

pub(crate) fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

/// `a1`: session `a`, generation 1.
pub(crate) fn key(text: &str) -> SessionKey {
    let (id, generation) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
    SessionKey {
        id: SessionId::parse(id).unwrap(),
        generation: Generation(generation.parse().unwrap()),
    }
}

pub(crate) fn name(key: &SessionKey) -> String {
    format!("{}{}", key.id, key.generation.0)
}

/// The lineage of the fresh start of this connection.
pub(crate) fn lineage(start: &str) -> Lineage {
    Lineage::from_random(padded(start))
}

/// The word that a version-1 question's id was made of.
pub(crate) fn word(question: QuestionId) -> String {
    let digits = question.to_string();
    let bytes = digits.as_bytes().chunks(2);
    let bytes = bytes.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
    String::from_utf8(bytes.take_while(|byte| *byte != 0).collect()).unwrap()
}

pub(crate) fn question_id(question: &str) -> QuestionId {
    QuestionId::from_bytes(padded(question))
}

pub(crate) fn suffix(question: &str) -> WireIdSuffix {
    WireIdSuffix::from_random(padded(question))
}

pub(crate) fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}
