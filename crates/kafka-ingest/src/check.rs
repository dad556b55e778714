//! What has to be right before a gateway can work, looked at from where it is going to run: each thing
//! in words, with what to do about it.
//!
//! Writes nothing and joins no group. What cannot be looked at because something before it failed is
//! said to be so.

mod broker;
mod reach;
mod rights;
mod schemas;
mod topics;

use std::time::Duration;

pub(crate) use rights::Right;

use avro_codec::{AnswerFields, QuestionFields};

use crate::{KafkaSettings, RegistrySettings, StartError};

/// What is looked at.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// How to reach the schema registry.
    pub registry: RegistrySettings,
    /// The topic questions are written to.
    pub questions_topic: String,
    /// The topic answers are read from.
    pub answers_topic: String,
    /// The topic of dead letters, if there is one.
    pub dead_letter_topic: Option<String>,
    /// The subject of the questions' schema.
    pub question_subject: String,
    /// Whether a missing schema of questions would be registered.
    pub auto_register: bool,
    /// What the fields of a question are called.
    pub question_fields: QuestionFields,
    /// What the fields of an answer are called.
    pub answer_fields: AnswerFields,
    /// How long an answer has to stay in its topic to be found by whoever comes back.
    pub keep_answers: Duration,
}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Ok,
    /// The gateway works, and something may be lost or surprising.
    Warning,
    /// The gateway cannot work.
    Failure,
    /// It could not be looked at.
    Skipped,
}

impl Verdict {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a name that stays, such as `kafka.login`.
    pub check: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub seen: String,
    /// What to do about it; empty when nothing is to be done.
    pub advice: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, seen, "")
    }

    /// It works, and is not as it should be.
    pub fn warning(
        check: &'static str,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Warning, seen, advice)
    }

    /// It does not work.
    pub fn failure(
        check: &'static str,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Verdict::Failure, seen, advice)
    }

    /// It could not be looked at.
    pub fn skipped(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, seen, "")
    }

    fn new(
        check: &'static str,
        verdict: Verdict,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            seen: seen.into(),
            advice: advice.into(),
        }
    }
}

/// Looks at everything, one thing after the other, and tells each as soon as it is known. Takes some
/// seconds where something does not answer. For a tokio runtime of several threads.
///
/// # Errors
///
/// [`StartError`] when the settings cannot work at all.
pub async fn check(
    settings: &CheckSettings,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), StartError> {
    if reach::check(&settings.kafka.bootstrap_servers, tell).await {
        broker::check(settings, tell).await?;
    } else {
        let why = "no broker can be reached";
        skip(&["kafka.login"], why, tell);
        skip(&TOPICS, why, tell);
    }
    schemas::check(settings, tell).await
}

/// Tells that these could not be looked at.
fn skip(checks: &[&'static str], why: &str, tell: &mut (dyn FnMut(Finding) + Send)) {
    for check in checks {
        tell(Finding::skipped(check, why));
    }
}

/// What is looked at of the topics that every gateway needs.
const TOPICS: [&str; 2] = ["topic.questions", "topic.answers"];
/// How long one thing may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
