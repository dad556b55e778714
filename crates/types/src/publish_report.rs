//! Reports the outcome of a publish to the session that asked: once, on every path. The crate that
//! publishes gives the report; the crate that asked makes it.

use std::fmt;

/// Tells the asker how the publish went. Dropped without a word it says failed, possibly persisted.
pub struct PublishReport(Option<PublishCallback>);

type PublishCallback = Box<dyn FnOnce(Result<(), PublishFailure>) + Send + Sync>;

/// The question was not, or not provably, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishFailure {
    /// Tells whether it may be in the topic all the same.
    pub persisted: Persisted,
}

/// Tells whether a question that was reported as failed may be in its topic all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persisted {
    /// It was never sent: no answer can come.
    No,
    /// It was sent and the outcome is unknown: an answer may come.
    Maybe,
}

impl PublishReport {
    /// A report that runs `report`, once, on whatever thread knows first. It must not block.
    pub fn new(report: impl FnOnce(Result<(), PublishFailure>) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports: written, or not.
    pub fn report(mut self, outcome: Result<(), PublishFailure>) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Result<(), PublishFailure>) {
        if let Some(report) = self.0.take() {
            report(outcome);
        }
    }
}

impl Drop for PublishReport {
    fn drop(&mut self) {
        let persisted = Persisted::Maybe;
        self.send(Err(PublishFailure { persisted }));
    }
}

impl fmt::Debug for PublishReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishReport")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    type Outcome = Result<(), PublishFailure>;

    fn report() -> (PublishReport, Receiver<Outcome>) {
        let (given, outcomes) = channel();
        let report = PublishReport::new(move |outcome| given.send(outcome).unwrap());
        (report, outcomes)
    }

    #[test]
    fn a_report_is_given_once() {
        for outcome in [Ok(()), Err(Persisted::No), Err(Persisted::Maybe)] {
            let (report, outcomes) = report();
            let expected = outcome.map_err(|persisted| PublishFailure { persisted });
            report.report(expected);
            assert_eq!(outcomes.iter().collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_dropped_report_says_possibly_persisted() {
        let (report, outcomes) = report();
        drop(report);
        let persisted = Persisted::Maybe;
        assert_eq!(
            outcomes.iter().collect::<Vec<_>>(),
            [Err(PublishFailure { persisted })]
        );
    }
}
