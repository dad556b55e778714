//! What looking for the past logs and counts. See [`crate::events`] for the rules.

use std::time::Duration;

use tracing::{info, warn};

use crate::events::Events;

impl Events {
    /// So much is remembered of what was read lately.
    pub(super) fn recent(&self, records: usize, bytes: usize) {
        self.instruments.recent_records.set(records, "records");
        self.instruments.recent_records_size.set(bytes, "index");
    }

    /// A wish was answered.
    pub(super) fn recovered(&self, result: &'static str, after: Duration) {
        self.instruments.recoveries.one(result);
        self.instruments.recovery_time.record(after, result);
    }

    /// What was written before this process was gone through, or not to its end.
    pub(super) fn past_filled(&self, whole: bool, records: u64, after: Duration) {
        let took = after.as_secs_f64();
        if whole {
            info!(records, took, "answers from before the start are indexed");
        } else {
            warn!(
                records,
                took,
                "answers from before the start are not all indexed: resumed sessions look for theirs"
            );
        }
    }
}
