//! Keeps the schema questions are written with: the subject's latest, looked up at the start and
//! again every so often.
//!
//! Once there is a schema that can be filled, nothing takes it away: a registry that is away, a
//! subject that is gone and a new latest schema that cannot be filled are told and the last good one
//! stays in use.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use avro_codec::{QuestionEncoder, QuestionFields};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::events::{Client, Events};
use crate::registry::{Latest, RegistryClient, RegistryError};
use crate::status::{Board, Missing, PublisherStatus};

/// What is kept, and how.
#[derive(Debug)]
pub(crate) struct QuestionSchema {
    pub(crate) registry: RegistryClient,
    pub(crate) subject: String,
    pub(crate) fields: QuestionFields,
    /// Whether the minimal schema is registered when the subject has none.
    pub(crate) auto_register: bool,
    /// How often the latest schema is looked up again.
    pub(crate) refresh_interval: Duration,
    pub(crate) events: Arc<Events>,
    pub(crate) board: Arc<Board<PublisherStatus>>,
    pub(crate) current: Arc<Current>,
}

/// The schema in use; `None` before there is one.
#[derive(Debug, Default)]
pub(crate) struct Current(RwLock<Option<Arc<QuestionEncoder>>>);

/// When to look again.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// After the interval: all is well, or somebody has to act and questions flow meanwhile.
    Later,
    /// With back-off.
    Soon,
}

impl QuestionSchema {
    /// Looks the latest schema up, for ever.
    pub(crate) async fn keep(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        // The latest schema that was found to be of no use, to say so once.
        let mut unusable = None;
        loop {
            let wait = match self.refresh(&mut unusable).await {
                Next::Later => {
                    backoff.succeeded();
                    self.refresh_interval
                }
                Next::Soon => backoff.after_failure(rand::random()),
            };
            sleep(wait).await;
        }
    }

    async fn refresh(&self, unusable: &mut Option<u32>) -> Next {
        let mut latest = self.registry.latest(&self.subject).await;
        self.events.registry_asked((&latest).into());
        if self.auto_register && !self.has_one() && latest == Err(RegistryError::NotFound) {
            if let Err(error) = self.register().await {
                return self.on_error(error);
            }
            latest = self.registry.latest(&self.subject).await;
            self.events.registry_asked((&latest).into());
        }
        match latest {
            Ok(latest) => self.on_latest(&latest, unusable),
            Err(error) => self.on_error(error),
        }
    }

    async fn register(&self) -> Result<(), RegistryError> {
        let minimal = minimal(&self.fields);
        let registered = self.registry.register(&self.subject, &minimal).await;
        self.events.registry_asked((&registered).into());
        registered?;
        self.events.question_schema_registered(&self.subject);
        Ok(())
    }

    fn on_latest(&self, latest: &Latest, unusable: &mut Option<u32>) -> Next {
        self.registry_answers();
        if self
            .current
            .get()
            .is_some_and(|in_use| in_use.id() == latest.id)
        {
            return Next::Later;
        }
        let schema = &latest.schema;
        let encoder =
            QuestionEncoder::new(latest.id, &schema.text, &schema.references, &self.fields);
        match encoder {
            Ok(encoder) => {
                self.use_from_now_on(encoder);
                Next::Later
            }
            Err(reason) => {
                if unusable.replace(latest.id) != Some(latest.id) {
                    let id = Some(latest.id);
                    self.events
                        .question_schema_unusable(&self.subject, id, &reason);
                }
                self.lacks(self.unusable(reason.to_string()))
            }
        }
    }

    fn on_error(&self, error: RegistryError) -> Next {
        match error {
            RegistryError::Unavailable(problem) => {
                self.registry_fails(problem);
                Next::Soon
            }
            RegistryError::Login => {
                self.registry_fails(error.to_string());
                self.lacks(Missing::RegistryLogin);
                Next::Soon
            }
            RegistryError::NotFound => {
                self.registry_answers();
                self.lacks(Missing::Schema {
                    subject: self.subject.clone(),
                })
            }
            RegistryError::Refused(_) | RegistryError::Unusable(_) => {
                self.registry_answers();
                self.lacks(self.unusable(error.to_string()))
            }
        }
    }

    fn use_from_now_on(&self, encoder: QuestionEncoder) {
        let id = encoder.id();
        self.current.set(encoder);
        self.board.update(|status| {
            status.schema = Some(id);
            status.missing.retain(|what| !is_ours(what));
        });
        self.events.question_schema_used(&self.subject, id);
    }

    /// Names what keeps questions from being written, unless there is an older schema for them.
    fn lacks(&self, what: Missing) -> Next {
        if self.has_one() {
            return Next::Later;
        }
        self.events.missing(Client::Producer, &what);
        self.board.update(|status| {
            status.missing.retain(|other| !is_ours(other));
            crate::status::add(&mut status.missing, what);
        });
        Next::Soon
    }

    fn registry_answers(&self) {
        if self.board.update(|status| status.registry.set(true, None)) {
            self.events.registry_up();
        }
    }

    fn registry_fails(&self, problem: String) {
        let said = problem.clone();
        if self.board.update(|status| status.registry.fail(said)) {
            self.events.registry_down(&problem);
        }
    }

    fn unusable(&self, reason: String) -> Missing {
        Missing::UnusableSchema {
            subject: self.subject.clone(),
            reason,
        }
    }

    fn has_one(&self) -> bool {
        self.current.get().is_some()
    }
}

impl Current {
    pub(crate) fn get(&self) -> Option<Arc<QuestionEncoder>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, encoder: QuestionEncoder) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(encoder));
    }
}

/// True for what is missing at the registry, which is said in here and nowhere else.
fn is_ours(missing: &Missing) -> bool {
    match missing {
        Missing::Schema { .. } | Missing::UnusableSchema { .. } | Missing::RegistryLogin => true,
        Missing::Topic { .. }
        | Missing::TopicRight { .. }
        | Missing::GroupRight { .. }
        | Missing::Login
        | Missing::Tls => false,
    }
}

/// [`avro_codec::MINIMAL_QUESTION`] with the fields' configured names.
fn minimal(fields: &QuestionFields) -> String {
    let field = |name: &str| serde_json::json!({ "name": name, "type": "string" });
    serde_json::json!({
        "type": "record",
        "name": "Pergunta",
        "fields": [field(&fields.session_id), field(&fields.text)],
    })
    .to_string()
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
