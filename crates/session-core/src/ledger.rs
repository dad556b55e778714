//! The ledger: how many questions were accepted and how they ended.

use types::QuestionOutcome;

/// Counts since the start of the process. At every moment
/// `accepted + adopted = answered + expired + cancelled + failed + undeliverable + handed_off + pending`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Questions that are in Kafka.
    pub accepted: u64,
    /// Questions that came here with a resumed session. One that is resumed twice counts twice.
    pub adopted: u64,
    /// Of those: answered to their socket.
    pub answered: u64,
    /// Of those: nobody answered in time.
    pub expired: u64,
    /// Of those: given up by their client.
    pub cancelled: u64,
    /// Of those: answered with an error.
    pub failed: u64,
    /// Of those: the socket was gone or replaced first (version 1).
    pub undeliverable: u64,
    /// Of those: the socket was gone or closed first, and the session can be resumed (version 2).
    pub handed_off: u64,
    /// Of those: still waiting.
    pub pending: u64,
    /// Outside the identity: never accepted.
    pub publish_failed: u64,
}

impl Ledger {
    /// A question is in Kafka and waits.
    pub(crate) fn count_accepted(&mut self) {
        self.accepted += 1;
        self.pending += 1;
    }

    /// A question that another connection accepted waits here.
    pub(crate) fn count_adopted(&mut self) {
        self.adopted += 1;
        self.pending += 1;
    }

    /// A question ended; an accepted one no longer waits.
    pub(crate) fn count_ended(&mut self, outcome: QuestionOutcome) {
        let count = match outcome {
            QuestionOutcome::Answered => &mut self.answered,
            QuestionOutcome::Expired => &mut self.expired,
            QuestionOutcome::Cancelled => &mut self.cancelled,
            QuestionOutcome::Failed => &mut self.failed,
            QuestionOutcome::Undeliverable => &mut self.undeliverable,
            QuestionOutcome::HandedOff => &mut self.handed_off,
            QuestionOutcome::PublishFailed => {
                self.publish_failed += 1;
                return;
            }
        };
        *count += 1;
        self.pending -= 1;
    }
}
