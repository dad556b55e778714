//! The id that a client of version 2 gives its question.

use std::fmt;
use std::sync::Arc;

use crate::IdError;

/// The idempotency key of a question, chosen by its client: 1 to 64 characters, any.
///
/// It is a client's own text, so `Debug` does not print it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AskId(Arc<str>);

impl AskId {
    /// The longest accepted id, in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks `text` and takes it as an id.
    ///
    /// # Errors
    ///
    /// [`IdError::Length`] when `text` is empty or longer than [`Self::MAX_LEN`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        // Counting stops at the first character too many.
        let characters = text.chars().take(Self::MAX_LEN + 1).count();
        if characters == 0 || characters > Self::MAX_LEN {
            return Err(IdError::Length);
        }
        Ok(Self(text.into()))
    }

    /// The id as the client wrote it, for the wire and nothing else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AskId(<{} bytes>)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_64_characters_whatever_their_bytes() {
        for (text, accepted) in [
            ("", false),
            ("q", true),
            ("pergunta n\u{ba} 1", true),
            (&"ç".repeat(64), true),
            (&"ç".repeat(65), false),
        ] {
            assert_eq!(AskId::parse(text).is_ok(), accepted, "{text}");
        }
    }

    #[test]
    fn its_text_is_not_printed() {
        let id = AskId::parse("segredo").unwrap();
        assert_eq!(format!("{id:?}"), "AskId(<7 bytes>)");
        assert_eq!(id.as_str(), "segredo");
    }
}
