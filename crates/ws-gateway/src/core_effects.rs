//! Carries out what the core decided. Under the manager's lock only data moves; whatever may take
//! time or call back (publish, log, metrics, spans) is handed back for after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{
    Effect, MessageV2, PublishId, QuestionErrorCode, ReplyV1, SessionEvent, SessionRegistry,
};
use telemetry::spans;
use tracing::Span;
use types::{Generation, MinOffsets, QuestionId, QuestionRecord, SessionKey, TraceContext, WireId};

use crate::close_code::CloseCode;
use crate::events::WebSocketEvents;
use crate::outbox::{Outbox, OutboxItem, PushOutcome, QueuedMessage};
use crate::trace_propagation;

/// The sockets of this process.
pub(crate) type SocketTable = HashMap<Generation, ConnectedSocket>;

/// One socket as the manager knows it.
#[derive(Debug)]
pub(crate) struct ConnectedSocket {
    pub(crate) outbox: Arc<Outbox>,
    /// From the frame to the end of the open question.
    question_span: Option<Span>,
    /// The client's own trace.
    trace: Option<Box<TraceContext>>,
}

/// An action to do once the lock is free.
#[derive(Debug)]
pub(crate) enum DeferredAction {
    /// Ask this of Kafka's side.
    Request(DeferredRequest),
    /// Record an event of the core.
    RecordEvent(SessionEvent),
    /// Record the times of an answer.
    RecordTimes {
        publish_time: Option<Duration>,
        total_time: Duration,
    },
    /// Record that a socket does not keep up, and how many answers that costs.
    RecordOverflow { key: SessionKey, answers: usize },
    /// End a question's span.
    EndSpan(Span, QuestionSpanEnd),
}

/// A request to Kafka's side.
#[derive(Debug)]
pub(crate) enum DeferredRequest {
    /// Publish a question.
    Publish {
        publish_id: PublishId,
        question: QuestionRecord,
        trace: Option<TraceContext>,
    },
    /// Look up what was written of an answer.
    Recover {
        key: SessionKey,
        question_id: QuestionId,
        wire_id: WireId,
        min_offsets: MinOffsets,
    },
}

/// The end of a question, as its span says it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum QuestionSpanEnd {
    /// Answered, or cancelled by who asked.
    Ok,
    /// For this reason.
    Failed(&'static str),
}

impl ConnectedSocket {
    pub(crate) fn new(outbox: Arc<Outbox>, trace: Option<TraceContext>) -> Self {
        Self {
            outbox,
            question_span: None,
            trace: trace.map(Box::new),
        }
    }

    /// Tells whether a question of this socket is open.
    pub(crate) fn has_outstanding_question(&self) -> bool {
        self.question_span.is_some()
    }

    /// The client's own trace.
    pub(crate) fn into_trace(self) -> Option<TraceContext> {
        self.trace.map(|trace| *trace)
    }
}

/// Drains the core's effects: sends and closes go to the outboxes, in order; the rest is returned.
pub(crate) fn apply_effects(
    registry: &mut SessionRegistry,
    sockets: &mut SocketTable,
    now: Instant,
    mut trace: Option<TraceContext>,
) -> Vec<DeferredAction> {
    let mut deferred = Vec::new();
    while let Some(effect) = registry.poll_effect() {
        match effect {
            Effect::Publish {
                key,
                publish_id: id,
                question,
            } => deferred.push(begin_publish(sockets, &key, id, question)),
            Effect::Recover {
                key,
                question_id,
                wire_id,
                min_offsets: floor,
            } => deferred.push(DeferredAction::Request(DeferredRequest::Recover {
                key,
                question_id,
                wire_id,
                min_offsets: floor,
            })),
            Effect::SendV1 { key, reply } => {
                deferred.extend(send_v1(sockets, key, reply, now, trace.take()));
            }
            Effect::SendV2 { key, message: told } => {
                deferred.extend(send_v2(sockets, key, told, now, &mut trace));
            }
            Effect::Close {
                key,
                reason,
                resume,
            } => {
                let why = CloseCode::from(reason);
                deferred.extend(push_to_outbox(
                    sockets,
                    key,
                    OutboxItem::Close { code: why, resume },
                ));
            }
            Effect::RecordEvent(event) => deferred.push(DeferredAction::RecordEvent(event)),
        }
    }
    deferred
}

/// Records everything but the requests, which are returned to be made.
pub(crate) fn record_deferred(
    events: &WebSocketEvents,
    deferred: Vec<DeferredAction>,
    consume: Duration,
) -> Vec<DeferredRequest> {
    let mut requests = Vec::new();
    for item in deferred {
        match item {
            DeferredAction::Request(request) => requests.push(request),
            DeferredAction::RecordEvent(event) => events.record_session_event(&event),
            DeferredAction::RecordTimes {
                publish_time: publish,
                total_time: total,
            } => events.record_answer_times(publish, total, consume),
            DeferredAction::RecordOverflow { key, answers } => {
                events.outbox_overflowed(&key, answers)
            }
            DeferredAction::EndSpan(_span, QuestionSpanEnd::Ok) => {}
            DeferredAction::EndSpan(span, QuestionSpanEnd::Failed(why)) => {
                spans::record_failure(&span, why)
            }
        }
    }
    requests
}

fn begin_publish(
    sockets: &mut SocketTable,
    key: &SessionKey,
    publish: PublishId,
    question: QuestionRecord,
) -> DeferredAction {
    let mut socket = sockets.get_mut(&key.generation);
    let client = socket.as_ref().and_then(|socket| socket.trace.as_deref());
    let parent = client.cloned().map(trace_propagation::to_remote_context);
    let span = spans::start_ask(&key.id, &question.question_id, parent);
    let trace = spans::context_of(&span).map(trace_propagation::from_remote_context);
    if let Some(socket) = &mut socket {
        socket.question_span = Some(span);
    }
    DeferredAction::Request(DeferredRequest::Publish {
        publish_id: publish,
        question,
        trace,
    })
}

fn send_v1(
    sockets: &mut SocketTable,
    key: SessionKey,
    reply: ReplyV1,
    now: Instant,
    trace: Option<TraceContext>,
) -> Vec<DeferredAction> {
    let mut deferred = Vec::new();
    if let ReplyV1::Answer {
        publish_time: publish,
        total_time: total,
        ..
    } = reply
    {
        deferred.push(DeferredAction::RecordTimes {
            publish_time: publish,
            total_time: total,
        });
    }
    if let Some(end) = span_end_of_reply(&reply) {
        deferred.extend(end_question_span(sockets, &key, trace.as_ref(), end));
    }
    let item = OutboxItem::ReplyV1(QueuedMessage {
        message: reply,
        decided_at: now,
        trace,
    });
    deferred.extend(push_to_outbox(sockets, key, item));
    deferred
}

fn send_v2(
    sockets: &mut SocketTable,
    key: SessionKey,
    told: Box<MessageV2>,
    now: Instant,
    trace: &mut Option<TraceContext>,
) -> Vec<DeferredAction> {
    let mut deferred = Vec::new();
    let mut of_answer = None;
    match &*told {
        MessageV2::AnswerChunks(stretch) => {
            of_answer = trace.take();
            if let Some(end) = &stretch.end {
                let (publish, total) = (end.publish_time, end.total_time);
                deferred.push(DeferredAction::RecordTimes {
                    publish_time: publish,
                    total_time: total,
                });
                let answer = of_answer.as_ref();
                deferred.extend(end_question_span(
                    sockets,
                    &key,
                    answer,
                    QuestionSpanEnd::Ok,
                ));
            }
        }
        MessageV2::Error { code, .. } => {
            if let Some(end) = span_end_of_error(*code) {
                deferred.extend(end_question_span(sockets, &key, None, end));
            }
        }
        MessageV2::Hello { .. }
        | MessageV2::NotResumed
        | MessageV2::SessionIdInUse
        | MessageV2::Accepted { .. } => {}
    }
    let item = OutboxItem::MessageV2(QueuedMessage {
        message: told,
        decided_at: now,
        trace: of_answer,
    });
    deferred.extend(push_to_outbox(sockets, key, item));
    deferred
}

/// The span of the socket's question, which has ended with an answer of trace `answer`, if with one.
fn end_question_span(
    sockets: &mut SocketTable,
    key: &SessionKey,
    answer: Option<&TraceContext>,
    end: QuestionSpanEnd,
) -> Option<DeferredAction> {
    let socket = sockets.get_mut(&key.generation)?;
    let span = socket.question_span.take()?;
    if let Some(answer) = answer
        && let Some(question) = spans::context_of(&span)
        && question.trace_id != answer.trace_id
    {
        // The answering side did not carry the context on. The span of the answer's record is the
        // current one: whoever delivers an answer does so inside it.
        spans::add_link(&Span::current(), question);
    }
    Some(DeferredAction::EndSpan(span, end))
}

fn push_to_outbox(
    sockets: &SocketTable,
    key: SessionKey,
    item: OutboxItem,
) -> Option<DeferredAction> {
    match sockets.get(&key.generation)?.outbox.push(item) {
        PushOutcome::Queued => None,
        PushOutcome::Overflowed { answers } => {
            Some(DeferredAction::RecordOverflow { key, answers })
        }
    }
}

/// Returns the end of the question that a reply means, if it means one.
fn span_end_of_reply(reply: &ReplyV1) -> Option<QuestionSpanEnd> {
    match reply {
        ReplyV1::Answer { .. } => Some(QuestionSpanEnd::Ok),
        ReplyV1::AnswerFailed => span_end_of_error(QuestionErrorCode::AnswerFailed),
        ReplyV1::PublishFailed => span_end_of_error(QuestionErrorCode::PublishFailed),
        ReplyV1::TimedOut => span_end_of_error(QuestionErrorCode::Timeout),
        ReplyV1::Busy | ReplyV1::Draining => None,
    }
}

fn span_end_of_error(code: QuestionErrorCode) -> Option<QuestionSpanEnd> {
    match code {
        QuestionErrorCode::AnswerFailed => Some(QuestionSpanEnd::Failed("answer_failed")),
        QuestionErrorCode::PublishFailed => Some(QuestionSpanEnd::Failed("publish_failed")),
        QuestionErrorCode::Timeout => Some(QuestionSpanEnd::Failed("timeout")),
        QuestionErrorCode::Cancelled => Some(QuestionSpanEnd::Ok),
        QuestionErrorCode::Busy
        | QuestionErrorCode::AlreadyAnswered
        | QuestionErrorCode::Draining => None,
    }
}
