//! From a client's name for its question to the question's name in Kafka. Pure.

use sha2::{Digest, Sha256};
use types::{AskId, QuestionId, SessionId};

/// The same on every replica and for every retry: the first 128 bits of
/// `SHA-256(length of the session id ‖ session id ‖ ask id)`, the length as one byte.
pub(crate) fn question_id(session: &SessionId, id: &AskId) -> QuestionId {
    let session = session.as_str().as_bytes();
    let length = u8::try_from(session.len()).expect("a session id has at most 128 bytes");
    let hash = Sha256::new()
        .chain_update([length])
        .chain_update(session)
        .chain_update(id.as_str())
        .finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    QuestionId::from_bytes(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(session: &str, id: &str) -> String {
        let session = SessionId::parse(session).unwrap();
        question_id(&session, &AskId::parse(id).unwrap()).to_string()
    }

    /// Replicas of different releases must agree.
    #[test]
    fn a_name_is_the_same_for_ever() {
        assert_eq!(named("a", "q1"), "7cad01ce76297fb759bbff1bfcad72f6");
    }

    #[test]
    fn where_the_session_ends_counts() {
        assert_ne!(named("ab", "c"), named("a", "bc"));
        assert_ne!(named("a", "q1"), named("a", "q2"));
    }
}
