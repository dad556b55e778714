//! The consumer's thread: creates the Kafka client, runs it, and replaces it should it fail for
//! good. What was read and parked outlives the client.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaResult;

use crate::StartError;
use crate::assignment::Broadcast;
use crate::backoff::Backoff;
use crate::client_context::Context;
use crate::events::Client;
use crate::pipeline::Pipeline;
use crate::reporting::Reporting;
use crate::schema_fetcher::SchemaFetcher;
use crate::worker::{End, Worker};

/// Everything the thread owns.
pub(crate) struct Supervisor {
    config: ClientConfig,
    reporting: Arc<Reporting>,
    reading: Reading,
}

/// What outlives a client.
pub(crate) struct Reading {
    pub(crate) assignment: Broadcast,
    pub(crate) pipeline: Pipeline,
    pub(crate) fetcher: SchemaFetcher,
}

/// Dropping it asks the thread to stop.
#[derive(Debug)]
pub(crate) struct StopAsked {
    _sender: Sender<Infallible>,
}

/// The thread's side of [`StopAsked`].
#[derive(Debug)]
pub(crate) struct Stop(Receiver<Infallible>);

impl Supervisor {
    pub(crate) fn new(
        config: ClientConfig,
        reporting: Arc<Reporting>,
        pipeline: Pipeline,
        fetcher: SchemaFetcher,
    ) -> Self {
        Self {
            config,
            reporting,
            reading: Reading {
                assignment: Broadcast::default(),
                pipeline,
                fetcher,
            },
        }
    }

    /// Starts the thread. A client that cannot even be created is the caller's to know, so the first
    /// one is created here.
    pub(crate) fn spawn(self) -> Result<(StopAsked, JoinHandle<()>), StartError> {
        let (asked, stop) = channel();
        let first = self.client().map_err(|error| StartError::Client {
            reason: error.to_string(),
        })?;
        self.reporting
            .events
            .consumer_started(&self.reporting.topic);
        let thread = thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || self.run(first, &Stop(stop)))
            .map_err(StartError::Thread)?;
        Ok((StopAsked { _sender: asked }, thread))
    }

    fn run(self, first: BaseConsumer<Context>, stop: &Stop) {
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
        }
    }

    fn client(&self) -> KafkaResult<BaseConsumer<Context>> {
        let Reporting { topic, events, .. } = &*self.reporting;
        self.config.create_with_context(Context::new(
            Client::Consumer,
            Arc::clone(topic),
            Arc::clone(events),
        ))
    }
}

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for at most `time`. True when the stop is asked for.
    fn wait(&self, time: Duration) -> bool {
        matches!(
            self.0.recv_timeout(time),
            Err(RecvTimeoutError::Disconnected)
        )
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
