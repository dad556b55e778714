//! The port questions leave through. Whoever publishes implements it; this crate knows no more.

use std::fmt;

use session_core::Persisted;
use types::{MinOffsets, QuestionRecord, TraceContext};

/// Takes questions to wherever they are answered.
pub trait QuestionSink: Send + Sync + 'static {
    /// The answers' high watermarks as known now. Called before each question, under the lock of all
    /// sessions: never blocks, and calls nothing of them.
    fn min_offsets(&self) -> MinOffsets;

    /// Publishes `question` and reports how that went, once, from any thread, sooner or later, also
    /// from within this call. Never blocks. `trace` is the context the publish span continues.
    fn publish(
        &self,
        question: QuestionRecord,
        trace: Option<TraceContext>,
        report: PublishResponder,
    );
}

/// Tells the session that asked how its publish went. Dropped without a word it counts as failed,
/// possibly persisted.
pub struct PublishResponder(Option<PublishResponseFn>);

type PublishResponseFn = Box<dyn FnOnce(Result<(), PublishFailure>) + Send + Sync>;

/// The question was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishFailure {
    /// Tells whether it may be in Kafka all the same.
    pub persisted: Persisted,
}

impl PublishResponder {
    /// A report that runs `report`.
    pub fn new(report: impl FnOnce(Result<(), PublishFailure>) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports: taken, or not.
    pub fn respond(mut self, outcome: Result<(), PublishFailure>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Result<(), PublishFailure>) {
        if let Some(report) = self.0.take() {
            report(outcome);
        }
    }
}

impl Drop for PublishResponder {
    fn drop(&mut self) {
        self.send(Err(PublishFailure {
            persisted: Persisted::Maybe,
        }));
    }
}

impl fmt::Debug for PublishResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishReport")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_report_is_given_once_and_a_dropped_one_counts_as_possibly_persisted() {
        let (given, reports) = channel();
        let report = || {
            let given = given.clone();
            PublishResponder::new(move |outcome| given.send(outcome).unwrap())
        };
        report().respond(Ok(()));
        drop(report());
        assert_eq!(
            reports.try_iter().collect::<Vec<_>>(),
            [
                Ok(()),
                Err(PublishFailure {
                    persisted: Persisted::Maybe
                })
            ]
        );
    }
}
