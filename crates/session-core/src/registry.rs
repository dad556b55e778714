//! Every session of the process: the state that the inputs' handlers share, and its outputs.
//!
//! The handlers stand one file an input (`on_*.rs`). Nothing here knows sockets, Kafka or clocks.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use types::{QuestionId, SessionId, SessionKey};

use crate::effect::PublishId;
use crate::question::{Pending, Unreported};
use crate::session::Session;
use crate::state::State;
use crate::stripped_suffix::StrippedSuffixDetector;
use crate::{
    CloseReason, Effect, Event, Input, Ledger, Reply, ResumePoint, Settings, Timer, Version,
};

/// All sessions and questions. See the crate's documentation for the contract.
///
/// Its size is bounded by the connections it is told of and by [`Settings::max_owed`].
#[derive(Debug)]
pub struct Registry {
    pub(crate) settings: Settings,
    /// Connected sessions, and departed ones that may still be owed an answer.
    pub(crate) sessions: HashMap<SessionId, Session>,
    /// How many of them have a socket.
    pub(crate) connected: usize,
    /// One entry a waiting session.
    pub(crate) pending: HashMap<QuestionId, Pending>,
    /// Ended questions whose delivery report is still to come; at most [`Settings::max_owed`].
    pub(crate) unreported: HashMap<PublishId, Unreported>,
    /// One entry a waiting session, one a departed session; removed with what it belongs to.
    pub(crate) deadlines: BTreeSet<(Instant, Timer, SessionId)>,
    /// Until when every question takes a suffix.
    pub(crate) suffix_all_until: Option<Instant>,
    pub(crate) stripped_suffix: StrippedSuffixDetector,
    /// `Some` once draining: the idle sessions that were not yet told to close.
    pub(crate) draining: Option<BTreeSet<SessionId>>,
    pub(crate) ledger: Ledger,
    /// Publications so far.
    pub(crate) publishes: u64,
    effects: VecDeque<Effect>,
}

/// How much there is of what, for gauges, for the drain, and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions with a socket.
    pub connected: usize,
    /// Of those: with an open question, confirmed by Kafka or not.
    pub waiting: usize,
    /// Departed sessions that may still be owed an answer; at most [`Settings::max_owed`].
    pub owed: usize,
    /// Ended questions whose delivery report is still to come; at most [`Settings::max_owed`].
    pub unreported: usize,
    /// The ledger.
    pub ledger: Ledger,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sessions: HashMap::new(),
            connected: 0,
            pending: HashMap::new(),
            unreported: HashMap::new(),
            deadlines: BTreeSet::new(),
            suffix_all_until: None,
            stripped_suffix: StrippedSuffixDetector::default(),
            draining: None,
            ledger: Ledger::default(),
            publishes: 0,
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
            Input::Cancel { key, id } => self.on_cancel(now, &key, &id),
            Input::Ack { key, seq } => self.on_ack(&key, seq),
            Input::Published { publish } => self.on_published(now, publish),
            Input::PublishFailed { publish, persisted } => {
                self.on_publish_failed(now, publish, persisted);
            }
            Input::Answer(answer) => self.on_answer(now, answer),
            Input::Recovered {
                key,
                question_id,
                recovery,
            } => self.on_recovered(now, key, question_id, recovery),
            Input::Drain { closes } => self.on_drain(closes),
            Input::DrainExpired => self.on_drain_expired(now),
            Input::Tick => self.on_timeout(now),
        }
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When the next [`Input::Tick`] is wanted, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.deadlines.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Whether the session of this wire id, plain or suffixed, is connected here.
    pub fn is_here(&self, wire_id: &str) -> bool {
        self.sessions
            .get(front(wire_id))
            .is_some_and(|session| session.state.is_here())
    }

    /// Whether the session of this wire id is connected here, or departed and possibly owed an
    /// answer. When not, an answer under this wire id that names no awaited question
    /// ([`Self::awaits`]) is foreign and changes nothing. Costs one look-up: meant for the key of a
    /// record that is not decoded yet.
    pub fn knows(&self, wire_id: &str) -> bool {
        self.sessions.contains_key(front(wire_id))
    }

    /// Whether a session waits for the answer to this question.
    pub fn awaits(&self, question: QuestionId) -> bool {
        self.pending.contains_key(&question)
    }

    /// Tells whether the answering side was seen to strip the suffix off wire ids in the last
    /// [`Settings::answer_ttl`]: questions under a suffix get no answers, and it has to be mended.
    pub fn is_suffix_stripped(&self, now: Instant) -> bool {
        self.stripped_suffix.is_detected(now)
    }

    /// How much there is of what.
    pub fn stats(&self) -> Stats {
        Stats {
            connected: self.connected,
            waiting: self.pending.len(),
            owed: self.departed(),
            unreported: self.unreported.len(),
            ledger: self.ledger,
        }
    }

    /// How many questions of sessions of this version are pending in the ledger. Looks at each.
    pub fn pending_of(&self, version: Version) -> u64 {
        let waiting = self.deadlines.iter();
        let waiting = waiting.filter_map(|(_, _, id)| self.waited_for(id.as_str()));
        let pending = waiting.filter(|question| question.accepted.is_some());
        let pending = pending.filter(|question| question.version() == version);
        pending.map(|_| 1).sum()
    }

    // === what the handlers share: outputs ===

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn effects_len(&self) -> usize {
        self.effects.len()
    }

    pub(crate) fn effects_since(&self, at: usize) -> impl Iterator<Item = &Effect> {
        self.effects.iter().skip(at)
    }

    pub(crate) fn insert_effect(&mut self, at: usize, effect: Effect) {
        self.effects.insert(at, effect);
    }

    /// The name of a publication that is to come.
    pub(crate) fn next_publish(&mut self, question: QuestionId) -> PublishId {
        self.publishes += 1;
        PublishId {
            question,
            number: self.publishes,
        }
    }

    pub(crate) fn publish(
        &mut self,
        key: SessionKey,
        publish: PublishId,
        question: types::Question,
    ) {
        self.effect(Effect::Publish {
            key,
            publish,
            question,
        });
    }

    pub(crate) fn send(&mut self, key: SessionKey, reply: Reply) {
        self.effect(Effect::Send { key, reply });
    }

    /// Tells an idle session's socket to close.
    pub(crate) fn close(&mut self, id: &SessionId, reason: CloseReason) {
        let resume = match reason {
            CloseReason::Draining => self.point_of(id),
            CloseReason::Superseded => None,
        };
        self.close_with(id, reason, resume);
    }

    /// Tells an idle session's socket to close, and from where the session can go on.
    pub(crate) fn close_with(
        &mut self,
        id: &SessionId,
        reason: CloseReason,
        resume: Option<ResumePoint>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match session.state {
            State::Idle => {
                session.state = State::Closing;
                let key = SessionKey {
                    id: id.clone(),
                    generation: session.generation,
                };
                let resume = resume.map(Box::new);
                self.effect(Effect::Close {
                    key,
                    reason,
                    resume,
                });
            }
            State::Departed { .. } | State::Waiting(_) | State::Closing => {}
        }
    }

    /// Closes a socket that never became its session's connection.
    pub(crate) fn refuse(&mut self, key: SessionKey, reason: CloseReason) {
        let resume = None;
        self.effect(Effect::Close {
            key,
            reason,
            resume,
        });
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.effect(Effect::Note(event));
    }

    /// How many departed sessions are remembered.
    pub(crate) fn departed(&self) -> usize {
        self.sessions.len() - self.connected
    }
}

/// The session id at the front of a wire id.
fn front(wire_id: &str) -> &str {
    wire_id.split_once('~').map_or(wire_id, |(id, _)| id)
}
