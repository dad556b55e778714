//! Trace contexts between the domain's type and telemetry's: the same four fields.

use telemetry::spans::RemoteContext;
use types::TraceContext;

pub(crate) fn outgoing(context: RemoteContext) -> TraceContext {
    TraceContext {
        trace_id: context.trace_id,
        span_id: context.span_id,
        flags: context.flags,
        state: context.state,
    }
}

pub(crate) fn incoming(context: TraceContext) -> RemoteContext {
    RemoteContext {
        trace_id: context.trace_id,
        span_id: context.span_id,
        flags: context.flags,
        state: context.state,
    }
}
