//! Finds the passages of some documents that a question is about: BM25 over sections cut to quotable
//! size. Pure; built once, then only read.
//! Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 3.4.

mod markdown;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use markdown::split_passages;
pub use words::{Language, language};

/// Passages, ready to be searched.
#[derive(Debug)]
pub struct PassageIndex {
    passages: Vec<IndexedPassage>,
    /// The number of passages that hold a term.
    frequency: BTreeMap<String, usize>,
    mean_length: f64,
}

impl PassageIndex {
    /// Cuts Markdown documents into passages and counts their terms.
    pub fn new<'a>(documents: impl IntoIterator<Item = Document<'a>>) -> Self {
        let passages: Vec<IndexedPassage> = documents
            .into_iter()
            .flat_map(|document| split_passages(&document))
            .map(IndexedPassage::new)
            .collect();
        let mut frequency = BTreeMap::new();
        for term in passages.iter().flat_map(|passage| passage.counts.keys()) {
            *frequency.entry(term.clone()).or_default() += 1;
        }
        let total: f64 = passages.iter().map(|passage| passage.length).sum();
        Self {
            mean_length: total / as_f64(passages.len().max(1)),
            passages,
            frequency,
        }
    }

    /// The passages `question` is about, best first, at most `limit`; none when too little of the
    /// question is found in any of them.
    pub fn search(&self, question: &str, limit: usize) -> Vec<&Passage> {
        let terms: BTreeSet<String> = words::terms(question).take(MAX_TERMS).collect();
        let asked: f64 = terms.iter().map(|term| self.weight(term)).sum();
        let mut hits: Vec<PassageHit<'_>> = self
            .passages
            .iter()
            .map(|passage| self.rate(&terms, passage))
            .filter(|hit| hit.found > 0 && hit.is_about(terms.len(), asked))
            .collect();
        hits.sort_by(|one, other| other.score.total_cmp(&one.score));
        let enough = hits.first().map_or(0.0, |best| best.score * MIN_OF_BEST);
        hits.into_iter()
            .take_while(|hit| hit.score >= enough)
            .take(limit)
            .map(|hit| hit.passage)
            .collect()
    }

    /// Returns the number of passages.
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    /// Tells whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    fn rate<'a>(&self, terms: &BTreeSet<String>, passage: &'a IndexedPassage) -> PassageHit<'a> {
        let (mut score, mut found, mut found_weight) = (0.0, 0, 0.0);
        for term in terms {
            let Some(count) = passage.counts.get(term) else {
                continue;
            };
            let weight = self.weight(term);
            let relative_length = passage.length / self.mean_length;
            let damping = SATURATION * (1.0 - LENGTH_SHARE + LENGTH_SHARE * relative_length);
            score += weight * count * (SATURATION + 1.0) / (count + damping);
            found += 1;
            found_weight += weight;
        }
        PassageHit {
            passage: &passage.passage,
            score,
            found,
            found_weight,
        }
    }

    /// The rarer a term, the more it says; most of all one that no passage holds.
    fn weight(&self, term: &str) -> f64 {
        let holding = as_f64(self.frequency.get(term).copied().unwrap_or(0));
        let others = as_f64(self.passages.len()) - holding;
        ((others + 0.5) / (holding + 0.5)).ln_1p()
    }
}

/// A Markdown document.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The path by which the reader finds it.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A piece of a document, short enough to be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The document's path.
    pub path: String,
    /// The heading it stands under, without marks; empty before the first one.
    pub heading: String,
    /// Its text, without Markdown's marks, at most about 600 bytes unless one block is longer.
    pub text: String,
}

/// A passage and how often each term is in it, those of its heading counted more than once.
#[derive(Debug)]
struct IndexedPassage {
    passage: Passage,
    counts: BTreeMap<String, f64>,
    length: f64,
}

impl IndexedPassage {
    fn new(passage: Passage) -> Self {
        let mut counts = BTreeMap::new();
        let weighted = words::terms(&passage.text)
            .map(|term| (term, 1.0))
            .chain(words::terms(&passage.heading).map(|term| (term, HEADING_WEIGHT)));
        for (term, weight) in weighted {
            *counts.entry(term).or_default() += weight;
        }
        Self {
            length: counts.values().sum(),
            passage,
            counts,
        }
    }
}

/// A passage rated against a question.
struct PassageHit<'a> {
    passage: &'a Passage,
    score: f64,
    /// The number of the question's terms in it, and their weight.
    found: usize,
    found_weight: f64,
}

impl PassageHit<'_> {
    /// Most of the question's terms, or those that say the most, are in it.
    fn is_about(&self, terms: usize, weight: f64) -> bool {
        self.found * 2 > terms || self.found_weight >= weight * MIN_FOUND
    }
}

/// Exact for any number of passages that fits in memory.
fn as_f64(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

/// A longer question is read this far.
const MAX_TERMS: usize = 64;
const HEADING_WEIGHT: f64 = 2.0;
/// The share of the question's weight a passage must hold, unless it holds most of its terms. Below it
/// the match is one common word.
const MIN_FOUND: f64 = 0.35;
/// A further passage is worth showing with this share of the best one's score.
const MIN_OF_BEST: f64 = 0.6;
/// BM25's k1 and b, at their usual values.
const SATURATION: f64 = 1.2;
const LENGTH_SHARE: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# The gateway

It brings answers to sessions.

## Ports

The gateway listens on port 8080. `PORT` moves it.

## Replicas

Every replica of the gateway reads every answer, so two replicas lose none.

## Sessões e senhas

Uma senha nunca aparece no registro.
";

    #[test]
    fn the_section_a_question_is_about_comes_first() {
        assert_eq!(headings("Which port does it listen on?"), ["Ports"]);
        assert_eq!(headings("what do two replicas do?"), ["Replicas"]);
    }

    #[test]
    fn common_words_are_enough_when_they_are_most_of_the_question() {
        assert_eq!(headings("how does a gateway replica cope?"), ["Replicas"]);
    }

    #[test]
    fn a_word_is_found_in_another_form_of_it() {
        assert_eq!(headings("listening ports"), ["Ports"]);
        assert_eq!(headings("is an answer READ by each replica"), ["Replicas"]);
    }

    #[test]
    fn accents_and_language_do_not_hide_a_match() {
        assert_eq!(
            headings("onde aparece a senha da sessao?"),
            ["Sessões e senhas"]
        );
        assert_eq!(headings("Qual é a porta?"), ["Ports"]);
    }

    #[test]
    fn a_question_about_something_else_finds_nothing() {
        for question in [
            "How long do I bake bread?",
            "does the gateway like chocolate cake recipes?",
            "what is it?",
            "",
            "?!",
        ] {
            assert_eq!(headings(question), Vec::<&str>::new(), "{question}");
        }
    }

    #[test]
    fn no_more_than_the_limit_is_found() {
        let index = PassageIndex::new([Document {
            path: "a.md",
            text: "# a\none\n# b\none\n# c\none\n# d\ntwo",
        }]);
        assert_eq!(index.search("one", 2).len(), 2);
        assert_eq!(index.search("one", 9).len(), 3);
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let index = PassageIndex::new([]);
        assert!(index.is_empty());
        assert!(index.search("port", 3).is_empty());
    }

    fn headings(question: &str) -> Vec<&'static str> {
        let index = PassageIndex::new([Document {
            path: "guide.md",
            text: TEXT,
        }]);
        index
            .search(question, 1)
            .into_iter()
            .map(|passage| {
                let found = TEXT
                    .lines()
                    .find(|line| line.trim_start_matches(['#', ' ']) == passage.heading);
                found.unwrap().trim_start_matches(['#', ' '])
            })
            .collect()
    }
}
