//! Looks up writers' schemas for a thread that must not wait: it asks here and polls for what came.
//!
//! One task per look-up, which ends when the schema is found or refused. A registry that does not
//! answer, or refuses the login, is asked again without end; one that answers that it has no such
//! schema is asked for a while (followers lag behind their leader). How many look-ups run at a time,
//! and how many start in a second, is bounded over all of them.

use std::sync::Arc;
use std::time::Duration;

use avro_codec::SchemaRef;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::StartError;
use crate::backoff::Backoff;
use crate::events::Events;
use crate::registry::{Fetched, RegistryClient, RegistryError};

/// The look-ups under way. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct SchemaFetcher {
    runtime: Handle,
    shared: Arc<Shared>,
    found: mpsc::Receiver<FetchEvent>,
    running: CancellationToken,
    _stop: DropGuard,
}

/// What came of the look-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchEvent {
    /// The schema, with what it refers to.
    Found {
        schema: SchemaRef,
        text: String,
        references: Vec<String>,
    },
    /// There is no such schema, or none of use; `why` is a metric label.
    Refused {
        schema: SchemaRef,
        why: &'static str,
    },
    /// The registry does not answer; it is asked again.
    Unreachable { problem: String },
    /// The registry refuses the login; it is asked again.
    LoginRefused,
    /// The registry answers (again), be it that it has no such schema.
    Reachable,
}

#[derive(Debug)]
struct Shared {
    client: RegistryClient,
    events: Arc<Events>,
    not_found_for: Duration,
    at_a_time: Semaphore,
    pace: Mutex<Interval>,
    out: mpsc::Sender<FetchEvent>,
    /// The last that was said of the registry as a whole; nothing before the first reply.
    said: Mutex<Option<FetchEvent>>,
}

impl SchemaFetcher {
    /// `not_found_for` is how long a schema that the registry says it has not got is asked for.
    ///
    /// # Errors
    ///
    /// [`StartError::NoRuntime`] outside a tokio runtime, where the look-ups run.
    pub(crate) fn new(
        client: RegistryClient,
        events: Arc<Events>,
        not_found_for: Duration,
    ) -> Result<Self, StartError> {
        let runtime = Handle::try_current()?;
        let (out, found) = mpsc::channel(CHANNEL);
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let running = CancellationToken::new();
        Ok(Self {
            runtime,
            shared: Arc::new(Shared {
                client,
                events,
                not_found_for,
                at_a_time: Semaphore::new(AT_A_TIME),
                pace: Mutex::new(pace),
                out,
                said: Mutex::new(None),
            }),
            found,
            _stop: running.clone().drop_guard(),
            running,
        })
    }

    /// Starts looking for `schema`. Its [`FetchEvent::Found`] or [`FetchEvent::Refused`] comes once;
    /// asking again before that starts a second look-up.
    pub(crate) fn look_up(&self, schema: SchemaRef) {
        self.shared.events.schema_wanted(schema);
        let look_up = Arc::clone(&self.shared).look_up(schema);
        let running = self.running.clone();
        self.runtime.spawn(async move {
            running.run_until_cancelled_owned(look_up).await;
        });
    }

    /// The next thing that came, if there is one. Never waits.
    pub(crate) fn poll(&mut self) -> Option<FetchEvent> {
        self.found.try_recv().ok()
    }
}

impl Shared {
    async fn look_up(self: Arc<Self>, schema: SchemaRef) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut not_found_since = None;
        loop {
            let error = match self.ask(schema).await {
                Ok(Fetched { text, references }) => {
                    return self
                        .say(FetchEvent::Found {
                            schema,
                            text,
                            references,
                        })
                        .await;
                }
                Err(RegistryError::Unusable(why)) => return self.refuse(schema, why).await,
                Err(error) => error,
            };
            if error != RegistryError::NotFound {
                not_found_since = None;
            } else if not_found_since.get_or_insert_with(Instant::now).elapsed()
                >= self.not_found_for
            {
                return self.refuse(schema, "schema_not_found").await;
            }
            sleep(backoff.after_failure(rand::random())).await;
        }
    }

    /// One request, and what it says of the registry as a whole.
    async fn ask(&self, schema: SchemaRef) -> Result<Fetched, RegistryError> {
        let _permit = self.at_a_time.acquire().await.expect("it is never closed");
        self.pace.lock().await.tick().await;
        let reply = self.client.by_ref(schema).await;
        self.events.registry_asked((&reply).into());
        match &reply {
            Err(RegistryError::Unavailable(problem)) => {
                let problem = problem.clone();
                self.note(FetchEvent::Unreachable { problem }).await;
            }
            Err(RegistryError::Login) => self.note(FetchEvent::LoginRefused).await,
            Ok(_)
            | Err(
                RegistryError::NotFound | RegistryError::Unusable(_) | RegistryError::Refused(_),
            ) => self.note(FetchEvent::Reachable).await,
        }
        reply
    }

    async fn refuse(&self, schema: SchemaRef, why: &'static str) {
        self.events.schema_refused(schema, why);
        self.say(FetchEvent::Refused { schema, why }).await;
    }

    /// Passes on what is said of the registry as a whole when it is another thing than the last.
    async fn note(&self, event: FetchEvent) {
        let mut said = self.said.lock().await;
        if said.as_ref() == Some(&event) {
            return;
        }
        match &event {
            FetchEvent::Unreachable { problem } => self.events.registry_down(problem),
            FetchEvent::LoginRefused => self.events.registry_down("it refuses the login"),
            FetchEvent::Reachable | FetchEvent::Found { .. } | FetchEvent::Refused { .. } => {
                self.events.registry_up();
            }
        }
        *said = Some(event.clone());
        self.say(event).await;
    }

    /// Waits for room; nobody reads any more when this look-up is about to end anyway.
    async fn say(&self, event: FetchEvent) {
        let _gone = self.out.send(event).await;
    }
}

/// Look-ups that wait for a reply at the same time.
const AT_A_TIME: usize = 8;
/// The least time between the starts of two requests.
const PACE: Duration = Duration::from_millis(20);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What may have come and not been polled; past it look-ups wait.
const CHANNEL: usize = 64;
