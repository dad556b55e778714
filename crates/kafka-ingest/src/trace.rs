//! Trace contexts as the spans know them, and as they travel between crates.

use telemetry::spans::RemoteContext;
use types::TraceContext;

pub(crate) fn to_remote(context: TraceContext) -> RemoteContext {
    let TraceContext {
        trace_id,
        span_id,
        flags,
        state,
    } = context;
    RemoteContext {
        trace_id,
        span_id,
        flags,
        state,
    }
}

pub(crate) fn to_trace_context(context: RemoteContext) -> TraceContext {
    let RemoteContext {
        trace_id,
        span_id,
        flags,
        state,
    } = context;
    TraceContext {
        trace_id,
        span_id,
        flags,
        state,
    }
}
