//! The sessions of this process: the core's rules behind one lock, questions out, answers in.
//!
//! Every input takes the lock, asks the core, puts what is for sockets into their outboxes and
//! leaves; publishing, logging and metrics happen after. The lock is held for microseconds and never
//! over an await, so a std mutex serves tokio's tasks and the consumer's thread alike.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use session_core::{
    AskIdentity, AskRequest, CoreSettings, Input, ProtocolVersion, PublishId, ResumePoint,
    SessionEvent, SessionRegistry, SessionStart, SessionStats,
};
use telemetry::Instruments;
use tokio::sync::Notify;
use types::{
    Answer, AnswerLookup, AnswerOutcome, Generation, PublishFailure, PublishReport, QuestionId,
    QuestionText, SessionId, SessionKey, TraceContext, UserName, WireIdSuffix,
};

use crate::answer_history::{AnswerHistory, RecoveryResponder};
use crate::clock;
use crate::close_code::CloseCode;
use crate::core_effects::{self, ConnectedSocket, DeferredAction, DeferredRequest, SocketTable};
use crate::events::WebSocketEvents;
use crate::outbox::{Outbox, OutboxItem};
use crate::panic_signal::PanicSignal;
use crate::question_sink::QuestionSink;
use crate::resume_token::ResumeTokenCodec;
use crate::settings::SessionSettings;

/// The WebSocket connections of this process, their session states, and one question at a time each.
///
/// A cheap handle: clones are the same manager. [`Self::deliver`] brings answers in, from any
/// thread; [`Self::serve`] runs one WebSocket; [`Self::run_deadlines`] has to run somewhere.
#[derive(Clone)]
pub struct WebSocketSessionManager(Arc<ManagerShared>);

pub(crate) struct ManagerShared {
    state: Mutex<ManagerState>,
    question_sink: Arc<dyn QuestionSink>,
    answer_history: Arc<dyn AnswerHistory>,
    max_departed_sessions: usize,
    pub(crate) answer_timeout: Duration,
    pub(crate) resume_tokens: ResumeTokenCodec,
    pub(crate) settings: SessionSettings,
    pub(crate) events: WebSocketEvents,
    pub(crate) earlier_deadline: Notify,
    pub(crate) panics: PanicSignal,
}

struct ManagerState {
    registry: SessionRegistry,
    sockets: SocketTable,
    newest_generation: Generation,
    /// The deadline that the deadline task sleeps until.
    armed_deadline: Option<Instant>,
}

/// A socket's half of its session.
#[derive(Debug)]
pub(crate) struct SessionConnection {
    pub(crate) key: SessionKey,
    pub(crate) outbox: Arc<Outbox>,
}

/// A question as a client put it.
#[derive(Debug)]
pub(crate) struct ClientQuestion {
    pub(crate) identity: AskIdentity,
    pub(crate) text: QuestionText,
    pub(crate) user_name: Option<UserName>,
}

impl WebSocketSessionManager {
    /// A manager without sessions. Questions go to `sink`; what was written while a session was away
    /// is asked of `history`.
    pub fn new(
        core: CoreSettings,
        settings: SessionSettings,
        sink: Arc<dyn QuestionSink>,
        history: Arc<dyn AnswerHistory>,
        instruments: Arc<Instruments>,
    ) -> Self {
        let (max_owed, answer_timeout) = (core.max_departed_sessions, core.answer_timeout);
        let tokens = ResumeTokenCodec {
            keys: settings.token_keys.clone(),
            lifetime: answer_timeout + settings.resume_window,
            longest_wait: ResumeTokenCodec::longest_wait(&core),
        };
        Self(Arc::new(ManagerShared {
            state: Mutex::new(ManagerState {
                registry: SessionRegistry::new(core),
                sockets: HashMap::new(),
                newest_generation: Generation(0),
                armed_deadline: None,
            }),
            question_sink: sink,
            answer_history: history,
            max_departed_sessions: max_owed,
            answer_timeout,
            resume_tokens: tokens,
            settings,
            events: WebSocketEvents::new(instruments),
            earlier_deadline: Notify::new(),
            panics: PanicSignal::default(),
        }))
    }

    /// Takes an answer, of whatever session: the core decides whose it is. `trace` is the context of
    /// the span that read it. Never blocks on I/O; callable from any thread.
    pub fn deliver(&self, answer: Answer, trace: Option<TraceContext>) {
        let begun = clock::now();
        let Some(mut state) = self.lock_state() else {
            return;
        };
        let deferred = self.handle_input(&mut state, Input::Answer(answer), trace);
        drop(state);
        self.run_deferred(deferred, clock::now() - begun);
    }

    /// Counts an answer for no session or question of this process. Takes no lock.
    pub fn count_foreign_answer(&self) {
        let outcome = AnswerOutcome::Foreign;
        let event = SessionEvent::AnswerDecided { outcome };
        self.0.events.record_session_event(&event);
    }

    /// Tells whether the session of a wire id is connected, or departed with pending answers. An answer for any
    /// other session would only be counted as foreign. True after a panic, when nobody knows any more.
    pub fn is_session_known(&self, wire_id: &str) -> bool {
        self.lock_state()
            .is_none_or(|state| state.registry.is_session_known(wire_id))
    }

    /// Tells whether a session waits for the answer to this question. True after a panic.
    pub fn is_question_outstanding(&self, question: QuestionId) -> bool {
        self.lock_state()
            .is_none_or(|state| state.registry.is_question_outstanding(question))
    }

    /// Tells whether the answering side was lately seen to strip suffixes, so that suffixed questions get no answer.
    pub fn is_suffix_stripped(&self) -> bool {
        self.lock_state()
            .is_some_and(|state| state.registry.is_suffix_stripped(clock::now()))
    }

    /// Returns the counts of sessions and questions.
    pub fn stats(&self) -> SessionStats {
        self.lock_state()
            .map(|state| state.registry.stats())
            .unwrap_or_default()
    }

    /// Sets the gauges of sessions and of the ledger to [`Self::stats`]. Done before each scrape.
    pub fn record_stats(&self) {
        let Some(state) = self.lock_state() else {
            return;
        };
        let stats = state.registry.stats();
        let of_v2 = state.registry.count_outstanding(ProtocolVersion::V2);
        drop(state);
        self.0
            .events
            .set_session_gauges(&stats, of_v2, self.0.max_departed_sessions);
    }

    /// Ends every session of this process with 4503; how many there were. Their clients are asked not
    /// to come back.
    pub fn end_all_sessions(&self) -> usize {
        let Some(state) = self.lock_state() else {
            return 0;
        };
        for live in state.sockets.values() {
            // One that overflows with it ends for that.
            live.outbox.push(OutboxItem::Close {
                code: CloseCode::EndedByOperator,
                resume: None,
            });
        }
        let sessions = state.sockets.len();
        drop(state);
        self.0.events.sessions_ended_by_operator(sessions);
        sessions
    }

    /// Resolves when a task of this crate has panicked. The process is to stop then, not ready first.
    pub async fn wait_for_panic(&self) {
        self.0.panics.wait_until_raised().await;
    }

    // === the socket's side ===

    /// Registers a socket of version 1; it replaces an older one of the same session. Its questions
    /// belong to `trace`. `None` after a panic.
    pub(crate) fn connect_v1(
        &self,
        id: SessionId,
        trace: Option<TraceContext>,
    ) -> Option<SessionConnection> {
        self.register_connection(id, trace, |key| Input::Connected { key })
    }

    /// The same for a socket of version 2, which begins like this.
    pub(crate) fn connect_v2(
        &self,
        id: SessionId,
        start: SessionStart,
        trace: Option<TraceContext>,
    ) -> Option<SessionConnection> {
        self.register_connection(id, trace, |key| Input::Start { key, start })
    }

    fn register_connection(
        &self,
        id: SessionId,
        trace: Option<TraceContext>,
        input: impl FnOnce(SessionKey) -> Input,
    ) -> Option<SessionConnection> {
        let mut state = self.lock_state()?;
        state.newest_generation = Generation(state.newest_generation.0 + 1);
        let key = SessionKey {
            id,
            generation: state.newest_generation,
        };
        let outbox = Arc::new(Outbox::new(self.0.settings.outbound_bytes));
        let live = ConnectedSocket::new(Arc::clone(&outbox), trace);
        state.sockets.insert(key.generation, live);
        let deferred = self.handle_input(&mut state, input(key.clone()), None);
        drop(state);
        self.run_deferred(deferred, Duration::ZERO);
        Some(SessionConnection { key, outbox })
    }

    /// A socket is gone. Returns the trace it belonged to.
    pub(crate) fn disconnect(&self, key: &SessionKey) -> Option<TraceContext> {
        let mut state = self.lock_state()?;
        let deferred =
            self.handle_input(&mut state, Input::Disconnected { key: key.clone() }, None);
        let live = state.sockets.remove(&key.generation);
        drop(state);
        self.run_deferred(deferred, Duration::ZERO);
        live?.into_trace()
    }

    /// A client asks.
    pub(crate) fn submit_ask(&self, key: &SessionKey, asked: ClientQuestion) {
        let (suffix, asked_at) = (WireIdSuffix::from_random(rand::random()), SystemTime::now());
        let key = key.clone();
        self.submit_input_under_lock(|| {
            let ask = AskRequest {
                identity: asked.identity,
                text: asked.text,
                user_name: asked.user_name,
                suffix,
                // Either the answer to the question before has been taken, and lies below it, or that
                // question is still open and this one is refused.
                min_offsets: self.0.question_sink.min_offsets(),
                asked_at,
            };
            Input::Ask { key, ask }
        });
    }

    /// From where this connection's session can go on, if it has it still.
    pub(crate) fn resume_point(&self, key: &SessionKey) -> Option<ResumePoint> {
        self.lock_state()?.registry.resume_point(key)
    }

    /// Tells whether a question of this socket is open.
    pub(crate) fn has_outstanding_question(&self, key: &SessionKey) -> bool {
        self.lock_state().is_some_and(|state| {
            let live = state.sockets.get(&key.generation);
            live.is_some_and(ConnectedSocket::has_outstanding_question)
        })
    }

    // === what happens to all of them ===

    /// Tells the core something that carries no trace.
    pub(crate) fn submit_input(&self, input: Input) {
        self.submit_input_under_lock(|| input);
    }

    /// The same of an input that depends on what happens under the lock.
    fn submit_input_under_lock(&self, make: impl FnOnce() -> Input) {
        let Some(mut state) = self.lock_state() else {
            return;
        };
        let deferred = self.handle_input(&mut state, make(), None);
        drop(state);
        self.run_deferred(deferred, Duration::ZERO);
    }

    /// Returns the deadline that the deadline task is to sleep until.
    pub(crate) fn arm_deadline(&self) -> Option<Instant> {
        let mut state = self.lock_state()?;
        state.armed_deadline = state.registry.poll_timeout().map(|(at, _)| at);
        state.armed_deadline
    }

    pub(crate) fn shared(&self) -> &ManagerShared {
        &self.0
    }

    /// `None` when a panic left the state half-changed: nothing is served from it any more.
    fn lock_state(&self) -> Option<MutexGuard<'_, ManagerState>> {
        match self.0.state.lock() {
            Ok(state) => Some(state),
            Err(_) => {
                self.0.events.state_lost();
                self.0.panics.raise();
                None
            }
        }
    }

    fn handle_input(
        &self,
        state: &mut ManagerState,
        input: Input,
        trace: Option<TraceContext>,
    ) -> Vec<DeferredAction> {
        // Read under the lock, so that the core's time never goes back.
        let now = clock::now();
        state.registry.handle(now, input);
        let deferred =
            core_effects::apply_effects(&mut state.registry, &mut state.sockets, now, trace);
        let next = state.registry.poll_timeout().map(|(at, _)| at);
        if let Some(next) = next
            && state.armed_deadline.is_none_or(|armed| next < armed)
        {
            state.armed_deadline = Some(next);
            self.0.earlier_deadline.notify_one();
        }
        deferred
    }

    fn run_deferred(&self, deferred: Vec<DeferredAction>, consume: Duration) {
        for request in core_effects::record_deferred(&self.0.events, deferred, consume) {
            self.send_request(request);
        }
    }

    fn send_request(&self, request: DeferredRequest) {
        let manager = self.clone();
        match request {
            DeferredRequest::Publish {
                publish_id: publish,
                question,
                trace,
            } => {
                let report = PublishReport::new(move |outcome| {
                    manager.submit_input(publish_result_input(publish, outcome));
                });
                self.0.question_sink.publish(question, trace, report);
            }
            DeferredRequest::Recover {
                key,
                question_id,
                wire_id,
                min_offsets: floor,
            } => {
                let report = RecoveryResponder::new(move |recovery| {
                    manager.submit_input(Input::Recovered {
                        key,
                        question_id,
                        result: recovery,
                    });
                });
                let wanted = AnswerLookup {
                    question_id,
                    wire_id,
                    min_offsets: floor,
                };
                self.0.answer_history.begin_recovery(wanted, report);
            }
        }
    }
}

fn publish_result_input(publish: PublishId, outcome: Result<(), PublishFailure>) -> Input {
    match outcome {
        Ok(()) => Input::Published {
            publish_id: publish,
        },
        Err(PublishFailure { persisted }) => Input::PublishFailed {
            publish_id: publish,
            persisted,
        },
    }
}

impl std::fmt::Debug for WebSocketSessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketSessionManager")
            .finish_non_exhaustive()
    }
}
