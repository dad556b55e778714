//! Markdown cut into passages: by headings, then by blocks up to a quotable size, a table by its
//! rows. Reads the subset the project's documents use: ATX headings, paragraphs, lists, tables and
//! fenced code.

use super::{Document, Passage};

/// The document's passages, in its order.
pub(super) fn split_passages(document: &Document<'_>) -> Vec<Passage> {
    let mut cutter = PassageSplitter::new(document.path);
    let mut in_code = false;
    for line in document.text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            cutter.end_block();
        } else if in_code {
            cutter.push_line(line);
        } else if let Some(heading) = heading(line) {
            cutter.begin_section(heading);
        } else {
            push_prose(&mut cutter, line);
        }
    }
    cutter.finish()
}

fn push_prose(cutter: &mut PassageSplitter, line: &str) {
    let line = line.trim();
    let is_row = line.starts_with('|');
    if line.is_empty() || is_rule(line) || line.starts_with("![") {
        return cutter.end_block();
    }
    if is_row {
        return cutter.push_passage(&plain(row(line)));
    }
    if starts_item(line) {
        cutter.end_block();
    }
    cutter.push_line(&plain(line.to_owned()));
}

/// Collects lines into blocks, blocks into passages.
struct PassageSplitter {
    path: String,
    heading: String,
    block: String,
    text: String,
    passages: Vec<Passage>,
}

impl PassageSplitter {
    fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            heading: String::new(),
            block: String::new(),
            text: String::new(),
            passages: Vec::new(),
        }
    }

    fn begin_section(&mut self, heading: &str) {
        self.end_passage();
        self.heading = plain(heading.to_owned());
    }

    fn push_line(&mut self, line: &str) {
        push_separated(&mut self.block, line);
    }

    fn push_passage(&mut self, line: &str) {
        self.end_passage();
        self.push_line(line);
        self.end_passage();
    }

    fn end_block(&mut self) {
        if self.text.len() + self.block.len() > MAX_PASSAGE_BYTES && !self.text.is_empty() {
            self.cut();
        }
        let block = std::mem::take(&mut self.block);
        push_separated(&mut self.text, &block);
    }

    fn end_passage(&mut self) {
        self.end_block();
        self.cut();
    }

    fn cut(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return;
        }
        self.passages.push(Passage {
            path: self.path.clone(),
            heading: self.heading.clone(),
            text,
        });
    }

    fn finish(mut self) -> Vec<Passage> {
        self.end_passage();
        self.passages
    }
}

fn push_separated(text: &mut String, more: &str) {
    if more.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    (matches!(level, 1..=6) && text.starts_with(' ')).then(|| text.trim())
}

/// A line of a table that only separates its head, or a thematic break.
fn is_rule(line: &str) -> bool {
    line.contains("---") && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn starts_item(line: &str) -> bool {
    let after_digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (after_digits.len() < line.len() && after_digits.starts_with(". "))
}

fn row(line: &str) -> String {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    cells.join(": ")
}

/// The text without marks of emphasis and code, and links reduced to their words.
fn plain(text: String) -> String {
    let text = text.replace("**", "").replace('`', "");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let parts = link
            .split_once("](")
            .and_then(|(words, target)| Some((words, target.split_once(')')?.1)));
        match parts {
            Some((words, after)) if !words.contains('[') => {
                plain.push_str(words);
                rest = after;
            }
            Some(_) | None => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain + rest
}

/// Blocks are joined into one passage up to this size.
const MAX_PASSAGE_BYTES: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_cut_at_its_headings() {
        assert_eq!(
            cut("intro\n# One\na\nb\n\nc\n## Two `x`\n\nd\n#no heading\n"),
            [
                ("", "intro"),
                ("One", "a\nb\nc"),
                ("Two x", "d\n#no heading")
            ]
        );
    }

    #[test]
    fn a_comment_in_code_is_no_heading() {
        assert_eq!(
            cut("# One\n```sh\n# two\nrun `it`\n```\nafter"),
            [("One", "# two\nrun `it`\nafter")]
        );
    }

    #[test]
    fn every_row_of_a_table_stands_alone() {
        assert_eq!(
            cut("| key | what |\n|---|:-:|\n| `A_B` | the **first** |"),
            [("", "key: what"), ("", "A_B: the first")]
        );
    }

    #[test]
    fn links_become_their_words_and_pictures_vanish() {
        assert_eq!(
            cut("see [the guide](guide.md), a[0] and [b]\n\n![flow](flow.svg)"),
            [("", "see the guide, a[0] and [b]")]
        );
    }

    #[test]
    fn a_long_section_is_cut_between_blocks_and_never_inside_one() {
        let item = format!("- {}", "x".repeat(250));
        let long = "y".repeat(900);
        let text = format!("# H\n{item}\n{item}\n{item}\n\n{long}");
        let two = format!("{item}\n{item}");
        assert_eq!(cut(&text), [("H", &*two), ("H", &*item), ("H", &*long)]);
    }

    fn cut(text: &str) -> Vec<(&'static str, &'static str)> {
        let document = Document { path: "p", text };
        split_passages(&document)
            .into_iter()
            .map(|passage| (leak(passage.heading), leak(passage.text)))
            .collect()
    }

    fn leak(text: String) -> &'static str {
        text.leak()
    }
}
