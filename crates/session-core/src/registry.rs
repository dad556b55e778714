//! Every session of the process: the state that the inputs' handlers share, and its outputs.
//!
//! The handlers stand one file an input (`on_*.rs`). Nothing here knows sockets, Kafka or clocks.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use types::{QuestionId, SessionId, SessionKey};

use crate::effect::PublishId;
use crate::outstanding_question::{OutstandingQuestion, UnreportedQuestion};
use crate::session::Session;
use crate::session_state::SessionState;
use crate::stripped_suffix_detector::StrippedSuffixDetector;
use crate::{
    CloseReason, CoreSettings, Effect, Input, Ledger, ProtocolVersion, ReplyV1, ResumePoint,
    SessionEvent, SessionTimer,
};

/// All sessions and questions. See the crate's documentation for the contract.
///
/// Its size is bounded by the connections it is told of and by [`CoreSettings::max_departed_sessions`].
#[derive(Debug)]
pub struct SessionRegistry {
    pub(crate) settings: CoreSettings,
    /// Connected sessions, and departed ones that may still be owed an answer.
    pub(crate) sessions: HashMap<SessionId, Session>,
    /// The number of sessions with a socket.
    pub(crate) connected_count: usize,
    /// One entry a waiting session.
    pub(crate) outstanding_questions: HashMap<QuestionId, OutstandingQuestion>,
    /// Ended questions whose delivery report is still to come; at most [`CoreSettings::max_departed_sessions`].
    pub(crate) unreported_questions: HashMap<PublishId, UnreportedQuestion>,
    /// One entry a waiting session, one a departed session; removed with what it belongs to.
    pub(crate) deadlines: BTreeSet<(Instant, SessionTimer, SessionId)>,
    /// Until when every question takes a suffix.
    pub(crate) suffixes_required_until: Option<Instant>,
    pub(crate) stripped_suffix_detector: StrippedSuffixDetector,
    /// `Some` once draining: the idle sessions that were not yet told to close.
    pub(crate) sessions_to_drain: Option<BTreeSet<SessionId>>,
    pub(crate) ledger: Ledger,
    /// Publications so far.
    pub(crate) publish_count: u64,
    effects: VecDeque<Effect>,
}

/// Counts for gauges, for the drain, and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Sessions with a socket.
    pub connected_count: usize,
    /// Of those: with an open question, confirmed by Kafka or not.
    pub waiting: usize,
    /// Departed sessions that may still be owed an answer; at most [`CoreSettings::max_departed_sessions`].
    pub departed: usize,
    /// Ended questions whose delivery report is still to come; at most [`CoreSettings::max_departed_sessions`].
    pub unreported: usize,
    /// The ledger.
    pub ledger: Ledger,
}

impl SessionRegistry {
    /// An empty registry.
    pub fn new(settings: CoreSettings) -> Self {
        Self {
            settings,
            sessions: HashMap::new(),
            connected_count: 0,
            outstanding_questions: HashMap::new(),
            unreported_questions: HashMap::new(),
            deadlines: BTreeSet::new(),
            suffixes_required_until: None,
            stripped_suffix_detector: StrippedSuffixDetector::default(),
            sessions_to_drain: None,
            ledger: Ledger::default(),
            publish_count: 0,
            effects: VecDeque::new(),
        }
    }

    /// Tells what happened at `now`. `now` never goes back. Drain [`Self::poll_effect`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Connected { key } => self.on_connected(now, &key),
            Input::Start { key, start } => self.on_start(now, key, start),
            Input::Disconnected { key } => self.on_disconnected(now, key),
            Input::Ask { key, ask } => self.on_ask(now, key, ask),
            Input::Cancel { key, ask_id: id } => self.on_cancel(now, &key, &id),
            Input::Ack { key, seq } => self.on_ack(&key, seq),
            Input::Published {
                publish_id: publish,
            } => self.on_published(now, publish),
            Input::PublishFailed {
                publish_id: publish,
                persisted,
            } => {
                self.on_publish_failed(now, publish, persisted);
            }
            Input::Answer(answer) => self.on_answer(now, answer),
            Input::Recovered {
                key,
                question_id,
                result: recovery,
            } => self.on_recovered(now, key, question_id, recovery),
            Input::Drain { max_closes: closes } => self.on_drain(closes),
            Input::DrainExpired => self.on_drain_expired(now),
            Input::Tick => self.on_timeout(now),
        }
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the time at which the next [`Input::Tick`] is wanted, and the reason.
    pub fn poll_timeout(&self) -> Option<(Instant, SessionTimer)> {
        self.deadlines.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Tells whether the session of this wire id, plain or suffixed, is connected here.
    pub fn is_connected(&self, wire_id: &str) -> bool {
        self.sessions
            .get(session_id_of(wire_id))
            .is_some_and(|session| session.state.is_connected())
    }

    /// Tells whether the session of this wire id is connected here, or departed with pending answers. When
    /// not, an answer under this wire id that names no outstanding question
    /// ([`Self::is_question_outstanding`]) is foreign and changes nothing. Costs one lookup: meant for
    /// every record of the answers' topic.
    pub fn is_session_known(&self, wire_id: &str) -> bool {
        self.sessions.contains_key(session_id_of(wire_id))
    }

    /// Tells whether a session waits for the answer to this question.
    pub fn is_question_outstanding(&self, question: QuestionId) -> bool {
        self.outstanding_questions.contains_key(&question)
    }

    /// Tells whether the answering side was seen to strip the suffix off wire ids in the last
    /// [`CoreSettings::answer_ttl`]: questions under a suffix get no answers, and it has to be mended.
    pub fn is_suffix_stripped(&self, now: Instant) -> bool {
        self.stripped_suffix_detector.is_detected(now)
    }

    /// Returns the counts of sessions and questions.
    pub fn stats(&self) -> SessionStats {
        SessionStats {
            connected_count: self.connected_count,
            waiting: self.outstanding_questions.len(),
            departed: self.departed_count(),
            unreported: self.unreported_questions.len(),
            ledger: self.ledger,
        }
    }

    /// Returns the number of pending questions of sessions of this version. Visits each.
    pub fn count_outstanding(&self, version: ProtocolVersion) -> u64 {
        let waiting = self.deadlines.iter();
        let waiting = waiting.filter_map(|(_, _, id)| self.outstanding_question(id.as_str()));
        let pending = waiting.filter(|question| question.accepted_after.is_some());
        let pending = pending.filter(|question| question.version() == version);
        pending.map(|_| 1).sum()
    }

    // === what the handlers share: outputs ===

    pub(crate) fn push_effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn effect_count(&self) -> usize {
        self.effects.len()
    }

    pub(crate) fn effects_since(&self, at: usize) -> impl Iterator<Item = &Effect> {
        self.effects.iter().skip(at)
    }

    pub(crate) fn insert_effect(&mut self, at: usize, effect: Effect) {
        self.effects.insert(at, effect);
    }

    /// The name of a publication that is to come.
    pub(crate) fn next_publish_id(&mut self, question: QuestionId) -> PublishId {
        self.publish_count += 1;
        PublishId {
            question,
            number: self.publish_count,
        }
    }

    pub(crate) fn publish_question(
        &mut self,
        key: SessionKey,
        publish: PublishId,
        question: types::QuestionRecord,
    ) {
        self.push_effect(Effect::Publish {
            key,
            publish_id: publish,
            question,
        });
    }

    pub(crate) fn send_v1(&mut self, key: SessionKey, reply: ReplyV1) {
        self.push_effect(Effect::SendV1 { key, reply });
    }

    /// Tells an idle session's socket to close.
    pub(crate) fn close_idle(&mut self, id: &SessionId, reason: CloseReason) {
        let resume = match reason {
            CloseReason::Draining => self.build_resume_point(id),
            CloseReason::Superseded => None,
        };
        self.close_idle_with_resume(id, reason, resume);
    }

    /// Tells an idle session's socket to close, and from where the session can go on.
    pub(crate) fn close_idle_with_resume(
        &mut self,
        id: &SessionId,
        reason: CloseReason,
        resume: Option<ResumePoint>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match session.state {
            SessionState::Idle => {
                session.state = SessionState::Closing;
                let key = SessionKey {
                    id: id.clone(),
                    generation: session.generation,
                };
                let resume = resume.map(Box::new);
                self.push_effect(Effect::Close {
                    key,
                    reason,
                    resume,
                });
            }
            SessionState::Departed { .. } | SessionState::Waiting(_) | SessionState::Closing => {}
        }
    }

    /// Closes a socket that never became its session's connection.
    pub(crate) fn refuse_connection(&mut self, key: SessionKey, reason: CloseReason) {
        let resume = None;
        self.push_effect(Effect::Close {
            key,
            reason,
            resume,
        });
    }

    pub(crate) fn record_event(&mut self, event: SessionEvent) {
        self.push_effect(Effect::RecordEvent(event));
    }

    /// Returns the number of departed sessions that are remembered.
    pub(crate) fn departed_count(&self) -> usize {
        self.sessions.len() - self.connected_count
    }
}

/// The session id at the front of a wire id.
fn session_id_of(wire_id: &str) -> &str {
    wire_id.split_once('~').map_or(wire_id, |(id, _)| id)
}
