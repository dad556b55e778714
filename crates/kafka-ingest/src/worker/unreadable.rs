//! A worker and the batches that cannot be read: has them looked for beside the reading, and goes on
//! behind them.

use std::time::Instant;

use super::{Halt, Worker};
use crate::supervisor::Reading;

impl Worker<'_> {
    /// Has somebody look where the batch ends whose error has come, if nobody does yet.
    pub(super) fn on_unreadable(&mut self, reading: &Reading) {
        self.unreadable
            .look(Instant::now(), reading.assignment.starts());
    }

    /// Goes on behind the batches that were found.
    pub(super) fn step_over(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let mut any = false;
        for batch in self.unreadable.poll(Instant::now()) {
            if !reading.assignment.step_over(&batch) {
                continue;
            }
            any = true;
            reading.pipeline.on_stepped_over(&batch);
            self.reporting.stepped_over(Instant::now(), &batch);
        }
        // A seek is lost while librdkafka does not fetch; an assignment is not.
        if any { self.assign(reading) } else { Ok(()) }
    }
}
