//! Logs and counts recoveries. See [`crate::events`] for the rules.

use std::time::Duration;

use tracing::{info, warn};

use crate::events::Events;

impl Events {
    /// So much is remembered of what was read lately.
    pub(super) fn set_answer_index_size(&self, records: usize, bytes: usize) {
        self.instruments.recent_records.set(records, "records");
        self.instruments.recent_records_size.set(bytes, "index");
    }

    /// A lookup ended, with this result.
    pub(super) fn recovery_finished(&self, result: &'static str, after: Duration) {
        self.instruments.recoveries.increment(result);
        self.instruments.recovery_time.record(after, result);
    }

    /// The records written before this process started were indexed, or not to their end.
    pub(super) fn history_indexed(&self, whole: bool, records: u64, after: Duration) {
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
