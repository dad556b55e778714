//! The words of an answer: the passages found, each with its source, or an honest refusal.

use crate::retrieval::{Language, Passage, PassageIndex, language};

/// Answers a question from the documentation, as plain text in paragraphs.
pub(super) fn compose(question: &str, documentation: &PassageIndex) -> String {
    let words = reply_phrases(language(question));
    let passages = documentation.search(question, MAX_PASSAGES);
    if passages.is_empty() {
        return words.nothing.to_owned();
    }
    let quotations = passages.into_iter().map(quotation);
    let paragraphs: Vec<String> = [words.opening.to_owned()]
        .into_iter()
        .chain(quotations)
        .collect();
    paragraphs.join("\n\n")
}

fn quotation(passage: &Passage) -> String {
    format!("{}\n— {}", shortened(&passage.text), source(passage))
}

fn source(Passage { path, heading, .. }: &Passage) -> String {
    match heading.as_str() {
        "" => path.clone(),
        heading => format!("{path} § {heading}"),
    }
}

fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let mut shortened: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    if chars.next().is_some() {
        shortened.push('…');
    }
    shortened
}

struct ReplyPhrases {
    opening: &'static str,
    nothing: &'static str,
}

fn reply_phrases(language: Language) -> ReplyPhrases {
    match language {
        Language::English => ReplyPhrases {
            opening: "This is what the project's documentation says:",
            nothing: "I only know this project's documentation, and nothing in it matches your question. \
                      Try asking about sessions, topics, settings, ports or what happens when Kafka is away.",
        },
        Language::Portuguese => ReplyPhrases {
            opening: "A documentação do projeto (em inglês) diz:",
            nothing: "Só conheço a documentação deste projeto, e nada nela corresponde à sua pergunta. \
                      Pergunte sobre sessões, tópicos, configurações, portas ou o que acontece quando o Kafka cai.",
        },
    }
}

const MAX_PASSAGES: usize = 3;
const MAX_QUOTED_CHARS: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answerer::documents;
    use crate::retrieval::Document;

    #[test]
    fn an_answer_quotes_the_passage_and_names_its_source() {
        let index = guide("before\n# Ports\nIt listens on port 8080.\n# Topics\nThere are two.");
        assert_eq!(
            compose("Which port does it listen on?", &index),
            "This is what the project's documentation says:\n\nIt listens on port 8080.\n— guide.md § Ports"
        );
        assert!(compose("before?", &index).ends_with("before\n— guide.md"));
    }

    #[test]
    fn a_question_about_something_else_is_told_so_in_its_language() {
        let index = guide("# Ports\nIt listens on port 8080.");
        assert!(compose("How do I bake bread?", &index).starts_with("I only know"));
        assert!(compose("Como faço um bolo de chocolate?", &index).starts_with("Só conheço"));
    }

    #[test]
    fn a_long_passage_is_cut_and_shows_it() {
        let index = guide(&format!("# Ports\nport {}", "é".repeat(2_000)));
        let answer = compose("port", &index);
        assert!(answer.contains("éé…\n"), "{answer}");
        assert!(answer.chars().count() < 1_300);
    }

    #[test]
    fn the_projects_own_pages_answer_what_a_newcomer_asks() {
        let index = documents::build_index();
        for (question, expected) in [
            ("Which topics does the gateway use?", "respostas"),
            (
                "How do I point it at my own Kafka?",
                "KAFKA_BOOTSTRAP_SERVERS",
            ),
            (
                "What does it promise?",
                "never an answer to the wrong session",
            ),
            ("How do I change the port?", "PORT"),
            ("Em qual porta fica?", "PORT"),
        ] {
            let answer = compose(question, &index);
            assert!(answer.contains(expected), "{question}\n{answer}");
        }
    }

    fn guide(text: &str) -> PassageIndex {
        PassageIndex::new([Document {
            path: "guide.md",
            text,
        }])
    }
}
