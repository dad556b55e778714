//! A panic in any task of this crate becomes a signal, because the process is to stop then: it never
//! serves on half-dead.

use tokio_util::sync::CancellationToken;

/// The signal. Clones are the same signal.
#[derive(Debug, Clone, Default)]
pub(crate) struct PanicSignal(CancellationToken);

/// Raises the signal when it is dropped by a panic.
#[derive(Debug)]
pub(crate) struct PanicGuard(PanicSignal);

impl PanicSignal {
    /// Something panicked.
    pub(crate) fn raise(&self) {
        self.0.cancel();
    }

    /// Resolves once something has panicked.
    pub(crate) async fn wait_until_raised(&self) {
        self.0.cancelled().await;
    }

    /// Watches the scope it is held in.
    pub(crate) fn new_guard(&self) -> PanicGuard {
        PanicGuard(self.clone())
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.raise();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_task_raises_the_signal_and_a_finished_one_does_not() {
        let signal = PanicSignal::default();
        let guard = signal.new_guard();
        tokio::spawn(async move { drop(guard) }).await.unwrap();
        assert!(!signal.0.is_cancelled());

        let guard = signal.new_guard();
        let failed = tokio::spawn(async move {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(failed.await.unwrap_err().is_panic());
        signal.wait_until_raised().await;
    }
}
