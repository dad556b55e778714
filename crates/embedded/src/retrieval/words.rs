//! Text to terms: lower case without accents, without the words every sentence has, without the
//! commonest endings, and a few Portuguese words as their English counterparts.

/// The terms of a text, in its order.
pub(super) fn terms(text: &str) -> impl Iterator<Item = String> + '_ {
    words(text)
        .filter(|word| !ENGLISH.contains(&word.as_str()) && !PORTUGUESE.contains(&word.as_str()))
        .map(|word| stem(english(&word)))
}

/// The language a question is asked in; English in doubt.
pub fn language(text: &str) -> Language {
    let (mut english, mut portuguese) = (0, 0);
    for word in words(text) {
        english += usize::from(ENGLISH.contains(&word.as_str()));
        portuguese += usize::from(
            PORTUGUESE.contains(&word.as_str()) || TRANSLATED.iter().any(|(one, _)| *one == word),
        );
    }
    if portuguese > english {
        Language::Portuguese
    } else {
        Language::English
    }
}

/// The languages questions are asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English, and every other one.
    English,
    /// Portuguese.
    Portuguese,
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().chars().map(without_accent).collect())
}

fn without_accent(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
        'ç' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        other => other,
    }
}

fn english(word: &str) -> &str {
    TRANSLATED
        .iter()
        .find(|(portuguese, _)| *portuguese == word)
        .map_or(word, |(_, english)| english)
}

/// Takes one plural and one verb ending off; what is left need not be a word, only the same for all
/// forms of one.
fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    for (ending, instead) in [("ies", "y"), ("s", ""), ("ing", ""), ("ed", ""), ("e", "")] {
        let Some(start) = stem.strip_suffix(ending) else {
            continue;
        };
        let is_double_s = ending == "s" && start.ends_with('s');
        if start.len() >= MIN_STEM && !is_double_s {
            stem = format!("{start}{instead}");
        }
    }
    stem
}

const MIN_STEM: usize = 3;

const ENGLISH: &[&str] = &[
    "about",
    "all",
    "also",
    "am",
    "an",
    "and",
    "any",
    "are",
    "at",
    "be",
    "been",
    "but",
    "by",
    "can",
    "change",
    "configure",
    "could",
    "did",
    "does",
    "doing",
    "each",
    "explain",
    "for",
    "from",
    "get",
    "give",
    "had",
    "happen",
    "happens",
    "has",
    "have",
    "hello",
    "hi",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "me",
    "more",
    "my",
    "need",
    "not",
    "of",
    "on",
    "or",
    "our",
    "please",
    "should",
    "so",
    "some",
    "such",
    "tell",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "want",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "whose",
    "why",
    "will",
    "with",
    "work",
    "works",
    "would",
    "you",
    "your",
];

/// Those that are English words too (a, as, do, no) stand here: they say nothing in either.
const PORTUGUESE: &[&str] = &[
    "a",
    "acontece",
    "ao",
    "aos",
    "as",
    "com",
    "como",
    "configurar",
    "configuro",
    "da",
    "das",
    "de",
    "do",
    "dos",
    "e",
    "ela",
    "ele",
    "em",
    "entre",
    "essa",
    "esse",
    "esta",
    "este",
    "eu",
    "explique",
    "fica",
    "foi",
    "funciona",
    "isso",
    "mais",
    "mas",
    "meu",
    "minha",
    "muda",
    "mudar",
    "mudo",
    "na",
    "nao",
    "nas",
    "no",
    "nos",
    "o",
    "ola",
    "onde",
    "os",
    "ou",
    "para",
    "pela",
    "pelo",
    "pode",
    "por",
    "porque",
    "posso",
    "preciso",
    "quais",
    "qual",
    "quando",
    "quanto",
    "que",
    "quem",
    "quero",
    "sao",
    "se",
    "ser",
    "seu",
    "sua",
    "tem",
    "um",
    "uma",
];

const TRANSLATED: &[(&str, &str)] = &[
    ("arquitetura", "architecture"),
    ("cai", "away"),
    ("chave", "key"),
    ("configuracao", "setting"),
    ("configuracoes", "setting"),
    ("demonstracao", "demo"),
    ("erro", "error"),
    ("erros", "error"),
    ("espera", "wait"),
    ("esquema", "schema"),
    ("esquemas", "schema"),
    ("limite", "limit"),
    ("limites", "limit"),
    ("mensagem", "message"),
    ("mensagens", "message"),
    ("metrica", "metric"),
    ("metricas", "metric"),
    ("navegador", "browser"),
    ("particao", "partition"),
    ("particoes", "partition"),
    ("pergunta", "question"),
    ("perguntas", "question"),
    ("porta", "port"),
    ("portas", "port"),
    ("registro", "registry"),
    ("resposta", "answer"),
    ("respostas", "answer"),
    ("segredo", "secret"),
    ("seguranca", "security"),
    ("senha", "password"),
    ("senhas", "password"),
    ("sessao", "session"),
    ("sessoes", "session"),
    ("teste", "test"),
    ("testes", "test"),
    ("topico", "topic"),
    ("topicos", "topic"),
    ("usa", "use"),
    ("usar", "use"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one_term() {
        for forms in [
            &["session", "sessions", "Sessão", "sessões"][..],
            &["answer", "answers", "answering", "answered", "RESPOSTA"],
            &["query", "queries"],
            &["close", "closes", "closed", "closing"],
            &["pass", "passes", "passed", "passing"],
        ] {
            let found: Vec<_> = forms.iter().flat_map(|form| terms(form)).collect();
            assert_eq!(found.len(), forms.len(), "{forms:?}");
            assert!(found.iter().all(|term| *term == found[0]), "{found:?}");
        }
    }

    #[test]
    fn a_setting_is_found_by_its_words() {
        let found: Vec<_> = terms("`GATEWAY__KAFKA__QUESTIONS_TOPIC`").collect();
        assert_eq!(found, ["gateway", "kafka", "question", "topic"]);
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert_eq!(terms("What is it, and why? O que é?").count(), 0);
    }

    #[test]
    fn the_language_of_a_question_is_told() {
        for (text, expected) in [
            ("What happens when Kafka is away?", Language::English),
            ("Kafka?", Language::English),
            ("", Language::English),
            ("O que acontece quando o Kafka cai?", Language::Portuguese),
            ("perguntas e respostas", Language::Portuguese),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }
}
