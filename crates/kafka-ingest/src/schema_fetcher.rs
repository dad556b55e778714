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
use crate::registry::{FetchedSchema, RegistryClient, RegistryClientError};

/// The look-ups under way. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct SchemaFetcher {
    runtime: Handle,
    shared: Arc<FetcherState>,
    found: mpsc::Receiver<SchemaFetchEvent>,
    running: CancellationToken,
    _stop: DropGuard,
}

/// An event of the schema fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SchemaFetchEvent {
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
struct FetcherState {
    client: RegistryClient,
    events: Arc<Events>,
    not_found_for: Duration,
    concurrency: Semaphore,
    pace: Mutex<Interval>,
    out: mpsc::Sender<SchemaFetchEvent>,
    /// The last that was said of the registry as a whole; nothing before the first reply.
    last_registry_event: Mutex<Option<SchemaFetchEvent>>,
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
        let (out, found) = mpsc::channel(EVENT_CHANNEL_CAPACITY);
        let mut pace = tokio::time::interval(MIN_REQUEST_INTERVAL);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let running = CancellationToken::new();
        Ok(Self {
            runtime,
            shared: Arc::new(FetcherState {
                client,
                events,
                not_found_for,
                concurrency: Semaphore::new(MAX_CONCURRENT_FETCHES),
                pace: Mutex::new(pace),
                out,
                last_registry_event: Mutex::new(None),
            }),
            found,
            _stop: running.clone().drop_guard(),
            running,
        })
    }

    /// Starts looking for `schema`. Its [`SchemaFetchEvent::Found`] or [`SchemaFetchEvent::Refused`] comes once;
    /// asking again before that starts a second look-up.
    pub(crate) fn fetch(&self, schema: SchemaRef) {
        self.shared.events.schema_wanted(schema);
        let look_up = Arc::clone(&self.shared).fetch(schema);
        let running = self.running.clone();
        self.runtime.spawn(async move {
            running.run_until_cancelled_owned(look_up).await;
        });
    }

    /// The next thing that came, if there is one. Never waits.
    pub(crate) fn poll(&mut self) -> Option<SchemaFetchEvent> {
        self.found.try_recv().ok()
    }
}

impl FetcherState {
    async fn fetch(self: Arc<Self>, schema: SchemaRef) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut not_found_since = None;
        loop {
            let error = match self.request(schema).await {
                Ok(FetchedSchema { text, references }) => {
                    return self
                        .send(SchemaFetchEvent::Found {
                            schema,
                            text,
                            references,
                        })
                        .await;
                }
                Err(RegistryClientError::Unusable(why)) => return self.refuse(schema, why).await,
                Err(error) => error,
            };
            if error != RegistryClientError::NotFound {
                not_found_since = None;
            } else if not_found_since.get_or_insert_with(Instant::now).elapsed()
                >= self.not_found_for
            {
                return self.refuse(schema, "schema_not_found").await;
            }
            sleep(backoff.next_wait(rand::random())).await;
        }
    }

    /// One request, and what it says of the registry as a whole.
    async fn request(&self, schema: SchemaRef) -> Result<FetchedSchema, RegistryClientError> {
        let _permit = self
            .concurrency
            .acquire()
            .await
            .expect("it is never closed");
        self.pace.lock().await.tick().await;
        let reply = self.client.fetch_schema(schema).await;
        self.events.count_registry_request((&reply).into());
        match &reply {
            Err(RegistryClientError::Unavailable(problem)) => {
                let problem = problem.clone();
                self.report_registry(SchemaFetchEvent::Unreachable { problem })
                    .await;
            }
            Err(RegistryClientError::Login) => {
                self.report_registry(SchemaFetchEvent::LoginRefused).await
            }
            Ok(_)
            | Err(
                RegistryClientError::NotFound
                | RegistryClientError::Unusable(_)
                | RegistryClientError::Refused(_),
            ) => self.report_registry(SchemaFetchEvent::Reachable).await,
        }
        reply
    }

    async fn refuse(&self, schema: SchemaRef, why: &'static str) {
        self.events.schema_refused(schema, why);
        self.send(SchemaFetchEvent::Refused { schema, why }).await;
    }

    /// Passes on what is said of the registry as a whole when it is another thing than the last.
    async fn report_registry(&self, event: SchemaFetchEvent) {
        let mut said = self.last_registry_event.lock().await;
        if said.as_ref() == Some(&event) {
            return;
        }
        match &event {
            SchemaFetchEvent::Unreachable { problem } => self.events.registry_down(problem),
            SchemaFetchEvent::LoginRefused => self.events.registry_down("it refuses the login"),
            SchemaFetchEvent::Reachable
            | SchemaFetchEvent::Found { .. }
            | SchemaFetchEvent::Refused { .. } => {
                self.events.registry_up();
            }
        }
        *said = Some(event.clone());
        self.send(event).await;
    }

    /// Waits for room; nobody reads any more when this look-up is about to end anyway.
    async fn send(&self, event: SchemaFetchEvent) {
        let _gone = self.out.send(event).await;
    }
}

/// Look-ups that wait for a reply at the same time.
const MAX_CONCURRENT_FETCHES: usize = 8;
/// The least time between the starts of two requests.
const MIN_REQUEST_INTERVAL: Duration = Duration::from_millis(20);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most events that may wait to be polled; beyond it fetches wait.
const EVENT_CHANNEL_CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use avro_codec::MINIMAL_ANSWER_SCHEMA;
    use embedded::{DemoRegistry, RegistryFault};
    use telemetry::Metrics;

    use super::*;
    use crate::registry::RegistrySettings;

    const PATIENCE: Duration = Duration::from_secs(20);
    const ID: SchemaRef = SchemaRef::Id(1);

    fn fetcher(registry: &DemoRegistry, not_found_for: Duration) -> SchemaFetcher {
        let settings = RegistrySettings {
            timeout: Duration::from_millis(200),
            ..RegistrySettings::new(registry.url())
        };
        let client = RegistryClient::new(&settings).unwrap();
        let events = Events::new(Metrics::new().unwrap().instruments());
        SchemaFetcher::new(client, Arc::new(events), not_found_for).unwrap()
    }

    async fn next(fetcher: &mut SchemaFetcher) -> SchemaFetchEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = fetcher.poll() {
                return event;
            }
            assert!(Instant::now() < deadline, "nothing comes");
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn found(schema: SchemaRef) -> SchemaFetchEvent {
        SchemaFetchEvent::Found {
            schema,
            text: MINIMAL_ANSWER_SCHEMA.to_owned(),
            references: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_schema_is_found_by_id_and_by_guid() {
        let registry = DemoRegistry::start(0).await.unwrap();
        let id = registry.register("s", MINIMAL_ANSWER_SCHEMA).unwrap();
        let guid = *registry.schema(id).unwrap().guid.as_bytes();
        let mut fetcher = fetcher(&registry, PATIENCE);
        assert_eq!(fetcher.poll(), None);
        for schema in [SchemaRef::Id(id), SchemaRef::Guid(guid)] {
            fetcher.fetch(schema);
            if schema == SchemaRef::Id(id) {
                assert_eq!(next(&mut fetcher).await, SchemaFetchEvent::Reachable);
            }
            assert_eq!(next(&mut fetcher).await, found(schema));
        }
    }

    #[tokio::test]
    async fn a_registry_that_fails_is_asked_until_it_answers() {
        for (fault, problem) in [
            (RegistryFault::Unavailable503, "HTTP status 503"),
            (RegistryFault::Delay(PATIENCE), "no reply in time"),
        ] {
            let registry = DemoRegistry::start(0).await.unwrap();
            registry.register("s", MINIMAL_ANSWER_SCHEMA).unwrap();
            registry.set_fault(fault);
            let mut fetcher = fetcher(&registry, Duration::ZERO);
            fetcher.fetch(ID);
            let problem = problem.to_owned();
            let unreachable = SchemaFetchEvent::Unreachable { problem };
            assert_eq!(next(&mut fetcher).await, unreachable);
            let asked = registry.requests();
            let deadline = Instant::now() + PATIENCE;
            while registry.requests() < asked + 2 {
                assert!(Instant::now() < deadline, "it does not ask again");
                assert_eq!(fetcher.poll(), None, "said once");
                sleep(Duration::from_millis(2)).await;
            }
            registry.set_fault(RegistryFault::None);
            assert_eq!(next(&mut fetcher).await, SchemaFetchEvent::Reachable);
            assert_eq!(next(&mut fetcher).await, found(ID));
        }
    }

    #[tokio::test]
    async fn a_refused_login_is_told_and_asked_again() {
        let registry = DemoRegistry::start(0).await.unwrap();
        registry.register("s", MINIMAL_ANSWER_SCHEMA).unwrap();
        registry.set_fault(RegistryFault::Unauthorized401);
        let mut fetcher = fetcher(&registry, Duration::ZERO);
        fetcher.fetch(ID);
        assert_eq!(next(&mut fetcher).await, SchemaFetchEvent::LoginRefused);
        registry.set_fault(RegistryFault::None);
        assert_eq!(next(&mut fetcher).await, SchemaFetchEvent::Reachable);
        assert_eq!(next(&mut fetcher).await, found(ID));
    }

    #[tokio::test]
    async fn a_schema_that_comes_late_is_found() {
        let registry = DemoRegistry::start(0).await.unwrap();
        let mut fetcher = fetcher(&registry, PATIENCE);
        fetcher.fetch(ID);
        assert_eq!(next(&mut fetcher).await, SchemaFetchEvent::Reachable);
        registry.register("s", MINIMAL_ANSWER_SCHEMA).unwrap();
        assert_eq!(next(&mut fetcher).await, found(ID));
    }

    #[tokio::test]
    async fn a_schema_that_never_comes_is_refused_in_the_end() {
        let registry = DemoRegistry::start(0).await.unwrap();
        let mut fetcher = fetcher(&registry, Duration::from_millis(50));
        let guid = SchemaRef::Guid([7; 16]);
        for schema in [ID, guid] {
            fetcher.fetch(schema);
        }
        let why = "schema_not_found";
        let mut refused = Vec::new();
        while refused.len() < 2 {
            let event = next(&mut fetcher).await;
            if let SchemaFetchEvent::Refused { schema, why: said } = event {
                assert_eq!(said, why);
                refused.push(schema);
            } else {
                assert_eq!(event, SchemaFetchEvent::Reachable);
            }
        }
        refused.sort();
        assert_eq!(refused, [ID, guid]);
        assert!(registry.requests() >= 4, "each asked for more than once");
    }

    #[tokio::test]
    async fn dropping_it_ends_its_look_ups() {
        let registry = DemoRegistry::start(0).await.unwrap();
        registry.set_fault(RegistryFault::Unavailable503);
        let mut fetcher = fetcher(&registry, PATIENCE);
        fetcher.fetch(ID);
        next(&mut fetcher).await;
        let shared = Arc::downgrade(&fetcher.shared);
        drop(fetcher);
        let deadline = Instant::now() + PATIENCE;
        while shared.upgrade().is_some() {
            assert!(Instant::now() < deadline, "a look-up goes on");
            tokio::task::yield_now().await;
        }
    }
}
