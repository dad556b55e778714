//! Texts written by people and answering systems. None of it ever reaches a log, span, metric or error:
//! `Debug` prints the length in bytes, there is no `Display`, and reading the text takes a call.

use std::fmt;

macro_rules! private_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself, for the wire and nothing else.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(<{} bytes>)", stringify!($name), self.0.len())
            }
        }
    };
}

private_text! {
    /// A question's text, UTF-8.
    QuestionText
}

private_text! {
    /// An answer's text, UTF-8.
    AnswerText
}

private_text! {
    /// The name a user gave with a question.
    UserName
}

private_text! {
    /// The answering side's metadata of its answer, such as its sources: JSON text, unchecked.
    AnswerMetadata
}

private_text! {
    /// The answering side's description of an error. Its words may quote the question, so they are private too.
    AnswerError
}

/// Any of these where it stands in what was read, not copied yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BorrowedText<'a>(&'a str);

impl<'a> BorrowedText<'a> {
    /// Wraps the text.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text itself, to be wrapped anew and nothing else.
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for BorrowedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BorrowedText(<{} bytes>)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_and_not_the_text() {
        let printed = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            QuestionText::new("canary"),
            AnswerText::new("canary-answer"),
            UserName::new("canary"),
            AnswerError::new("canary"),
            BorrowedText::new("canary"),
        );
        assert!(!printed.contains("canary"), "{printed}");
        assert!(
            printed.starts_with("QuestionText(<6 bytes>) AnswerText(<13 bytes>)"),
            "{printed}"
        );
    }
}
