//! How a thread is asked to stop, and waits without missing it.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// Dropping it asks the thread to stop.
#[derive(Debug)]
pub(crate) struct StopAsked {
    _sender: Sender<Infallible>,
}

/// The thread's side of [`StopAsked`].
#[derive(Debug)]
pub(crate) struct Stop(Receiver<Infallible>);

/// Both sides.
pub(crate) fn stop() -> (StopAsked, Stop) {
    let (sender, receiver) = channel();
    (StopAsked { _sender: sender }, Stop(receiver))
}

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits until the stop is asked for.
    pub(crate) fn wait_until_asked(&self) {
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
