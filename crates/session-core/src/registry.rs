//! Every session of the process: the state that the inputs' handlers share, and its outputs.
//!
//! The handlers stand one file an input (`on_*.rs`). Nothing here knows sockets, Kafka or clocks.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use types::{AnswerOutcome, QuestionId, QuestionOutcome, SessionId, SessionKey};

use crate::session::{OpenQuestion, Session};
use crate::{CloseReason, Effect, Event, Input, Ledger, Reply, Settings, Timer};

/// All sessions and questions. See the crate's documentation for the contract.
#[derive(Debug)]
pub struct Registry {
    pub(crate) settings: Settings,
    /// Connected sessions, and departed ones that may still be owed an answer.
    pub(crate) sessions: HashMap<SessionId, Session>,
    /// Open questions, and ended ones whose delivery report is still to come.
    pub(crate) questions: HashMap<QuestionId, Tracked>,
    /// One entry an open question, one a departed session; removed with what it belongs to.
    pub(crate) deadlines: BTreeSet<(Instant, Timer, SessionId)>,
    /// Until when every question takes a suffix: the answering side answered twice, or a debt could
    /// not be remembered.
    pub(crate) suffix_all_until: Option<Instant>,
    /// `Some` once draining: the sessions to look at, in order.
    pub(crate) drain: Option<VecDeque<SessionId>>,
    pub(crate) connected: usize,
    pub(crate) open: usize,
    pub(crate) departed: usize,
    pub(crate) ledger: Ledger,
    effects: VecDeque<Effect>,
}

/// A question as the accounts know it.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) key: SessionKey,
    pub(crate) asked: Instant,
    pub(crate) stage: Stage,
}

/// Where a question stands in the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its session waits; Kafka has not confirmed it.
    Unconfirmed,
    /// Its session waits; it is in Kafka.
    Accepted,
    /// Nobody waits any more; it counts under this outcome if Kafka confirms it after all.
    Ended(QuestionOutcome),
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
    /// The ledger.
    pub ledger: Ledger,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sessions: HashMap::new(),
            questions: HashMap::new(),
            deadlines: BTreeSet::new(),
            suffix_all_until: None,
            drain: None,
            connected: 0,
            open: 0,
            departed: 0,
            ledger: Ledger::default(),
            effects: VecDeque::new(),
        }
    }

    /// Tells what happened at `now`. `now` never goes back. Drain [`Self::poll_effect`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Connected { key } => self.on_connected(now, key),
            Input::Disconnected { key } => self.on_disconnected(now, &key),
            Input::Ask { key, ask } => self.on_ask(now, key, ask),
            Input::Published { question_id } => self.on_published(now, question_id),
            Input::PublishFailed {
                question_id,
                persisted,
            } => {
                self.on_publish_failed(now, question_id, persisted);
            }
            Input::Answer(answer) => self.on_answer(now, answer),
            Input::Drain { closes } => self.on_drain(closes),
            Input::DrainExpired => self.on_drain_expired(now),
            Input::Tick => self.on_tick(now),
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

    /// Whether the session at the front of a wire id is connected here.
    pub fn is_here(&self, session: &str) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|session| session.connection.is_some())
    }

    /// How much there is of what.
    pub fn stats(&self) -> Stats {
        Stats {
            connected: self.connected,
            waiting: self.open,
            owed: self.departed,
            ledger: self.ledger,
        }
    }

    // === what the handlers share ===

    /// Takes the open question away from its session, and its deadline with it.
    pub(crate) fn take_question(&mut self, id: &SessionId) -> Option<Box<OpenQuestion>> {
        let question = self
            .sessions
            .get_mut(id)?
            .connection
            .as_mut()?
            .question
            .take()?;
        self.deadlines
            .remove(&(question.deadline, Timer::AnswerDeadline, id.clone()));
        self.open -= 1;
        Some(question)
    }

    /// Ends a question whose answer may still come: its session is owed it for the time to live.
    pub(crate) fn abandon(
        &mut self,
        now: Instant,
        id: &SessionId,
        question: &OpenQuestion,
        outcome: QuestionOutcome,
    ) {
        let until = now + self.settings.answer_ttl;
        if let Some(session) = self.sessions.get_mut(id) {
            session.debts.incur(now, until, &question.wire_id);
        }
        let Some(tracked) = self.questions.get_mut(&question.question_id) else {
            return;
        };
        if tracked.stage == Stage::Accepted {
            self.end(now, question.question_id, outcome);
        } else {
            tracked.stage = Stage::Ended(outcome);
        }
    }

    /// Counts a question as accepted, once.
    pub(crate) fn accept(&mut self, now: Instant, question_id: QuestionId) {
        let Some(tracked) = self.questions.get_mut(&question_id) else {
            return;
        };
        if tracked.stage != Stage::Accepted {
            tracked.stage = Stage::Accepted;
            self.ledger.accept();
            let (key, after) = (tracked.key.clone(), now - tracked.asked);
            self.note(Event::QuestionAccepted { key, after });
        }
    }

    /// Counts a question as ended and forgets it.
    pub(crate) fn end(&mut self, now: Instant, question_id: QuestionId, outcome: QuestionOutcome) {
        let Some(tracked) = self.questions.remove(&question_id) else {
            return;
        };
        self.ledger.end(outcome);
        let after = now - tracked.asked;
        self.note(Event::QuestionEnded {
            key: tracked.key,
            outcome,
            after,
        });
    }

    /// Until `until`, every question takes a suffix.
    pub(crate) fn suffix_all(&mut self, until: Instant) {
        self.suffix_all_until = self.suffix_all_until.max(Some(until));
    }

    pub(crate) fn publish(&mut self, key: SessionKey, question: types::Question) {
        self.effects.push_back(Effect::Publish { key, question });
    }

    pub(crate) fn send(&mut self, key: SessionKey, reply: Reply) {
        self.effects.push_back(Effect::Send { key, reply });
    }

    /// Tells a socket to close, once.
    pub(crate) fn close(&mut self, key: SessionKey, reason: CloseReason) {
        let connection = self
            .sessions
            .get_mut(&key.id)
            .and_then(|session| session.current(key.generation));
        if let Some(connection) = connection.filter(|connection| !connection.closing) {
            connection.closing = true;
            self.effects.push_back(Effect::Close { key, reason });
        }
    }

    /// Closes a socket that never became its session's connection.
    pub(crate) fn refuse(&mut self, key: SessionKey, reason: CloseReason) {
        self.effects.push_back(Effect::Close { key, reason });
    }

    pub(crate) fn decided(&mut self, outcome: AnswerOutcome) {
        self.note(Event::AnswerDecided { outcome });
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.effects.push_back(Effect::Note(event));
    }
}
