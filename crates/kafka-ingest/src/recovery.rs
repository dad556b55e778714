//! Recovers what was written of an answer before its session was resumed: on a thread of its own,
//! which reads the topic with a client of its own.
//!
//! Reads the records at the positions that [`crate::answer_index`] names, and the ranges of the topic that
//! it does not cover. Lookups that come while others are served are served together, so that a thousand
//! sessions that return at once cost one pass over the recent records.

mod events;
mod history;
mod lookup_plan;
mod lookups;
mod offset_ranges;
mod range_reader;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use types::{Answer, AnswerLookup};

use crate::answer_index::AnswerIndex;
use crate::client_context::KafkaClientContext;
use crate::consumer_reporting::ConsumerReporting;
use crate::events::{ClientRole, Events};
use crate::monotonic_consumer::MonotonicConsumer;
use crate::replacement::ClientReplacement;
use crate::stop_signal::{StopHandle, StopSignal, stop_channel};
use crate::unreadable::UnreadableBatchFinder;
use crate::{KafkaSettings, StartError, client_config};
pub(crate) use range_reader::AnswerReader;

/// The outcome of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// Every record there is, by partition and offset.
    Found(Vec<Answer>),
    /// Nobody can know.
    Unavailable(UnavailableReason),
}

/// The reason for which the records cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableReason {
    /// In a group other processes have read some of it.
    Group,
    /// Too many wait already.
    Busy,
    /// It took too long, or Kafka does not answer.
    TimedOut,
    /// It is not in the topic any more.
    Deleted,
    /// The registry does not say how it is to be read.
    Registry,
    /// This process is about to end.
    Stopped,
}

impl UnavailableReason {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Busy => "busy",
            Self::TimedOut => "late",
            Self::Deleted => "deleted",
            Self::Registry => "registry",
            Self::Stopped => "stopped",
        }
    }
}

/// A lookup that waits for its outcome. The outcome is counted and reported once, by whoever knows it; a
/// request that is dropped is reported as [`UnavailableReason::Stopped`].
pub(crate) struct LookupRequest {
    pub(crate) lookup: AnswerLookup,
    pub(crate) since: Instant,
    report: Option<RecoveryCallback>,
    events: Arc<Events>,
}

type RecoveryCallback = Box<dyn FnOnce(RecoveryOutcome) + Send>;

impl LookupRequest {
    pub(crate) fn new(
        lookup: AnswerLookup,
        report: impl FnOnce(RecoveryOutcome) + Send + 'static,
        events: &Arc<Events>,
    ) -> Self {
        Self {
            lookup,
            since: Instant::now(),
            report: Some(Box::new(report)),
            events: Arc::clone(events),
        }
    }

    /// Counts and reports the outcome.
    pub(crate) fn report(mut self, outcome: RecoveryOutcome) {
        self.report_once(outcome);
    }

    fn report_once(&mut self, outcome: RecoveryOutcome) {
        let Some(report) = self.report.take() else {
            return;
        };
        let result = match &outcome {
            RecoveryOutcome::Found(found) if found.is_empty() => "nothing",
            RecoveryOutcome::Found(_) => "found",
            RecoveryOutcome::Unavailable(reason) => reason.as_str(),
        };
        self.events.recovery_finished(result, self.since.elapsed());
        report(outcome);
    }
}

impl Drop for LookupRequest {
    fn drop(&mut self) {
        self.report_once(RecoveryOutcome::Unavailable(UnavailableReason::Stopped));
    }
}

impl fmt::Debug for LookupRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupRequest")
            .field("lookup", &self.lookup)
            .finish_non_exhaustive()
    }
}

/// The way to the thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct RecoveryHandle {
    requests: SyncSender<LookupRequest>,
    _stop: StopHandle,
    thread: JoinHandle<()>,
}

/// The state owned by the recovery thread.
pub(super) struct RecoveryWorker {
    config: ClientConfig,
    reporting: Arc<ConsumerReporting>,
    answer_index: Arc<AnswerIndex>,
    /// The time before its start from which records are indexed.
    window: Duration,
    reader: AnswerReader,
    replacement: ClientReplacement,
    finder: UnreadableBatchFinder,
    stop: StopSignal,
}

impl RecoveryHandle {
    /// The most lookups that may wait.
    const WAITING: usize = 10_000;

    pub(crate) fn start(
        kafka: &KafkaSettings,
        group: &str,
        reporting: Arc<ConsumerReporting>,
        recent: Arc<AnswerIndex>,
        window: Duration,
        reader: AnswerReader,
    ) -> Result<Self, StartError> {
        let config = client_config::range_consumer_config(kafka, group)?;
        let (asked, stop) = stop_channel();
        let (wishes, coming) = sync_channel(Self::WAITING);
        let looking = RecoveryWorker {
            finder: UnreadableBatchFinder::new(&config, Arc::clone(&reporting.topic)),
            config,
            reporting,
            answer_index: recent,
            window,
            reader,
            replacement: ClientReplacement::new(kafka),
            stop,
        };
        let thread = thread::Builder::new()
            .name("recall".to_owned())
            .spawn(move || looking.run(&coming))
            .map_err(StartError::Thread)?;
        Ok(Self {
            requests: wishes,
            _stop: asked,
            thread,
        })
    }

    /// Hands the request to the thread, which reports its outcome. Never waits.
    pub(crate) fn begin(&self, request: LookupRequest) {
        match self.requests.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => {
                request.report(RecoveryOutcome::Unavailable(UnavailableReason::Busy));
            }
            Err(TrySendError::Disconnected(request)) => drop(request),
        }
    }

    /// Ends the thread, within some 100 ms, or a few seconds while a broker does not answer. A panic
    /// in it has been said by the panic hook.
    pub(crate) fn stop(self) {
        let Self {
            requests: wishes,
            _stop,
            thread,
        } = self;
        drop((wishes, _stop));
        drop(thread.join());
    }
}

impl RecoveryWorker {
    /// The most lookups that are served together.
    const BATCH: usize = 4_096;
    const STEP: Duration = Duration::from_millis(100);

    fn run(mut self, wishes: &Receiver<LookupRequest>) {
        let mut client = None;
        self.index_history(&mut client);
        loop {
            let first = match wishes.recv_timeout(Self::STEP) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) if self.stop.is_requested() => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.maintain_client(&mut client);
                    self.update_gauges();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let more = wishes.try_iter().take(Self::BATCH - 1);
            let batch = std::iter::once(first).chain(more).collect();
            self.serve_requests(&mut client, batch);
            self.maintain_client(&mut client);
        }
    }

    /// Takes what the client has to say of itself, which would pile up otherwise, and replaces it
    /// when it has been without a connection for too long.
    fn maintain_client(&mut self, client: &mut Option<MonotonicConsumer>) {
        let Some(idle) = client else { return };
        // Nothing is assigned: what comes is an error, and librdkafka gets over it.
        drop(idle.poll(Duration::ZERO));
        let connected_at = idle.context().connected_at();
        if !self.replacement.is_due(connected_at) {
            return;
        }
        let disconnected_for = self.replacement.disconnected_for();
        let events = &self.reporting.events;
        events.client_replaced(ClientRole::Recall, disconnected_for);
        self.replacement.on_replaced();
        *client = None;
        self.client(client);
    }

    fn update_gauges(&self) {
        let (records, bytes) = self.answer_index.size();
        self.reporting.events.set_answer_index_size(records, bytes);
    }

    /// The client, made when it is first needed, or again after it failed.
    fn client<'a>(
        &mut self,
        client: &'a mut Option<MonotonicConsumer>,
    ) -> Option<&'a MonotonicConsumer> {
        if client.as_ref().is_some_and(has_failed) {
            *client = None;
        }
        if client.is_none() {
            let ConsumerReporting { topic, events, .. } = &*self.reporting;
            let context =
                KafkaClientContext::new(ClientRole::Recall, Arc::clone(topic), Arc::clone(events));
            *client = MonotonicConsumer::create(&self.config, context).ok();
            self.replacement.on_created();
        }
        client.as_ref()
    }
}

fn has_failed(client: &MonotonicConsumer) -> bool {
    client.context().has_failed()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use telemetry::Metrics;
    use types::{MinOffsets, QuestionId, WireId};

    use super::*;

    #[test]
    fn an_outcome_is_counted_and_reported_once_and_a_dropped_request_counts_as_stopped() {
        let metrics = Metrics::new().unwrap();
        let events = Arc::new(Events::new(metrics.instruments()));
        let (reporter, reports) = channel();
        let request = || {
            let reporter = reporter.clone();
            let lookup = AnswerLookup {
                question_id: QuestionId::from_bytes([1; 16]),
                wire_id: WireId::parse("s").unwrap(),
                min_offsets: MinOffsets::unknown(),
            };
            LookupRequest::new(
                lookup,
                move |outcome| reporter.send(outcome).unwrap(),
                &events,
            )
        };
        let unavailable = RecoveryOutcome::Unavailable;
        request().report(unavailable(UnavailableReason::Busy));
        request().report(RecoveryOutcome::Found(Vec::new()));
        drop(request());
        let reported: Vec<_> = reports.try_iter().collect();
        assert_eq!(
            reported,
            [
                unavailable(UnavailableReason::Busy),
                RecoveryOutcome::Found(Vec::new()),
                unavailable(UnavailableReason::Stopped),
            ]
        );
        for result in ["busy", "nothing", "stopped"] {
            let counted = metrics.value("answer_gateway_recoveries_total", result);
            assert_eq!(counted, Some(1.0), "{result}");
        }
    }
}
