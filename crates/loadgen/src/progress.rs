//! Progress on a terminal; nothing where there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `total` steps of `what`.
pub(crate) fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} ({per_sec}, {eta} left)")
            .expect("the template is a constant");
    let bar = ProgressBar::new(total).with_style(style).with_message(what);
    bar.enable_steady_tick(TICK);
    bar
}

const TICK: Duration = Duration::from_millis(250);
