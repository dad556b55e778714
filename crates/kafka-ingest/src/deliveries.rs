//! What became of the questions that were handed to the producer: its delivery reports, given to
//! those who asked, and what they say of Kafka.
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

use crate::client_context::{Context, hand_on};
use crate::in_flight::{InFlight, Ticket};
use crate::publish_report::{Persisted, PublishReport};
use crate::publisher_reporting::PublisherReporting;

/// The questions under way. Outlives every producer.
#[derive(Debug)]
pub(crate) struct Deliveries {
    in_flight: Mutex<InFlight<Waiting>>,
    /// Reports that have not been given yet, be they out of `in_flight` already.
    to_give: AtomicUsize,
    /// Told when there is none any more.
    all_given: Notify,
    reporting: Arc<PublisherReporting>,
}

/// One question's asker and its span, which lasts until the report.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) report: PublishReport,
    pub(crate) span: Span,
}

impl Deliveries {
    pub(crate) fn new(limit: usize, reporting: Arc<PublisherReporting>) -> Self {
        Self {
            in_flight: Mutex::new(InFlight::new(limit)),
            to_give: AtomicUsize::new(0),
            all_given: Notify::new(),
            reporting,
        }
    }

    /// Takes one in, or gives it back when as many as may be are under way.
    pub(crate) fn admit(&self, waiting: Waiting) -> Result<Ticket, Waiting> {
        let ticket = self.in_flight().admit(waiting)?;
        self.to_give.fetch_add(1, Ordering::Relaxed);
        Ok(ticket)
    }

    /// Gives the report of `ticket`, unless it was given before.
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Result<(), Persisted>) {
        let waiting = self.in_flight().take(ticket);
        if let Some(waiting) = waiting {
            self.give(waiting, outcome);
        }
    }

    /// The producer is gone: what it has not reported may be in the topic or not.
    pub(crate) fn give_up(&self) {
        let left = self.in_flight().take_all();
        for waiting in left {
            self.give(waiting, Err(Persisted::Maybe));
        }
    }

    /// Returns once every report has been given.
    pub(crate) async fn all_given(&self) {
        loop {
            // Listens before it looks, so that nothing is missed in between.
            let all_given = self.all_given.notified();
            if self.to_give.load(Ordering::Acquire) == 0 {
                return;
            }
            all_given.await;
        }
    }

    /// Writes the present number under way into its gauge.
    pub(crate) fn gauge(&self) {
        let in_flight = self.in_flight();
        self.reporting
            .events
            .producer_queue(in_flight.len(), in_flight.limit());
    }

    fn give(&self, waiting: Waiting, outcome: Result<(), Persisted>) {
        waiting.give(outcome);
        if self.to_give.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_given.notify_waiters();
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlight<Waiting>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Ends the span and tells the asker.
    pub(crate) fn give(self, outcome: Result<(), Persisted>) {
        match outcome {
            Ok(()) => {}
            Err(Persisted::No) => spans::fail(&self.span, "not_persisted"),
            Err(Persisted::Maybe) => spans::fail(&self.span, "possibly_persisted"),
        }
        drop(self.span);
        self.report.give(outcome);
    }
}

/// The producer's context: what librdkafka says of itself, and the delivery reports.
#[derive(Debug)]
pub(crate) struct Reports {
    pub(crate) context: Context,
    pub(crate) deliveries: Arc<Deliveries>,
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket) {
        let outcome = match result {
            Ok(_) => {
                self.deliveries.reporting.written();
                Ok(())
            }
            // librdkafka calls a message not persisted whose leader resigned after writing it
            // (`NOT_LEADER_OR_FOLLOWER`), so what it says of that is not to be built on.
            Err((error, _)) => {
                self.deliveries.reporting.not_written(error);
                Err(Persisted::Maybe)
            }
        };
        self.deliveries.settle(ticket, outcome);
    }
}

hand_on!(Reports);
