//! The port to what was written of an answer before its session was resumed. Whoever reads the
//! answers implements it; this crate knows no more.

use std::fmt;

use session_core::RecoveryResult;
use types::AnswerLookup;

/// Knows the answers that were written lately.
pub trait AnswerHistory: Send + Sync + 'static {
    /// Looks for what is wanted and reports it, once, from any thread, sooner or later, also from
    /// within this call. Never blocks.
    fn begin_recovery(&self, wanted: AnswerLookup, report: RecoveryResponder);
}

/// Knows nothing: every session that is resumed with an open question begins anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAnswerHistory;

impl AnswerHistory for NoAnswerHistory {
    fn begin_recovery(&self, _wanted: AnswerLookup, report: RecoveryResponder) {
        report.respond(RecoveryResult::Unavailable);
    }
}

/// Tells a resumed session what was found. Dropped without a word it counts as lost.
pub struct RecoveryResponder(Option<RecoveryResponseFn>);

type RecoveryResponseFn = Box<dyn FnOnce(RecoveryResult) + Send + Sync>;

impl RecoveryResponder {
    /// A report that runs `report`.
    pub fn new(report: impl FnOnce(RecoveryResult) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports what was found.
    pub fn respond(mut self, recovery: RecoveryResult) {
        self.send(recovery);
    }

    fn send(&mut self, recovery: RecoveryResult) {
        if let Some(report) = self.0.take() {
            report(recovery);
        }
    }
}

impl Drop for RecoveryResponder {
    fn drop(&mut self) {
        self.send(RecoveryResult::Unavailable);
    }
}

impl fmt::Debug for RecoveryResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryReport")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_report_is_given_once_and_a_dropped_one_counts_as_lost() {
        let (given, reports) = channel();
        let report = || {
            let given = given.clone();
            RecoveryResponder::new(move |recovery| given.send(recovery).unwrap())
        };
        report().respond(RecoveryResult::Found(Vec::new()));
        drop(report());
        let reports: Vec<_> = reports.try_iter().collect();
        assert_eq!(
            reports,
            [
                RecoveryResult::Found(Vec::new()),
                RecoveryResult::Unavailable
            ]
        );
    }
}
