//! The one clock: monotonic, and tokio's, so that tests may wind it by hand.

use std::time::Instant;

/// The present moment. Callable on any thread.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
