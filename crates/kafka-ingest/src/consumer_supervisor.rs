//! The consumer's thread: creates the Kafka client, runs it, and replaces it should it fail for
//! good. What was read and parked outlives the client.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaResult;

use crate::answer_pipeline::AnswerPipeline;
use crate::assignment::Assignment;
use crate::backoff::Backoff;
use crate::client_context::KafkaClientContext;
use crate::consumer_reporting::ConsumerReporting;
use crate::consumer_worker::{Worker, WorkerEnd};
use crate::events::ClientRole;
use crate::monotonic_consumer::MonotonicConsumer;
use crate::replacement::{ClientReplacement, NextClient};
use crate::schema_fetcher::SchemaFetcher;
use crate::stop_signal::{StopHandle, StopSignal, stop_channel};
use crate::{KafkaSettings, StartError};

/// Everything the thread owns.
pub(crate) struct ConsumerSupervisor {
    config: ClientConfig,
    reporting: Arc<ConsumerReporting>,
    state: ReadingState,
}

/// The state that outlives a client.
pub(crate) struct ReadingState {
    pub(crate) assignment: Assignment,
    pub(crate) pipeline: AnswerPipeline,
    pub(crate) fetcher: SchemaFetcher,
    pub(crate) replacement: ClientReplacement,
}

impl ConsumerSupervisor {
    pub(crate) fn new(
        kafka: &KafkaSettings,
        config: ClientConfig,
        reporting: Arc<ConsumerReporting>,
        assignment: Assignment,
        pipeline: AnswerPipeline,
        fetcher: SchemaFetcher,
    ) -> Self {
        Self {
            config,
            reporting,
            state: ReadingState {
                assignment,
                pipeline,
                fetcher,
                replacement: ClientReplacement::new(kafka),
            },
        }
    }

    /// Starts the thread. A client that cannot even be created is the caller's to know, so the first
    /// one is created here.
    pub(crate) fn spawn(self) -> Result<(StopHandle, JoinHandle<()>), StartError> {
        let (asked, stop) = stop_channel();
        let first = self.create_client().map_err(StartError::client)?;
        self.reporting
            .events
            .consumer_started(&self.reporting.topic);
        let thread = thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || self.run(first, &stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, first: MonotonicConsumer, stop: &StopSignal) {
        // Declared first, so that it is dropped last: when it speaks everything else is gone.
        let _ended = ConsumerEndGuard(Arc::clone(&self.reporting));
        let mut this = self;
        let mut next = KafkaResult::Ok(first);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let problem = match next {
                Ok(client) => {
                    match Worker::new(client, &this.reporting, stop).run(&mut this.state) {
                        WorkerEnd::Stopped => return,
                        WorkerEnd::Disconnected { learned } => {
                            if this.on_disconnected(&learned) == NextClient::GiveUp {
                                stop.wait_for_request();
                                return;
                            }
                            next = this.create_client();
                            continue;
                        }
                        WorkerEnd::Failed { reason, opened } => {
                            if opened {
                                backoff.reset();
                            }
                            reason
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            this.reporting.events.consumer_failed(&problem);
            if stop.wait(backoff.next_wait(rand::random())) {
                return;
            }
            next = this.create_client();
            this.state.replacement.on_created();
        }
    }

    /// Says what becomes of a client that is dropped because it had no connection.
    fn on_disconnected(&mut self, learned: &[String]) -> NextClient {
        let replacement = &mut self.state.replacement;
        let disconnected_for = replacement.disconnected_for();
        let next = replacement.decide(learned);
        match next {
            NextClient::Create => self.reporting.on_client_replaced(disconnected_for),
            NextClient::GiveUp => self.reporting.on_cut_off(disconnected_for),
        }
        next
    }

    fn create_client(&self) -> KafkaResult<MonotonicConsumer> {
        let ConsumerReporting { topic, events, .. } = &*self.reporting;
        let context =
            KafkaClientContext::new(ClientRole::Consumer, Arc::clone(topic), Arc::clone(events));
        MonotonicConsumer::create(&self.config, context)
    }
}

/// Says that the thread has ended, however it did.
struct ConsumerEndGuard(Arc<ConsumerReporting>);

impl Drop for ConsumerEndGuard {
    fn drop(&mut self) {
        self.0.on_thread_ended(thread::panicking());
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvError, Sender, channel};
    use std::time::Instant;

    use avro_codec::{AnswerDecoder, AnswerFieldNames, MINIMAL_ANSWER_SCHEMA, SchemaRef};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use telemetry::Metrics;
    use types::{Answer, QuestionId, TraceContext};

    use super::*;
    use crate::answer_pipeline::RefreshWatermark;
    use crate::assignment::BroadcastAssignment;
    use crate::events::Events;
    use crate::parked_records::ParkingLimits;
    use crate::registry::RegistryClient;
    use crate::{AnswerSink, RegistrySettings, Secret, client_config};

    const TOPIC: &str = "respostas";
    const PATIENCE: Duration = Duration::from_secs(30);

    struct Offsets(Sender<i64>);

    impl AnswerSink for Offsets {
        fn deliver(&self, answer: Answer, _: Option<TraceContext>) {
            self.0.send(answer.position.offset).unwrap();
        }

        fn is_session_known(&self, _: &str) -> bool {
            true
        }

        fn is_question_awaited(&self, _: QuestionId) -> bool {
            true
        }
    }

    /// The ends of a topic of which nothing is read.
    struct Unread;

    impl RefreshWatermark for Unread {
        fn refresh_watermark(&self, _: i32) {
            panic!("nothing is read")
        }
    }

    fn supervisor(servers: String, offsets: Sender<i64>) -> ConsumerSupervisor {
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
        let limits = ParkingLimits {
            per_partition: 1,
            bytes: 1,
        };
        let mut pipeline = AnswerPipeline::new(
            TOPIC.into(),
            Arc::new(Offsets(offsets)),
            Arc::clone(&events),
            AnswerDecoder::new(AnswerFieldNames::default(), 100),
            limits,
            PATIENCE,
            None,
        );
        let schema = SchemaRef::Id(1);
        pipeline.on_schema_found(Instant::now(), schema, MINIMAL_ANSWER_SCHEMA, &[], &Unread);
        let config = client_config::consumer_config(&kafka, "group", false).unwrap();
        let reporting = Arc::new(ConsumerReporting::new(TOPIC, "group", events).unwrap());
        let assignment = Assignment::Broadcast(BroadcastAssignment::default());
        ConsumerSupervisor::new(&kafka, config, reporting, assignment, pipeline, fetcher)
    }

    /// Runs one client until `check` is done.
    fn run_one(supervisor: &mut ConsumerSupervisor, check: impl FnOnce(&ConsumerReporting)) {
        let client = supervisor.create_client().unwrap();
        let reporting = Arc::clone(&supervisor.reporting);
        let (asked, stop) = stop_channel();
        thread::scope(|scope| {
            let reading = &mut supervisor.state;
            let worker = scope.spawn({
                let reporting = &reporting;
                move || Worker::new(client, reporting, &stop).run(reading)
            });
            check(&reporting);
            drop(asked);
            assert!(matches!(worker.join().unwrap(), WorkerEnd::Stopped));
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
            while !reporting.status.read().positioned {
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
