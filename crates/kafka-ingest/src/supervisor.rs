//! The consumer's thread: creates the Kafka client, runs it, and replaces it should it fail for
//! good. What was read and parked outlives the client.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaResult;

use crate::assignment::Assignment;
use crate::backoff::Backoff;
use crate::client_context::Context;
use crate::events::Client;
use crate::pipeline::Pipeline;
use crate::replacement::{ClientReplacement, NextClient};
use crate::reporting::Reporting;
use crate::schema_fetcher::SchemaFetcher;
use crate::steady_consumer::SteadyConsumer;
use crate::stop::{Stop, StopAsked, stop};
use crate::worker::{End, Worker};
use crate::{KafkaSettings, StartError};

/// Everything the thread owns.
pub(crate) struct Supervisor {
    config: ClientConfig,
    reporting: Arc<Reporting>,
    reading: Reading,
}

/// What outlives a client.
pub(crate) struct Reading {
    pub(crate) assignment: Assignment,
    pub(crate) pipeline: Pipeline,
    pub(crate) fetcher: SchemaFetcher,
    pub(crate) replacement: ClientReplacement,
}

impl Supervisor {
    pub(crate) fn new(
        kafka: &KafkaSettings,
        config: ClientConfig,
        reporting: Arc<Reporting>,
        assignment: Assignment,
        pipeline: Pipeline,
        fetcher: SchemaFetcher,
    ) -> Self {
        Self {
            config,
            reporting,
            reading: Reading {
                assignment,
                pipeline,
                fetcher,
                replacement: ClientReplacement::new(kafka),
            },
        }
    }

    /// Starts the thread. A client that cannot even be created is the caller's to know, so the first
    /// one is created here.
    pub(crate) fn spawn(self) -> Result<(StopAsked, JoinHandle<()>), StartError> {
        let (asked, stop) = stop();
        let first = self.client().map_err(StartError::client)?;
        self.reporting
            .events
            .consumer_started(&self.reporting.topic);
        let thread = thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || self.run(first, &stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, first: SteadyConsumer, stop: &Stop) {
        // Declared first, so that it is dropped last: when it speaks everything else is gone.
        let _ended = Ended(Arc::clone(&self.reporting));
        let mut this = self;
        let mut next = KafkaResult::Ok(first);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let problem = match next {
                Ok(client) => {
                    match Worker::new(client, &this.reporting, stop).run(&mut this.reading) {
                        End::Stopped => return,
                        End::Disconnected { learned } => {
                            if this.on_disconnected(&learned) == NextClient::GiveUp {
                                stop.wait_until_asked();
                                return;
                            }
                            next = this.client();
                            continue;
                        }
                        End::Failed { reason, opened } => {
                            if opened {
                                backoff.succeeded();
                            }
                            reason
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            this.reporting.events.consumer_failed(&problem);
            if stop.wait(backoff.after_failure(rand::random())) {
                return;
            }
            next = this.client();
            this.reading.replacement.on_created();
        }
    }

    /// Says what becomes of a client that is dropped because it had no connection.
    fn on_disconnected(&mut self, learned: &[String]) -> NextClient {
        let replacement = &mut self.reading.replacement;
        let disconnected_for = replacement.disconnected_for();
        let next = replacement.decide(learned);
        match next {
            NextClient::Create => self.reporting.client_replaced(disconnected_for),
            NextClient::GiveUp => self.reporting.cut_off(disconnected_for),
        }
        next
    }

    fn client(&self) -> KafkaResult<SteadyConsumer> {
        let Reporting { topic, events, .. } = &*self.reporting;
        let context = Context::new(Client::Consumer, Arc::clone(topic), Arc::clone(events));
        SteadyConsumer::create(&self.config, context)
    }
}

/// Says that the thread has ended, however it did.
struct Ended(Arc<Reporting>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended(thread::panicking());
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvError, Sender, channel};
    use std::time::Instant;

    use avro_codec::{AnswerDecoder, AnswerFields, MINIMAL_ANSWER, SchemaRef};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use telemetry::Metrics;
    use types::{Answer, QuestionId, TraceContext};

    use super::*;
    use crate::assignment::Broadcast;
    use crate::events::Events;
    use crate::parking::Limits;
    use crate::pipeline::{Ends, Keeping};
    use crate::registry::RegistryClient;
    use crate::{AnswerSink, RegistrySettings, Secret, client_config};

    const TOPIC: &str = "respostas";
    const PATIENCE: Duration = Duration::from_secs(30);

    struct Offsets(Sender<i64>);

    impl AnswerSink for Offsets {
        fn deliver(&self, answer: Answer, _: Option<TraceContext>) {
            self.0.send(answer.position.offset).unwrap();
        }

        fn is_here(&self, _: &str) -> bool {
            true
        }

        fn awaits(&self, _: QuestionId) -> bool {
            true
        }
    }

    /// The ends of a topic of which nothing is read.
    struct Unread;

    impl Ends for Unread {
        fn look_at(&self, _: i32) {
            panic!("nothing is read")
        }
    }

    fn supervisor(servers: String, offsets: Sender<i64>) -> Supervisor {
        let mut kafka = KafkaSettings::new(servers);
        let soon = Secret::new("5");
        kafka
            .properties
            .insert("fetch.wait.max.ms".to_owned(), soon);
        let instruments = Metrics::new().unwrap().instruments();
        let events = Arc::new(Events::new(instruments));
        let registry = RegistrySettings::new("http://127.0.0.1:1");
        let registry = RegistryClient::new(&registry).unwrap();
        let fetcher = SchemaFetcher::new(registry, Arc::clone(&events), PATIENCE).unwrap();
        let limits = Limits {
            per_partition: 1,
            bytes: 1,
        };
        let mut pipeline = Pipeline::new(
            TOPIC.into(),
            Arc::new(Offsets(offsets)),
            Arc::clone(&events),
            AnswerDecoder::new(AnswerFields::default(), 100),
            limits,
            PATIENCE,
            Keeping::Nothing,
        );
        let schema = SchemaRef::Id(1);
        pipeline.on_found(Instant::now(), schema, MINIMAL_ANSWER, &[], &Unread);
        let config = client_config::consumer(&kafka, "group", false).unwrap();
        let reporting = Arc::new(Reporting::new(TOPIC, "group", events).unwrap());
        let assignment = Assignment::Broadcast(Broadcast::default());
        Supervisor::new(&kafka, config, reporting, assignment, pipeline, fetcher)
    }

    /// Runs one client until `check` is done.
    fn run_one(supervisor: &mut Supervisor, check: impl FnOnce(&Reporting)) {
        let client = supervisor.client().unwrap();
        let reporting = Arc::clone(&supervisor.reporting);
        let (asked, stop) = stop();
        thread::scope(|scope| {
            let reading = &mut supervisor.reading;
            let worker = scope.spawn({
                let reporting = &reporting;
                move || Worker::new(client, reporting, &stop).run(reading)
            });
            check(&reporting);
            drop(asked);
            assert!(matches!(worker.join().unwrap(), End::Stopped));
        });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_client_goes_on_where_the_one_before_it_stood() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        let write = || {
            let value = [0, 0, 0, 0, 1, 2, b's', 2, b'a'];
            let record = BaseRecord::<(), _>::to(TOPIC).payload(&value);
            producer.send(record).unwrap();
            producer.flush(PATIENCE).unwrap();
        };
        write();
        let (offsets, delivered) = channel();
        let mut supervisor = supervisor(cluster.bootstrap_servers(), offsets);
        run_one(&mut supervisor, |reporting| {
            let deadline = Instant::now() + PATIENCE;
            while !reporting.board.read().positioned {
                assert!(Instant::now() < deadline);
                thread::yield_now();
            }
            write();
            assert_eq!(delivered.recv_timeout(PATIENCE), Ok(1));
        });
        write();
        run_one(&mut supervisor, |_| {
            assert_eq!(delivered.recv_timeout(PATIENCE), Ok(2));
        });
        drop(supervisor);
        assert_eq!(delivered.recv(), Err(RecvError), "nothing twice");
    }
}
