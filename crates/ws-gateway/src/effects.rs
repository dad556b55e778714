//! Carries out what the core decided. Under the manager's lock only data moves; whatever may take
//! time or call back (publish, log, metrics, spans) is handed back for after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Effect, ErrorCode, Event, PublishId, Registry, Reply, Told};
use telemetry::spans;
use tracing::Span;
use types::{AnswerFloor, Generation, Question, QuestionId, SessionKey, TraceContext, WireId};

use crate::close::Close;
use crate::events::Events;
use crate::outbox::{Outbox, Outgoing, Pushed, Queued};
use crate::trace;

/// The sockets of this process.
pub(crate) type Sockets = HashMap<Generation, Live>;

/// One socket as the manager knows it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) outbox: Arc<Outbox>,
    /// From the frame to the end of the open question.
    asking: Option<Span>,
    /// The client's own trace.
    trace: Option<Box<TraceContext>>,
}

/// What is left to do once the lock is free.
#[derive(Debug)]
pub(crate) enum Deferred {
    /// Ask this of Kafka's side.
    Request(Request),
    /// Record an event of the core.
    Note(Event),
    /// Record the times of an answer.
    Timed {
        publish: Option<Duration>,
        total: Duration,
    },
    /// Record that a socket does not keep up, and how many answers that costs.
    Overflowed { key: SessionKey, answers: usize },
    /// End a question's span.
    Asked(Span, End),
}

/// What is asked of Kafka's side.
#[derive(Debug)]
pub(crate) enum Request {
    /// Publish a question.
    Publish {
        publish: PublishId,
        question: Question,
        trace: Option<TraceContext>,
    },
    /// Look up what was written of an answer.
    Recover {
        key: SessionKey,
        question_id: QuestionId,
        wire_id: WireId,
        floor: AnswerFloor,
    },
}

/// How a question ended, as its span says it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Answered, or cancelled by who asked.
    Well,
    /// For this reason.
    Failed(&'static str),
}

impl Live {
    pub(crate) fn new(outbox: Arc<Outbox>, trace: Option<TraceContext>) -> Self {
        Self {
            outbox,
            asking: None,
            trace: trace.map(Box::new),
        }
    }

    /// Whether a question of this socket is open.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// The client's own trace.
    pub(crate) fn into_trace(self) -> Option<TraceContext> {
        self.trace.map(|trace| *trace)
    }
}

/// Drains the core's effects: sends and closes go to the outboxes, in order; the rest is returned.
pub(crate) fn drain(
    registry: &mut Registry,
    sockets: &mut Sockets,
    now: Instant,
    mut trace: Option<TraceContext>,
) -> Vec<Deferred> {
    let mut deferred = Vec::new();
    while let Some(effect) = registry.poll_effect() {
        match effect {
            Effect::Publish {
                key,
                publish: id,
                question,
            } => deferred.push(publish(sockets, &key, id, question)),
            Effect::Recover {
                key,
                question_id,
                wire_id,
                floor,
            } => deferred.push(Deferred::Request(Request::Recover {
                key,
                question_id,
                wire_id,
                floor,
            })),
            Effect::Send { key, reply } => {
                deferred.extend(send(sockets, key, reply, now, trace.take()));
            }
            Effect::Tell { key, told } => {
                deferred.extend(tell(sockets, key, told, now, &mut trace));
            }
            Effect::Close {
                key,
                reason,
                resume,
            } => {
                let why = Close::from(reason);
                deferred.extend(push(sockets, key, Outgoing::Close { why, resume }));
            }
            Effect::Note(event) => deferred.push(Deferred::Note(event)),
        }
    }
    deferred
}

/// Records everything but the requests, which are returned to be made.
pub(crate) fn record(events: &Events, deferred: Vec<Deferred>, consume: Duration) -> Vec<Request> {
    let mut requests = Vec::new();
    for item in deferred {
        match item {
            Deferred::Request(request) => requests.push(request),
            Deferred::Note(event) => events.core(&event),
            Deferred::Timed { publish, total } => events.answer_routed(publish, total, consume),
            Deferred::Overflowed { key, answers } => events.outbox_overflowed(&key, answers),
            Deferred::Asked(_span, End::Well) => {}
            Deferred::Asked(span, End::Failed(why)) => spans::fail(&span, why),
        }
    }
    requests
}

fn publish(
    sockets: &mut Sockets,
    key: &SessionKey,
    publish: PublishId,
    question: Question,
) -> Deferred {
    let mut socket = sockets.get_mut(&key.generation);
    let client = socket.as_ref().and_then(|socket| socket.trace.as_deref());
    let parent = client.cloned().map(trace::incoming);
    let span = spans::ask(&key.id, &question.question_id, parent);
    let trace = spans::context_of(&span).map(trace::outgoing);
    if let Some(socket) = &mut socket {
        socket.asking = Some(span);
    }
    Deferred::Request(Request::Publish {
        publish,
        question,
        trace,
    })
}

fn send(
    sockets: &mut Sockets,
    key: SessionKey,
    reply: Reply,
    now: Instant,
    trace: Option<TraceContext>,
) -> Vec<Deferred> {
    let mut deferred = Vec::new();
    if let Reply::Answer { publish, total, .. } = reply {
        deferred.push(Deferred::Timed { publish, total });
    }
    if let Some(end) = end_of(&reply) {
        deferred.extend(asked(sockets, &key, trace.as_ref(), end));
    }
    let item = Outgoing::Reply(Queued {
        what: reply,
        decided_at: now,
        trace,
    });
    deferred.extend(push(sockets, key, item));
    deferred
}

fn tell(
    sockets: &mut Sockets,
    key: SessionKey,
    told: Box<Told>,
    now: Instant,
    trace: &mut Option<TraceContext>,
) -> Vec<Deferred> {
    let mut deferred = Vec::new();
    let mut of_answer = None;
    match &*told {
        Told::Answer(stretch) => {
            of_answer = trace.take();
            if let Some(end) = &stretch.end {
                let (publish, total) = (end.publish, end.total);
                deferred.push(Deferred::Timed { publish, total });
                let answer = of_answer.as_ref();
                deferred.extend(asked(sockets, &key, answer, End::Well));
            }
        }
        Told::Error { code, .. } => {
            if let Some(end) = end_by(*code) {
                deferred.extend(asked(sockets, &key, None, end));
            }
        }
        Told::Hello { .. } | Told::NotResumed | Told::SessionIdInUse | Told::Accepted { .. } => {}
    }
    let item = Outgoing::Told(Queued {
        what: told,
        decided_at: now,
        trace: of_answer,
    });
    deferred.extend(push(sockets, key, item));
    deferred
}

/// The span of the socket's question, which has ended with an answer of trace `answer`, if with one.
fn asked(
    sockets: &mut Sockets,
    key: &SessionKey,
    answer: Option<&TraceContext>,
    end: End,
) -> Option<Deferred> {
    let socket = sockets.get_mut(&key.generation)?;
    let span = socket.asking.take()?;
    if let Some(answer) = answer
        && let Some(question) = spans::context_of(&span)
        && question.trace_id != answer.trace_id
    {
        // The answering side did not carry the context on. The span of the answer's record is the
        // current one: whoever delivers an answer does so inside it.
        spans::link(&Span::current(), question);
    }
    Some(Deferred::Asked(span, end))
}

fn push(sockets: &Sockets, key: SessionKey, item: Outgoing) -> Option<Deferred> {
    match sockets.get(&key.generation)?.outbox.push(item) {
        Pushed::Queued => None,
        Pushed::Overflowed { answers } => Some(Deferred::Overflowed { key, answers }),
    }
}

/// How it ends a question, if it does.
fn end_of(reply: &Reply) -> Option<End> {
    match reply {
        Reply::Answer { .. } => Some(End::Well),
        Reply::AnswerFailed => end_by(ErrorCode::AnswerFailed),
        Reply::PublishFailed => end_by(ErrorCode::PublishFailed),
        Reply::TimedOut => end_by(ErrorCode::Timeout),
        Reply::Busy | Reply::Draining => None,
    }
}

fn end_by(code: ErrorCode) -> Option<End> {
    match code {
        ErrorCode::AnswerFailed => Some(End::Failed("answer_failed")),
        ErrorCode::PublishFailed => Some(End::Failed("publish_failed")),
        ErrorCode::Timeout => Some(End::Failed("timeout")),
        ErrorCode::Cancelled => Some(End::Well),
        ErrorCode::Busy | ErrorCode::AlreadyAnswered | ErrorCode::Draining => None,
    }
}
