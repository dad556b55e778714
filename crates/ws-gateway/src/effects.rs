//! Carries out what the core decided. Under the manager's lock only data moves; whatever may take
//! time or call back (publish, log, metrics, spans) is handed back for after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Effect, Event, PublishId, Registry, Reply};
use telemetry::spans;
use tracing::Span;
use types::{Generation, Question, SessionKey, TraceContext};

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
    /// Publish a question.
    Publish {
        publish: PublishId,
        question: Question,
        trace: Option<TraceContext>,
    },
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
    Asked(Span),
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
            Effect::Send { key, reply } => {
                deferred.extend(send(sockets, key, reply, now, trace.take()));
            }
            Effect::Close { key, reason, .. } => {
                let item = Outgoing::Close(Close::from(reason));
                deferred.extend(push(sockets, key, item));
            }
            Effect::Note(event) => deferred.push(Deferred::Note(event)),
            // The edge opens sessions of version 1 only.
            Effect::Recover { .. } | Effect::Tell { .. } => {}
        }
    }
    deferred
}

/// Records everything but the questions, which are returned to be published.
pub(crate) fn record(
    events: &Events,
    deferred: Vec<Deferred>,
    consume: Duration,
) -> Vec<(PublishId, Question, Option<TraceContext>)> {
    let mut questions = Vec::new();
    for item in deferred {
        match item {
            Deferred::Publish {
                publish,
                question,
                trace,
            } => questions.push((publish, question, trace)),
            Deferred::Note(event) => events.core(&event),
            Deferred::Timed { publish, total } => events.answer_routed(publish, total, consume),
            Deferred::Overflowed { key, answers } => events.outbox_overflowed(&key, answers),
            Deferred::Asked(span) => drop(span),
        }
    }
    questions
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
    Deferred::Publish {
        publish,
        question,
        trace,
    }
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
    if ends_a_question(&reply)
        && let Some(socket) = sockets.get_mut(&key.generation)
    {
        deferred.extend(socket.asking.take().map(Deferred::Asked));
    }
    let item = Outgoing::Reply(Queued {
        reply,
        decided_at: now,
        trace,
    });
    deferred.extend(push(sockets, key, item));
    deferred
}

fn push(sockets: &Sockets, key: SessionKey, item: Outgoing) -> Option<Deferred> {
    match sockets.get(&key.generation)?.outbox.push(item) {
        Pushed::Queued => None,
        Pushed::Overflowed { answers } => Some(Deferred::Overflowed { key, answers }),
    }
}

fn ends_a_question(reply: &Reply) -> bool {
    match reply {
        Reply::Answer { .. } | Reply::AnswerFailed | Reply::PublishFailed | Reply::TimedOut => true,
        Reply::Busy | Reply::Draining => false,
    }
}
