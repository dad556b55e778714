//! Where an answer's text is cut into parts: the same at every replica, whoever resumes.

use std::iter;

/// Cuts `text` into pieces of at most `part_bytes` bytes each, as long as they can be without cutting
/// a character. A character longer than that is a piece of its own; an empty text is one empty piece.
/// The pieces depend on nothing but these arguments.
pub(crate) fn cut(text: &str, part_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest.take()?;
        let (piece, behind) = text.split_at(end_of_first(text, part_bytes));
        rest = (!behind.is_empty()).then_some(behind);
        Some(piece)
    })
}

fn end_of_first(text: &str, part_bytes: usize) -> usize {
    match text.floor_char_boundary(part_bytes) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::cut;

    fn pieces(text: &str, part_bytes: usize) -> Vec<&str> {
        cut(text, part_bytes).collect()
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
