//! Ids: sessions, their generations, questions, and the wire id that Kafka carries.
//!
//! Every constructor checks; nothing here reads randomness or a clock, both come in as arguments.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name a client gave its session: 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The longest accepted session id, in characters (all of them ASCII).
    pub const MAX_LEN: usize = 128;

    /// Checks `text` and takes it as a session id.
    ///
    /// # Errors
    ///
    /// [`IdError`] when `text` is empty, longer than [`Self::MAX_LEN`], or has a character outside
    /// `A-Z a-z 0-9 . _ -`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        check_session_id(text)?;
        Ok(Self(text.into()))
    }

    /// The id as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Numbers the connections of a session: every accepted socket takes a fresh, larger number.
///
/// A message that carries an older generation is stale and has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// A session and the one connection of it that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The session.
    pub id: SessionId,
    /// The connection.
    pub generation: Generation,
}

/// Sixteen random characters that make a [`WireId`] unique to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireIdSuffix([u8; 10]);

impl WireIdSuffix {
    /// A suffix from 80 random bits, which the caller draws.
    pub fn from_random(bits: [u8; 10]) -> Self {
        Self(bits)
    }
}

/// The `session_id` of a record in Kafka: the session id, alone (*plain*) or followed
/// by `~` and a suffix. `~` cannot occur in a session id, so the split is exact.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WireId {
    text: Arc<str>,
    /// Length in bytes of the session id at the front.
    session_len: u8,
}

impl WireId {
    /// The longest accepted suffix, in characters. Ours have 16.
    pub const MAX_SUFFIX_LEN: usize = 64;

    const SEPARATOR: char = '~';

    /// The session's own id, with no suffix.
    pub fn plain(session: &SessionId) -> Self {
        Self {
            text: Arc::clone(&session.0),
            session_len: session_len(&session.0),
        }
    }

    /// `session~suffix`.
    pub fn suffixed(session: &SessionId, suffix: WireIdSuffix) -> Self {
        let text = format!("{}{}{suffix}", session.0, Self::SEPARATOR);
        Self {
            text: text.into(),
            session_len: session_len(&session.0),
        }
    }

    /// Reads a wire id as an answer carries it.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the part before `~` is no session id, or the suffix is empty, longer than
    /// [`Self::MAX_SUFFIX_LEN`], or has a character outside `A-Z a-z 0-9 . _ -`. Such an id was not
    /// minted here, so the record belongs to nobody this process knows.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let session = Self::parse_session_id(text)?;
        Ok(Self {
            text: text.into(),
            session_len: session_len(session),
        })
    }

    /// Tells whether [`Self::parse`] would take `text`; copies nothing.
    pub fn is_valid(text: &str) -> bool {
        Self::parse_session_id(text).is_ok()
    }

    /// The whole wire id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The session id at its front.
    pub fn session_id(&self) -> &str {
        self.text.split_at(usize::from(self.session_len)).0
    }

    /// True when there is no suffix.
    pub fn is_plain(&self) -> bool {
        self.text.len() == usize::from(self.session_len)
    }

    /// The session id at the front of a text that is a wire id.
    fn parse_session_id(text: &str) -> Result<&str, IdError> {
        let (session, suffix) = match text.split_once(Self::SEPARATOR) {
            Some((session, suffix)) => (session, Some(suffix)),
            None => (text, None),
        };
        check_session_id(session)?;
        if let Some(suffix) = suffix {
            check_length_and_characters(suffix, Self::MAX_SUFFIX_LEN)?;
        }
        Ok(session)
    }
}

/// Names one question on Kafka, in the header `question-id`: 128 bits, written as 32 lower-case
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId([u8; 16]);

impl QuestionId {
    /// A question id from 128 bits: random ones, or a hash's.
    pub fn from_bytes(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads the 32 digits that [`fmt::Display`] writes; either case is accepted.
    ///
    /// # Errors
    ///
    /// [`IdError`] when `text` is anything else.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| IdError::Length)?;
        let mut bits = [0; 16];
        for (byte, pair) in bits.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(bits))
    }
}

/// The reason for which a text is not an id. The text itself is not kept: it came from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A character outside the accepted set.
    #[error("has a character outside A-Z a-z 0-9 . _ -")]
    Character,
    /// Empty or too long.
    #[error("is empty or too long")]
    Length,
}

/// Lets a map keyed by session ids be asked with the front of a [`WireId`].
impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

// === Display and Debug: ids are safe to print ===

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for WireIdSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        for group in self.0.chunks_exact(5) {
            let bits = group
                .iter()
                .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let digit = ALPHABET[(bits >> (place * 5) & 31) as usize];
                fmt::Write::write_char(f, char::from(digit))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === helpers ===

fn check_session_id(text: &str) -> Result<(), IdError> {
    check_length_and_characters(text, SessionId::MAX_LEN)
}

fn check_length_and_characters(text: &str, longest: usize) -> Result<(), IdError> {
    if text.is_empty() || text.len() > longest {
        return Err(IdError::Length);
    }
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.bytes().all(accepted) {
        Ok(())
    } else {
        Err(IdError::Character)
    }
}

fn hex_digit(digit: u8) -> Result<u8, IdError> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(IdError::Character)
}

fn session_len(session: &str) -> u8 {
    u8::try_from(session.len()).expect("a checked session id has at most 128 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_are_1_to_128_characters_of_the_accepted_set() {
        for good in [
            "a",
            "0",
            "A.b_c-9",
            "0190b5c4-8f9e-7cc4-a1c2-1f6f4f9a2b11",
            &"x".repeat(128),
        ] {
            assert_eq!(
                SessionId::parse(good).map(|id| id.to_string()),
                Ok(good.to_owned())
            );
        }
        for (bad, why) in [
            ("", IdError::Length),
            (&*"x".repeat(129), IdError::Length),
            ("a b", IdError::Character),
            ("a~b", IdError::Character),
            ("a/b", IdError::Character),
            ("ação", IdError::Character),
        ] {
            assert_eq!(SessionId::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_wire_id_splits_into_session_and_suffix() {
        let session = SessionId::parse("s-1").expect("valid");
        let plain = WireId::plain(&session);
        assert_eq!(
            (plain.as_str(), plain.session_id(), plain.is_plain()),
            ("s-1", "s-1", true)
        );

        let suffixed = WireId::suffixed(&session, WireIdSuffix::from_random([0xff; 10]));
        assert_eq!(suffixed.as_str(), "s-1~7777777777777777");
        assert_eq!((suffixed.session_id(), suffixed.is_plain()), ("s-1", false));
        assert!(WireId::is_valid(suffixed.as_str()) && WireId::is_valid("s-1"));
        assert_eq!(WireId::parse(suffixed.as_str()), Ok(suffixed));
        assert_eq!(WireId::parse("s-1"), Ok(plain));
    }

    #[test]
    fn a_wire_id_that_was_not_minted_here_is_refused() {
        for bad in [
            "",
            "~x",
            "s~",
            "s~a~b",
            "s~ü",
            "s 1",
            &format!("s~{}", "x".repeat(65)),
        ] {
            assert!(
                WireId::parse(bad).is_err() && !WireId::is_valid(bad),
                "{bad}"
            );
        }
    }

    #[test]
    fn suffixes_differ_when_any_bit_differs() {
        let text = |bits| WireIdSuffix::from_random(bits).to_string();
        assert_eq!(text([0; 10]), "aaaaaaaaaaaaaaaa");
        for bit in 0..80 {
            let mut bits = [0; 10];
            bits[bit / 8] = 1 << (bit % 8);
            assert_ne!(text(bits), text([0; 10]), "bit {bit}");
        }
    }

    #[test]
    fn a_question_id_reads_back_what_it_writes() {
        let id = QuestionId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(QuestionId::parse(&id.to_string().to_uppercase()), Ok(id));
        assert_eq!(QuestionId::parse("30"), Err(IdError::Length));
        assert_eq!(QuestionId::parse(&"g".repeat(32)), Err(IdError::Character));
    }
}
