//! The ledger: how many questions were accepted and how they ended.

use types::QuestionOutcome;

/// Counts since the start of the process. At every moment
/// `accepted = answered + expired + failed + undeliverable + pending`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Questions that are in Kafka.
    pub accepted: u64,
    /// Of those: answered to their socket.
    pub answered: u64,
    /// Of those: nobody answered in time.
    pub expired: u64,
    /// Of those: answered with an error.
    pub failed: u64,
    /// Of those: the socket was gone or replaced first.
    pub undeliverable: u64,
    /// Of those: still waiting.
    pub pending: u64,
    /// Outside the identity: never accepted.
    pub publish_failed: u64,
}

impl Ledger {
    /// A question is in Kafka and waits.
    pub(crate) fn accept(&mut self) {
        self.accepted += 1;
        self.pending += 1;
    }

    /// A question ended; an accepted one no longer waits.
    pub(crate) fn end(&mut self, outcome: QuestionOutcome) {
        let count = match outcome {
            QuestionOutcome::Answered => &mut self.answered,
            QuestionOutcome::Expired => &mut self.expired,
            QuestionOutcome::Failed => &mut self.failed,
            QuestionOutcome::Undeliverable => &mut self.undeliverable,
            QuestionOutcome::PublishFailed => {
                self.publish_failed += 1;
                return;
            }
        };
        *count += 1;
        self.pending -= 1;
    }
}
