//! The port questions leave through. Whoever publishes implements it; this crate knows no more.

use types::{MinOffsets, PublishReport, QuestionRecord, TraceContext};

/// Takes questions to wherever they are answered.
pub trait QuestionSink: Send + Sync + 'static {
    /// The answers' high watermarks as known now. Called before each question, under the lock of all
    /// sessions: never blocks, and calls nothing of them.
    fn min_offsets(&self) -> MinOffsets;

    /// Publishes `question` and reports how that went, once, from any thread, sooner or later, also
    /// from within this call. Never blocks. `trace` is the context the publish span continues.
    fn publish(&self, question: QuestionRecord, trace: Option<TraceContext>, report: PublishReport);
}
