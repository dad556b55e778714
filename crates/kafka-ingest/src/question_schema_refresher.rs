//! Keeps the schema questions are written with: the subject's latest, looked up at the start and
//! again every so often.
//!
//! Once there is a schema that can be filled, nothing takes it away: a registry that is away, a
//! subject that is gone and a new latest schema that cannot be filled are told and the last good one
//! stays in use.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use avro_codec::{QuestionEncoder, QuestionFieldNames};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::events::{ClientRole, Events};
use crate::registry::{LatestSchema, RegistryClient, RegistryClientError};
use crate::status::{MissingPrerequisite, PublisherStatus, StatusBoard};

/// Keeps the latest question schema.
#[derive(Debug)]
pub(crate) struct QuestionSchemaRefresher {
    pub(crate) registry: RegistryClient,
    pub(crate) subject: String,
    pub(crate) fields: QuestionFieldNames,
    /// True if the minimal schema is registered when the subject has none.
    pub(crate) auto_register: bool,
    /// The interval at which the latest schema is fetched again.
    pub(crate) refresh_interval: Duration,
    pub(crate) events: Arc<Events>,
    pub(crate) status: Arc<StatusBoard<PublisherStatus>>,
    pub(crate) current: Arc<CurrentEncoder>,
}

/// The schema in use; `None` before there is one.
#[derive(Debug, Default)]
pub(crate) struct CurrentEncoder(RwLock<Option<Arc<QuestionEncoder>>>);

/// The time of the next refresh.
#[derive(Debug, PartialEq, Eq)]
enum NextRefresh {
    /// After the interval: all is well, or somebody has to act and questions flow meanwhile.
    AfterInterval,
    /// With back-off.
    WithBackoff,
}

impl QuestionSchemaRefresher {
    /// Looks the latest schema up, for ever.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        // The latest schema that was found to be of no use, to say so once.
        let mut unusable = None;
        loop {
            let wait = match self.refresh(&mut unusable).await {
                NextRefresh::AfterInterval => {
                    backoff.reset();
                    self.refresh_interval
                }
                NextRefresh::WithBackoff => backoff.next_wait(rand::random()),
            };
            sleep(wait).await;
        }
    }

    async fn refresh(&self, unusable: &mut Option<u32>) -> NextRefresh {
        let mut latest = self.registry.fetch_latest(&self.subject).await;
        self.events.count_registry_request((&latest).into());
        if self.auto_register && !self.has_encoder() && latest == Err(RegistryClientError::NotFound)
        {
            if let Err(error) = self.register().await {
                return self.on_error(error);
            }
            latest = self.registry.fetch_latest(&self.subject).await;
            self.events.count_registry_request((&latest).into());
        }
        match latest {
            Ok(latest) => self.on_latest(&latest, unusable),
            Err(error) => self.on_error(error),
        }
    }

    async fn register(&self) -> Result<(), RegistryClientError> {
        let minimal = minimal_schema(&self.fields);
        let registered = self.registry.register(&self.subject, &minimal).await;
        self.events.count_registry_request((&registered).into());
        registered?;
        self.events.question_schema_registered(&self.subject);
        Ok(())
    }

    fn on_latest(&self, latest: &LatestSchema, unusable: &mut Option<u32>) -> NextRefresh {
        self.on_registry_up();
        if self
            .current
            .get()
            .is_some_and(|in_use| in_use.schema_id() == latest.id)
        {
            return NextRefresh::AfterInterval;
        }
        let schema = &latest.schema;
        let encoder =
            QuestionEncoder::new(latest.id, &schema.text, &schema.references, &self.fields);
        match encoder {
            Ok(encoder) => {
                self.set_encoder(encoder);
                NextRefresh::AfterInterval
            }
            Err(reason) => {
                if unusable.replace(latest.id) != Some(latest.id) {
                    let id = Some(latest.id);
                    self.events
                        .question_schema_unusable(&self.subject, id, &reason);
                }
                self.report_missing(self.report_unusable(reason.to_string()))
            }
        }
    }

    fn on_error(&self, error: RegistryClientError) -> NextRefresh {
        match error {
            RegistryClientError::Unavailable(problem) => {
                self.on_registry_down(problem);
                NextRefresh::WithBackoff
            }
            RegistryClientError::Login => {
                self.on_registry_down(error.to_string());
                self.report_missing(MissingPrerequisite::RegistryLogin);
                NextRefresh::WithBackoff
            }
            RegistryClientError::NotFound => {
                self.on_registry_up();
                self.report_missing(MissingPrerequisite::Schema {
                    subject: self.subject.clone(),
                })
            }
            RegistryClientError::Refused(_) | RegistryClientError::Unusable(_) => {
                self.on_registry_up();
                self.report_missing(self.report_unusable(error.to_string()))
            }
        }
    }

    fn set_encoder(&self, encoder: QuestionEncoder) {
        let id = encoder.schema_id();
        self.current.set(encoder);
        self.status.update(|status| {
            status.schema = Some(id);
            status.missing.retain(|what| !is_registry_problem(what));
        });
        self.events.question_schema_used(&self.subject, id);
    }

    /// Names what keeps questions from being written, unless there is an older schema for them.
    fn report_missing(&self, what: MissingPrerequisite) -> NextRefresh {
        if self.has_encoder() {
            return NextRefresh::AfterInterval;
        }
        self.events.report_missing(ClientRole::Producer, &what);
        self.status.update(|status| {
            status.missing.retain(|other| !is_registry_problem(other));
            crate::status::add_missing(&mut status.missing, what);
        });
        NextRefresh::WithBackoff
    }

    fn on_registry_up(&self) {
        if self.status.update(|status| status.registry.set(true, None)) {
            self.events.registry_up();
        }
    }

    fn on_registry_down(&self, problem: String) {
        let said = problem.clone();
        if self
            .status
            .update(|status| status.registry.record_failure(said))
        {
            self.events.registry_down(&problem);
        }
    }

    fn report_unusable(&self, reason: String) -> MissingPrerequisite {
        MissingPrerequisite::UnusableSchema {
            subject: self.subject.clone(),
            reason,
        }
    }

    fn has_encoder(&self) -> bool {
        self.current.get().is_some()
    }
}

impl CurrentEncoder {
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
fn is_registry_problem(missing: &MissingPrerequisite) -> bool {
    match missing {
        MissingPrerequisite::Schema { .. }
        | MissingPrerequisite::UnusableSchema { .. }
        | MissingPrerequisite::RegistryLogin => true,
        MissingPrerequisite::Topic { .. }
        | MissingPrerequisite::TopicRights { .. }
        | MissingPrerequisite::GroupRights { .. }
        | MissingPrerequisite::Login
        | MissingPrerequisite::Tls => false,
    }
}

/// [`avro_codec::MINIMAL_QUESTION_SCHEMA`] with the fields' configured names.
fn minimal_schema(fields: &QuestionFieldNames) -> String {
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
