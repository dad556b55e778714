//! The lineage of a version-2 session, and the question ids derived from it.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{AskId, QuestionId};

/// Identifies one fresh start of a version-2 session and everything that is resumed from it.
///
/// 128 random bits, minted by the gateway at each fresh `start` and carried in the resume token. The
/// client's question ids are scoped by it: two clients that use one session id and one ask id, or one page
/// before and after it is loaded again, never share a [`QuestionId`]. Secret, so `Debug` prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lineage([u8; 16]);

impl Lineage {
    /// Makes a lineage of 128 random bits, which the caller draws.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Returns its 128 bits, for a resume token.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Derives the question id of an ask: the first 128 bits of HMAC-SHA-256 (RFC 2104) of the ask id,
    /// keyed by the lineage. The same on every replica and for every retry.
    pub fn question_id(self, ask: &AskId) -> QuestionId {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        let code = mac.chain_update(ask.as_str()).finalize().into_bytes();
        let mut bits = [0; 16];
        bits.copy_from_slice(&code[..16]);
        QuestionId::from_bytes(bits)
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lineage(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question_id(lineage: u8, ask: &str) -> QuestionId {
        Lineage::from_random([lineage; 16]).question_id(&AskId::parse(ask).unwrap())
    }

    /// Replicas of different releases must agree.
    #[test]
    fn a_question_id_is_the_same_in_every_release() {
        let expected = "dc196f63c7f753c4eeb2a7b04905b499";
        assert_eq!(question_id(7, "q1").to_string(), expected);
    }

    #[test]
    fn lineage_and_ask_id_both_count() {
        assert_ne!(question_id(1, "q1"), question_id(2, "q1"));
        assert_ne!(question_id(1, "q1"), question_id(1, "q2"));
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let printed = format!("{:?}", Lineage::from_random([0x2a; 16]));
        assert_eq!(printed, "Lineage(***)");
    }
}
