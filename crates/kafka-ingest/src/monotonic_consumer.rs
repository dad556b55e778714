//! A consumer whose waits end in time whatever the wall clock does.
//!
//! librdkafka waits until a time of the wall clock. When that is set back, a wait that has begun lasts
//! longer by as much, and whoever called with a patience of 100 ms comes back after an hour. So
//! nothing here waits inside librdkafka: it rings when something has come, and the wait for that runs
//! on the monotonic clock.

use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::message::BorrowedMessage;

use crate::client_context::KafkaClientContext;
use crate::librdkafka::{self, PolledPosition};

/// A Kafka consumer to be polled by one thread.
pub(crate) struct MonotonicConsumer<C: ConsumerContext + 'static = KafkaClientContext> {
    consumer: BaseConsumer<C>,
    config: ClientConfig,
    notifier: Arc<Notifier>,
}

impl<C: ConsumerContext + 'static> MonotonicConsumer<C> {
    /// The most polls that return nothing before a record: librdkafka's own events end a poll, and that many may stand
    /// before one.
    const ASIDES: usize = 3;

    /// Creates the client.
    ///
    /// # Errors
    ///
    /// When librdkafka refuses its configuration.
    pub(crate) fn create(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let mut consumer: BaseConsumer<C> = config.create_with_context(context)?;
        let bell = Arc::new(Notifier::default());
        let rung = Arc::clone(&bell);
        consumer.set_nonempty_callback(move || rung.notify());
        Ok(Self {
            consumer,
            config: config.clone(),
            notifier: bell,
        })
    }

    /// Returns what the client was created from.
    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The next record or error; `None` when nothing came for `patience`, or sooner when librdkafka had
    /// something of its own to say, which its context has heard by then.
    pub(crate) fn poll(&self, patience: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let polled = self.poll_once();
        if polled.is_some() || patience.is_zero() {
            return polled;
        }
        self.notifier.wait(patience);
        self.poll_once()
    }

    /// Returns where the next record or error stands, as [`Self::poll`] waits for it. An error names its
    /// partition and offset here, which it does not there.
    pub(crate) fn poll_position(&self, patience: Duration) -> Option<PolledPosition> {
        let polled = librdkafka::poll_position(self.consumer.client());
        if polled.is_some() || patience.is_zero() {
            return polled;
        }
        self.notifier.wait(patience);
        librdkafka::poll_position(self.consumer.client())
    }

    fn poll_once(&self) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        (0..Self::ASIDES).find_map(|_| self.consumer.poll(Duration::ZERO))
    }
}

impl<C: ConsumerContext + 'static> Deref for MonotonicConsumer<C> {
    type Target = BaseConsumer<C>;

    fn deref(&self) -> &BaseConsumer<C> {
        &self.consumer
    }
}

/// Rung by one thread, waited for by another; a ring is not missed.
#[derive(Debug, Default)]
struct Notifier {
    notified: Mutex<bool>,
    condvar: Condvar,
}

impl Notifier {
    fn notify(&self) {
        *self.notified.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condvar.notify_one();
    }

    fn wait(&self, patience: Duration) {
        let rung = self.notified.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .condvar
            .wait_timeout_while(rung, patience, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::Message;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use telemetry::Metrics;

    use super::*;
    use crate::assignment::StartPosition;
    use crate::events::{ClientRole, Events};
    use crate::topic_offsets;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_ring_before_the_wait_is_heard_once() {
        let bell = Notifier::default();
        bell.notify();
        bell.notify();
        let begun = Instant::now();
        bell.wait(LONG);
        assert!(begun.elapsed() < LONG);
        bell.wait(Duration::from_millis(1));
        assert!(begun.elapsed() >= Duration::from_millis(1));
    }

    #[test]
    fn a_record_ends_the_wait() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("respostas", 1, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let events = Arc::new(Events::new(Metrics::new().unwrap().instruments()));
        let context = KafkaClientContext::new(ClientRole::Consumer, "respostas".into(), events);
        let consumer =
            MonotonicConsumer::create(config.clone().set("group.id", "g"), context).unwrap();
        let start = [(0, StartPosition::Beginning)];
        let list = topic_offsets::position_list("respostas", start.into_iter()).unwrap();
        Consumer::assign(&*consumer, &list).unwrap();
        let producer: BaseProducer = config.create().unwrap();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let polled = (0..).find_map(|_| consumer.poll(LONG));
                let message = polled.expect("looked for without end").unwrap();
                message.payload().unwrap().to_vec()
            });
            let record = BaseRecord::<(), _>::to("respostas").payload(b"here");
            producer.send(record).unwrap();
            producer.flush(LONG).unwrap();
            assert_eq!(waiting.join().unwrap(), b"here");
        });
        assert!(begun.elapsed() < LONG, "nobody rang");
    }
}
