//! Splits an answer's text into chunks: the same at every replica, whoever resumes.

use std::iter;

/// Cuts `text` into pieces of at most `part_bytes` bytes each, as long as they can be without cutting
/// a character. A character longer than that is a piece of its own; an empty text is one empty piece.
/// The pieces depend on nothing but these arguments.
pub(crate) fn split_into_chunks(text: &str, part_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest.take()?;
        let (piece, behind) = text.split_at(first_chunk_len(text, part_bytes));
        rest = (!behind.is_empty()).then_some(behind);
        Some(piece)
    })
}

fn first_chunk_len(text: &str, part_bytes: usize) -> usize {
    match text.floor_char_boundary(part_bytes) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split_into_chunks;

    fn pieces(text: &str, part_bytes: usize) -> Vec<&str> {
        split_into_chunks(text, part_bytes).collect()
    }

    #[test]
    fn a_text_is_cut_between_characters_and_an_empty_one_is_one_piece() {
        for (text, part_bytes, expected) in [
            ("", 4, &[""][..]),
            ("abcd", 4, &["abcd"]),
            ("abcde", 4, &["abcd", "e"]),
            ("açã", 2, &["a", "ç", "ã"]),
            ("açã", 3, &["aç", "ã"]),
            ("ação", 1, &["a", "ç", "ã", "o"]),
        ] {
            assert_eq!(pieces(text, part_bytes), expected, "{text} by {part_bytes}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text_and_none_is_longer_than_it_may_be(
            text in ".{0,200}",
            part_bytes in 4_usize..50,
        ) {
            let pieces = pieces(&text, part_bytes);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= part_bytes));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
