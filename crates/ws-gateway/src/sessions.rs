//! The sessions of this process: the core's rules behind one lock, questions out, answers in.
//!
//! Every input takes the lock, asks the core, puts what is for sockets into their outboxes and
//! leaves; publishing, logging and metrics happen after. The lock is held for microseconds and never
//! over an await, so a std mutex serves tokio's tasks and the consumer's thread alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use session_core::{
    Ask, AskIdentity, Event, Input, PublishId, Registry, ResumePoint, Settings, Start, Stats,
    Version,
};
use telemetry::Instruments;
use tokio::sync::Notify;
use types::{
    Answer, AnswerOutcome, Generation, QuestionId, QuestionText, SessionId, SessionKey, Suffix,
    TraceContext, UserName,
};

use crate::answer_history::{AnswerHistory, RecoveryReport, WantedAnswer};
use crate::clock;
use crate::close::Close;
use crate::effects::{self, Deferred, Live, Request, Sockets};
use crate::events::Events;
use crate::outbox::{Outbox, Outgoing};
use crate::panics::PanicSignal;
use crate::question_sink::{PublishFailure, PublishReport, QuestionSink};
use crate::settings::SessionSettings;
use crate::token::Tokens;

/// The WebSocket connections of this process, their session states, and one question at a time each.
///
/// A cheap handle: clones are the same manager. [`Self::deliver`] brings answers in, from any
/// thread; [`Self::serve`] runs one WebSocket; [`Self::run_deadlines`] has to run somewhere.
#[derive(Clone)]
pub struct WebSocketSessionManager(Arc<Shared>);

pub(crate) struct Shared {
    state: Mutex<State>,
    sink: Arc<dyn QuestionSink>,
    history: Arc<dyn AnswerHistory>,
    max_owed: usize,
    pub(crate) answer_timeout: Duration,
    pub(crate) tokens: Tokens,
    pub(crate) settings: SessionSettings,
    pub(crate) events: Events,
    pub(crate) earlier_deadline: Notify,
    pub(crate) panics: PanicSignal,
}

struct State {
    registry: Registry,
    sockets: Sockets,
    newest: Generation,
    /// What the deadline task sleeps for.
    armed: Option<Instant>,
}

/// A socket's half of its session.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) key: SessionKey,
    pub(crate) outbox: Arc<Outbox>,
}

/// A question as a client put it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) identity: AskIdentity,
    pub(crate) text: QuestionText,
    pub(crate) user_name: Option<UserName>,
}

impl WebSocketSessionManager {
    /// A manager without sessions. Questions go to `sink`; what was written while a session was away
    /// is asked of `history`.
    pub fn new(
        core: Settings,
        settings: SessionSettings,
        sink: Arc<dyn QuestionSink>,
        history: Arc<dyn AnswerHistory>,
        instruments: Arc<Instruments>,
    ) -> Self {
        let (max_owed, answer_timeout) = (core.max_owed, core.answer_timeout);
        let tokens = Tokens {
            keys: settings.token_keys.clone(),
            lifetime: answer_timeout + settings.resume_window,
            longest_wait: Tokens::longest_wait(&core),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                registry: Registry::new(core),
                sockets: HashMap::new(),
                newest: Generation(0),
                armed: None,
            }),
            sink,
            history,
            max_owed,
            answer_timeout,
            tokens,
            settings,
            events: Events::new(instruments),
            earlier_deadline: Notify::new(),
            panics: PanicSignal::default(),
        }))
    }

    /// Takes an answer, of whatever session: the core decides whose it is. `trace` is the context of
    /// the span that read it. Never blocks on I/O; callable from any thread.
    pub fn deliver(&self, answer: Answer, trace: Option<TraceContext>) {
        let begun = clock::now();
        let Some(mut state) = self.lock() else { return };
        let deferred = self.handle(&mut state, Input::Answer(answer), trace);
        drop(state);
        self.finish(deferred, clock::now() - begun);
    }

    /// Counts an answer that concerns nobody here, as [`Self::is_here`] and [`Self::awaits`] have said.
    /// Takes no lock.
    pub fn count_foreign(&self) {
        let outcome = AnswerOutcome::Foreign;
        self.0.events.core(&Event::AnswerDecided { outcome });
    }

    /// Whether the session of a wire id is here: connected, or gone and possibly still owed an
    /// answer. An answer for any other session would only be counted as foreign. Takes the lock for
    /// one look-up. True after a panic, when nobody knows any more.
    pub fn is_here(&self, wire_id: &str) -> bool {
        self.lock()
            .is_none_or(|state| state.registry.knows(wire_id))
    }

    /// Whether a session waits for the answer to this question. True after a panic.
    pub fn awaits(&self, question: QuestionId) -> bool {
        self.lock()
            .is_none_or(|state| state.registry.awaits(question))
    }

    /// Tells whether the answering side was lately seen to strip the suffix of wire ids, so that questions under one
    /// get no answer.
    pub fn is_suffix_stripped(&self) -> bool {
        self.lock()
            .is_some_and(|state| state.registry.is_suffix_stripped(clock::now()))
    }

    /// How much there is of what.
    pub fn stats(&self) -> Stats {
        self.lock()
            .map(|state| state.registry.stats())
            .unwrap_or_default()
    }

    /// Sets the gauges of sessions and of the ledger to [`Self::stats`]. Done before each scrape.
    pub fn record_stats(&self) {
        let Some(state) = self.lock() else { return };
        let stats = state.registry.stats();
        let of_v2 = state.registry.pending_of(Version::V2);
        drop(state);
        self.0.events.stats(&stats, of_v2, self.0.max_owed);
    }

    /// Ends every session of this process with 4503; how many there were. Their clients are asked not
    /// to come back.
    pub fn force_out(&self) -> usize {
        let Some(state) = self.lock() else { return 0 };
        for live in state.sockets.values() {
            // One that overflows with it ends for that.
            live.outbox.push(Outgoing::Close {
                why: Close::ForcedOut,
                resume: None,
            });
        }
        let sessions = state.sockets.len();
        drop(state);
        self.0.events.forced_out(sessions);
        sessions
    }

    /// Resolves when a task of this crate has panicked. The process is to stop then, not ready first.
    pub async fn failed(&self) {
        self.0.panics.raised().await;
    }

    // === the socket's side ===

    /// Registers a socket of version 1; it replaces an older one of the same session. Its questions
    /// belong to `trace`. `None` after a panic.
    pub(crate) fn connect(&self, id: SessionId, trace: Option<TraceContext>) -> Option<Connection> {
        self.enter(id, trace, |key| Input::Connected { key })
    }

    /// The same for a socket of version 2, which begins like this.
    pub(crate) fn start(
        &self,
        id: SessionId,
        start: Start,
        trace: Option<TraceContext>,
    ) -> Option<Connection> {
        self.enter(id, trace, |key| Input::Start { key, start })
    }

    fn enter(
        &self,
        id: SessionId,
        trace: Option<TraceContext>,
        input: impl FnOnce(SessionKey) -> Input,
    ) -> Option<Connection> {
        let mut state = self.lock()?;
        state.newest = Generation(state.newest.0 + 1);
        let key = SessionKey {
            id,
            generation: state.newest,
        };
        let outbox = Arc::new(Outbox::new(self.0.settings.outbound_bytes));
        let live = Live::new(Arc::clone(&outbox), trace);
        state.sockets.insert(key.generation, live);
        let deferred = self.handle(&mut state, input(key.clone()), None);
        drop(state);
        self.finish(deferred, Duration::ZERO);
        Some(Connection { key, outbox })
    }

    /// A socket is gone. Returns the trace it belonged to.
    pub(crate) fn disconnect(&self, key: &SessionKey) -> Option<TraceContext> {
        let mut state = self.lock()?;
        let deferred = self.handle(&mut state, Input::Disconnected { key: key.clone() }, None);
        let live = state.sockets.remove(&key.generation);
        drop(state);
        self.finish(deferred, Duration::ZERO);
        live?.into_trace()
    }

    /// A client asks.
    pub(crate) fn ask(&self, key: &SessionKey, asked: Asked) {
        let (suffix, asked_at) = (Suffix::from_random(rand::random()), SystemTime::now());
        let key = key.clone();
        self.input_under_lock(|| {
            let ask = Ask {
                identity: asked.identity,
                text: asked.text,
                user_name: asked.user_name,
                suffix,
                // Either the answer to the question before has been taken, and lies below it, or that
                // question is still open and this one is refused.
                floor: self.0.sink.floor(),
                asked_at,
            };
            Input::Ask { key, ask }
        });
    }

    /// From where this connection's session can go on, if it has it still.
    pub(crate) fn resume_point(&self, key: &SessionKey) -> Option<ResumePoint> {
        self.lock()?.registry.resume_point(key)
    }

    /// Whether a question of this socket is open.
    pub(crate) fn is_asking(&self, key: &SessionKey) -> bool {
        self.lock().is_some_and(|state| {
            let live = state.sockets.get(&key.generation);
            live.is_some_and(Live::is_asking)
        })
    }

    // === what happens to all of them ===

    /// Tells the core something that carries no trace.
    pub(crate) fn input(&self, input: Input) {
        self.input_under_lock(|| input);
    }

    /// The same of an input that depends on what happens under the lock.
    fn input_under_lock(&self, make: impl FnOnce() -> Input) {
        let Some(mut state) = self.lock() else { return };
        let deferred = self.handle(&mut state, make(), None);
        drop(state);
        self.finish(deferred, Duration::ZERO);
    }

    /// What the deadline task is to sleep for.
    pub(crate) fn arm(&self) -> Option<Instant> {
        let mut state = self.lock()?;
        state.armed = state.registry.poll_timeout().map(|(at, _)| at);
        state.armed
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// `None` when a panic left the state half-changed: nothing is served from it any more.
    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.0.state.lock() {
            Ok(state) => Some(state),
            Err(_) => {
                self.0.events.state_lost();
                self.0.panics.raise();
                None
            }
        }
    }

    fn handle(
        &self,
        state: &mut State,
        input: Input,
        trace: Option<TraceContext>,
    ) -> Vec<Deferred> {
        // Read under the lock, so that the core's time never goes back.
        let now = clock::now();
        state.registry.handle(now, input);
        let deferred = effects::drain(&mut state.registry, &mut state.sockets, now, trace);
        let next = state.registry.poll_timeout().map(|(at, _)| at);
        if let Some(next) = next
            && state.armed.is_none_or(|armed| next < armed)
        {
            state.armed = Some(next);
            self.0.earlier_deadline.notify_one();
        }
        deferred
    }

    fn finish(&self, deferred: Vec<Deferred>, consume: Duration) {
        for request in effects::record(&self.0.events, deferred, consume) {
            self.request(request);
        }
    }

    fn request(&self, request: Request) {
        let manager = self.clone();
        match request {
            Request::Publish {
                publish,
                question,
                trace,
            } => {
                let report = PublishReport::new(move |outcome| {
                    manager.input(report_of(publish, outcome));
                });
                self.0.sink.publish(question, trace, report);
            }
            Request::Recover {
                key,
                question_id,
                wire_id,
                floor,
            } => {
                let report = RecoveryReport::new(move |recovery| {
                    manager.input(Input::Recovered {
                        key,
                        question_id,
                        recovery,
                    });
                });
                let wanted = WantedAnswer {
                    question_id,
                    wire_id,
                    floor,
                };
                self.0.history.recover(wanted, report);
            }
        }
    }
}

fn report_of(publish: PublishId, outcome: Result<(), PublishFailure>) -> Input {
    match outcome {
        Ok(()) => Input::Published { publish },
        Err(PublishFailure { persisted }) => Input::PublishFailed { publish, persisted },
    }
}

impl std::fmt::Debug for WebSocketSessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketSessionManager")
            .finish_non_exhaustive()
    }
}
