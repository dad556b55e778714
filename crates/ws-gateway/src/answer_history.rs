//! The port to what was written of an answer before its session was resumed. Whoever reads the
//! answers implements it; this crate knows no more.

use std::fmt;

use session_core::Recovery;
use types::{AnswerFloor, QuestionId, WireId};

/// Every record that names the question, and every one under the wire id that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedAnswer {
    /// The question.
    pub question_id: QuestionId,
    /// What its answer carries as session id.
    pub wire_id: WireId,
    /// Below it stands nothing of its answer.
    pub floor: AnswerFloor,
}

/// Knows the answers that were written lately.
pub trait AnswerHistory: Send + Sync + 'static {
    /// Looks for what is wanted and reports it, once, from any thread, sooner or later, also from
    /// within this call. Never blocks.
    fn recover(&self, wanted: WantedAnswer, report: RecoveryReport);
}

/// Knows nothing: every session that is resumed with an open question begins anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHistory;

impl AnswerHistory for NoHistory {
    fn recover(&self, _wanted: WantedAnswer, report: RecoveryReport) {
        report.report(Recovery::Lost);
    }
}

/// Tells a resumed session what was found. Dropped without a word it counts as lost.
pub struct RecoveryReport(Option<Report>);

type Report = Box<dyn FnOnce(Recovery) + Send + Sync>;

impl RecoveryReport {
    /// A report that runs `report`.
    pub fn new(report: impl FnOnce(Recovery) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(report)))
    }

    /// Reports what was found.
    pub fn report(mut self, recovery: Recovery) {
        self.send(recovery);
    }

    fn send(&mut self, recovery: Recovery) {
        if let Some(report) = self.0.take() {
            report(recovery);
        }
    }
}

impl Drop for RecoveryReport {
    fn drop(&mut self) {
        self.send(Recovery::Lost);
    }
}

impl fmt::Debug for RecoveryReport {
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
            RecoveryReport::new(move |recovery| given.send(recovery).unwrap())
        };
        report().report(Recovery::Found(Vec::new()));
        drop(report());
        let reports: Vec<_> = reports.try_iter().collect();
        assert_eq!(reports, [Recovery::Found(Vec::new()), Recovery::Lost]);
    }
}
