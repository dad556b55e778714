//! Tracks the health of exports by OTLP: each failure counted, each change logged once.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::{Instruments, events};

/// The exports of one signal.
#[derive(Debug)]
pub(crate) struct ExportHealth {
    signal: &'static str,
    failing: AtomicBool,
    /// Set once they are defined, which a reader of metrics is before.
    instruments: Arc<OnceLock<Arc<Instruments>>>,
}

impl ExportHealth {
    pub(crate) fn new(signal: &'static str, instruments: Arc<OnceLock<Arc<Instruments>>>) -> Self {
        Self {
            signal,
            failing: AtomicBool::new(false),
            instruments,
        }
    }

    pub(crate) fn on_export<E: Display>(&self, exported: &Result<(), E>) {
        let failing = exported.is_err();
        let before = self.failing.swap(failing, Ordering::Relaxed);
        match exported {
            Ok(()) if before => events::export_recovered(self.signal),
            Ok(()) => {}
            Err(error) => {
                if let Some(instruments) = self.instruments.get() {
                    instruments.export_failures.increment(self.signal);
                }
                if !before {
                    events::export_failed(self.signal, error);
                }
            }
        }
    }
}
