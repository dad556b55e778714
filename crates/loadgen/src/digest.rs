//! The one right answer to a question, computed on both sides of Kafka.

use sha2::{Digest, Sha256};

/// The digest of `question` in hexadecimal, padded to `bytes`.
pub(crate) fn answer_to(question: &str, bytes: usize) -> String {
    let mut answer = format!("{:x}", Sha256::digest(question.as_bytes()));
    answer.extend(std::iter::repeat_n('.', bytes.saturating_sub(answer.len())));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_length_asked_for_and_begins_with_the_digest() {
        let answer = answer_to("abc", 100);
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(answer, format!("{digest}{}", ".".repeat(36)));
    }

    #[test]
    fn different_questions_have_different_answers() {
        assert_ne!(answer_to("a", 64), answer_to("b", 64));
    }
}
