//! A panic on any thread becomes a signal: the process is to end then, not ready first. It never
//! serves on half-dead.

use std::panic;
use std::sync::Arc;

use tokio::sync::Notify;

/// Installs a hook after the one that is there; the handle is notified by every panic.
pub(crate) fn install_panic_hook() -> Arc<Notify> {
    let panicked = Arc::new(Notify::new());
    let notify = Arc::clone(&panicked);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        notify.notify_one();
    }));
    panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_any_thread_is_noticed() {
        let panicked = install_panic_hook();
        std::thread::spawn(|| panic!("on purpose"))
            .join()
            .unwrap_err();
        panicked.notified().await;
    }
}
