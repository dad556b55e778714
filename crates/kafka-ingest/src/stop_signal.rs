//! Signals a thread to stop, without its missing it while it waits.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// Dropping it asks the thread to stop.
#[derive(Debug)]
pub(crate) struct StopHandle {
    _sender: Sender<Infallible>,
}

/// The thread's side of [`StopHandle`].
#[derive(Debug)]
pub(crate) struct StopSignal(Receiver<Infallible>);

/// Both sides.
pub(crate) fn stop_channel() -> (StopHandle, StopSignal) {
    let (sender, receiver) = channel();
    (StopHandle { _sender: sender }, StopSignal(receiver))
}

impl StopSignal {
    pub(crate) fn is_requested(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits until the stop is asked for.
    pub(crate) fn wait_for_request(&self) {
        // Nothing is ever sent, so this ends with the other side.
        let Err(RecvError) = self.0.recv();
    }

    /// Waits for at most `time`. True when the stop is asked for.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        matches!(
            self.0.recv_timeout(time),
            Err(RecvTimeoutError::Disconnected)
        )
    }
}
