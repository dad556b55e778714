//! Trace contexts: those of requests, and between the domain's type and telemetry's, which has the
//! same four fields.

use telemetry::spans::RemoteContext;
use types::TraceContext;
use warp::http::HeaderMap;

/// The trace a request belongs to; one that is not valid is none.
pub(crate) fn from_request_headers(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name)?.to_str().ok();
    TraceContext::parse(text("traceparent")?, text("tracestate"))
}

pub(crate) fn from_remote_context(context: RemoteContext) -> TraceContext {
    TraceContext {
        trace_id: context.trace_id,
        span_id: context.span_id,
        flags: context.flags,
        state: context.state,
    }
}

pub(crate) fn to_remote_context(context: TraceContext) -> RemoteContext {
    RemoteContext {
        trace_id: context.trace_id,
        span_id: context.span_id,
        flags: context.flags,
        state: context.state,
    }
}
