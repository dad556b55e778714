//! The task that wakes the core when one of its deadlines has come.

use std::time::Instant;

use session_core::Input;

use crate::WebSocketSessionManager;

impl WebSocketSessionManager {
    /// Watches the deadlines, for as long as it is polled. Sleeps until the next one and is woken
    /// before only when an earlier one appears.
    pub async fn run_deadlines(&self) {
        let _guard = self.shared().panics.new_guard();
        loop {
            let next = self.arm_deadline();
            tokio::select! {
                () = wait_until(next) => self.submit_input(Input::Tick),
                () = self.shared().earlier_deadline.notified() => {}
            }
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
