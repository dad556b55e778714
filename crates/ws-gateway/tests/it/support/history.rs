//! A history of answers that the test fills.

use session_core::RecoveryResult;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use types::AnswerLookup;
use types::{Answer, WireId};
use ws_gateway::{AnswerHistory, RecoveryResponder};

use super::PATIENCE;

/// The lookup of a resumed session, and the report the test owes for it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) wire_id: WireId,
    report: RecoveryResponder,
}

/// Wishes in the order they came in.
pub(crate) struct History(UnboundedReceiver<Wanted>);

/// Gives every wish to the test.
pub(crate) struct HeldHistory(UnboundedSender<Wanted>);

pub(crate) fn held() -> (HeldHistory, History) {
    let (sender, receiver) = unbounded_channel();
    (HeldHistory(sender), History(receiver))
}

impl AnswerHistory for HeldHistory {
    fn begin_recovery(&self, wanted: AnswerLookup, report: RecoveryResponder) {
        let wire_id = wanted.wire_id;
        drop(self.0.send(Wanted { wire_id, report }));
    }
}

impl History {
    /// The next wish.
    pub(crate) async fn next(&mut self) -> Wanted {
        timeout(PATIENCE, self.0.recv())
            .await
            .expect("a past is looked up")
            .expect("the manager is there")
    }
}

impl Wanted {
    pub(crate) fn found(self, records: Vec<Answer>) {
        self.report.respond(RecoveryResult::Found(records));
    }

    pub(crate) fn lost(self) {
        self.report.respond(RecoveryResult::Unavailable);
    }
}
