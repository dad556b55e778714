//! Logs and counts the unreadable batches that are stepped over. See [`crate::events`] for the rules.

use tracing::error;

use super::UnreadableBatch;
use crate::dead_letter::BATCH_UNREADABLE;
use crate::events::{ClientRole, Events};

impl Events {
    /// A batch was stepped over that cannot be unpacked, by this client or any other of its kind.
    /// Everything before and behind it is read.
    pub(crate) fn batch_skipped(&self, client: ClientRole, topic: &str, batch: &UnreadableBatch) {
        let client = client.label();
        self.instruments.unreadable_batches.increment(client);
        self.instruments.errors.increment(BATCH_UNREADABLE);
        if let Some(held_back) = self.admit_log_line(BATCH_UNREADABLE, client) {
            let (partition, first, last) = (batch.partition, batch.first, batch.next - 1);
            error!(
                client,
                topic,
                partition,
                first,
                last,
                held_back,
                "batch of records skipped: it cannot be unpacked"
            );
        }
    }
}
