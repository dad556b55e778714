//! Checks the prerequisites of a gateway from the place where it is going to run: each finding
//! in words, with what to do about it.
//!
//! Writes nothing and joins no group. What cannot be looked at because something before it failed is
//! said to be so.

mod broker;
mod reachability;
mod rights;
mod schemas;
mod topics;

use std::time::Duration;

pub(crate) use rights::TopicRight;

use avro_codec::{AnswerFieldNames, QuestionFieldNames};

use crate::{KafkaSettings, RegistrySettings, StartError};

/// The settings that are checked.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// The connection to Kafka.
    pub kafka: KafkaSettings,
    /// The connection to the schema registry.
    pub registry: RegistrySettings,
    /// The topic questions are written to.
    pub questions_topic: String,
    /// The topic answers are read from.
    pub answers_topic: String,
    /// The topic of dead letters, if there is one.
    pub dead_letter_topic: Option<String>,
    /// The subject of the questions' schema.
    pub question_subject: String,
    /// True if a missing schema of questions would be registered.
    pub auto_register: bool,
    /// The names of a question's fields.
    pub question_fields: QuestionFieldNames,
    /// The names of an answer's fields.
    pub answer_fields: AnswerFieldNames,
    /// The time for which an answer has to stay in its topic to be found by a resumed session.
    pub answer_retention: Duration,
}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckVerdict {
    /// It is right.
    Ok,
    /// The gateway works, and something may be lost or surprising.
    Warning,
    /// The gateway cannot work.
    Failure,
    /// It could not be looked at.
    Skipped,
}

impl CheckVerdict {
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
    /// The name of the check, which is stable, such as `kafka.login`.
    pub check: &'static str,
    /// The result.
    pub verdict: CheckVerdict,
    /// The observed state, in words.
    pub observed: String,
    /// The remedy; empty when nothing is to be done.
    pub advice: String,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, CheckVerdict::Ok, seen, "")
    }

    /// It works, and is not as it should be.
    pub fn warning(
        check: &'static str,
        observed: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, CheckVerdict::Warning, observed, advice)
    }

    /// It does not work.
    pub fn failure(
        check: &'static str,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, CheckVerdict::Failure, seen, advice)
    }

    /// It could not be looked at.
    pub fn skipped(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, CheckVerdict::Skipped, seen, "")
    }

    fn new(
        check: &'static str,
        verdict: CheckVerdict,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            observed: seen.into(),
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
pub async fn run_checks(
    settings: &CheckSettings,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> Result<(), StartError> {
    if reachability::check_reachability(&settings.kafka.bootstrap_servers, tell).await {
        broker::check_brokers(settings, tell).await?;
    } else {
        let why = "no broker can be reached";
        report_skipped(&["kafka.login"], why, tell);
        report_skipped(&TOPIC_CHECKS, why, tell);
    }
    schemas::check_schemas(settings, tell).await
}

/// Tells that these could not be looked at.
fn report_skipped(checks: &[&'static str], why: &str, tell: &mut (dyn FnMut(Finding) + Send)) {
    for check in checks {
        tell(Finding::skipped(check, why));
    }
}

/// The checks of the topics that every gateway needs.
const TOPIC_CHECKS: [&str; 2] = ["topic.questions", "topic.answers"];
/// The longest time for one answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
