//! A worker and the batches that cannot be read: has them looked for beside the reading, and goes on
//! behind them.

use std::time::Instant;

use super::{ReadHalt, Worker};
use crate::consumer_supervisor::ReadingState;

impl Worker<'_> {
    /// Has somebody look where the batch ends whose error has come, if nobody does yet.
    pub(super) fn on_unreadable(&mut self, reading: &ReadingState) {
        self.unreadable
            .start_search(Instant::now(), reading.assignment.start_positions());
    }

    /// Goes on behind the batches that were found.
    pub(super) fn step_over(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let mut any = false;
        for batch in self.unreadable.poll_found(Instant::now()) {
            if !reading.assignment.skip_batch(&batch) {
                continue;
            }
            any = true;
            reading.pipeline.on_batch_skipped(&batch);
            self.reporting.on_batch_skipped(Instant::now(), &batch);
        }
        // A seek is lost while librdkafka does not fetch; an assignment is not.
        if any { self.assign(reading) } else { Ok(()) }
    }
}
