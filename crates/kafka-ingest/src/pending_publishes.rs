//! Keeps the questions that were handed to the producer until their delivery reports, and gives each report
//! to the session that asked. Also notes what the reports say of Kafka.
//!
//! Runs on whatever thread polls the producer. No lock is held while a report is given: whoever gets
//! it may publish again at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use telemetry::spans;
use tokio::sync::Notify;
use tracing::Span;

use crate::client_context::{KafkaClientContext, hand_on};
use crate::in_flight::{InFlightTable, Ticket};
use crate::publisher_reporting::PublisherReporting;
use types::{Persisted, PublishFailure, PublishReport};

/// The questions under way. Outlives every producer.
#[derive(Debug)]
pub(crate) struct PendingPublishes {
    in_flight: Mutex<InFlightTable<PendingPublish>>,
    /// Reports that have not been given yet, be they out of `in_flight` already.
    pending_reports: AtomicUsize,
    /// Told when there is none any more.
    all_reported: Notify,
    reporting: Arc<PublisherReporting>,
}

/// One question's asker and its span, which lasts until the report.
#[derive(Debug)]
pub(crate) struct PendingPublish {
    pub(crate) report: PublishReport,
    pub(crate) span: Span,
}

impl PendingPublishes {
    pub(crate) fn new(limit: usize, reporting: Arc<PublisherReporting>) -> Self {
        Self {
            in_flight: Mutex::new(InFlightTable::new(limit)),
            pending_reports: AtomicUsize::new(0),
            all_reported: Notify::new(),
            reporting,
        }
    }

    /// Takes one in, or gives it back when as many as may be are under way.
    pub(crate) fn admit(&self, waiting: PendingPublish) -> Result<Ticket, PendingPublish> {
        let ticket = self.lock_in_flight().admit(waiting)?;
        self.pending_reports.fetch_add(1, Ordering::Relaxed);
        Ok(ticket)
    }

    /// Gives the report of `ticket`, unless it was given before.
    pub(crate) fn report_outcome(&self, ticket: Ticket, outcome: Result<(), Persisted>) {
        let waiting = self.lock_in_flight().take(ticket);
        if let Some(waiting) = waiting {
            self.send_report(waiting, outcome);
        }
    }

    /// The producer is gone: what it has not reported may be in the topic or not.
    pub(crate) fn report_all_unknown(&self) {
        let left = self.lock_in_flight().take_all();
        for waiting in left {
            self.send_report(waiting, Err(Persisted::Maybe));
        }
    }

    /// Returns once every report has been given.
    pub(crate) async fn wait_until_all_reported(&self) {
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let all_given = self.all_reported.notified();
            if self.pending_reports.load(Ordering::Acquire) == 0 {
                return;
            }
            all_given.await;
        }
    }

    /// Writes the present number under way into its gauge.
    pub(crate) fn update_gauge(&self) {
        let in_flight = self.lock_in_flight();
        self.reporting
            .events
            .set_producer_queue(in_flight.len(), in_flight.limit());
    }

    fn send_report(&self, waiting: PendingPublish, outcome: Result<(), Persisted>) {
        waiting.report(outcome);
        if self.pending_reports.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_reported.notify_waiters();
        }
    }

    fn lock_in_flight(&self) -> MutexGuard<'_, InFlightTable<PendingPublish>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingPublish {
    /// Ends the span and tells the asker.
    pub(crate) fn report(self, outcome: Result<(), Persisted>) {
        match outcome {
            Ok(()) => {}
            Err(Persisted::No) => spans::record_failure(&self.span, "not_persisted"),
            Err(Persisted::Maybe) => spans::record_failure(&self.span, "possibly_persisted"),
        }
        drop(self.span);
        let failed = |persisted| PublishFailure { persisted };
        self.report.report(outcome.map_err(failed));
    }
}

/// The producer's context: what librdkafka says of itself, and the delivery reports.
#[derive(Debug)]
pub(crate) struct DeliveryReportContext {
    pub(crate) context: KafkaClientContext,
    pub(crate) deliveries: Arc<PendingPublishes>,
}

impl ProducerContext for DeliveryReportContext {
    type DeliveryOpaque = Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket) {
        let outcome = match result {
            Ok(_) => {
                self.deliveries.reporting.on_written();
                Ok(())
            }
            // librdkafka calls a message not persisted whose leader resigned after writing it
            // (`NOT_LEADER_OR_FOLLOWER`), so what it says of that is not to be built on.
            Err((error, _)) => {
                self.deliveries.reporting.on_write_failed(error);
                Err(Persisted::Maybe)
            }
        };
        self.deliveries.report_outcome(ticket, outcome);
    }
}

hand_on!(DeliveryReportContext);
