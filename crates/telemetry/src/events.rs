//! What this crate itself has to say: one function an event.

use std::panic::Location;

/// A thread or task panicked, at `place`. The panic's own text is not repeated here.
pub(crate) fn panicked(place: Option<&Location<'_>>) {
    let (file, line) = place.map_or(("unknown", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panicked; the process stops");
}
