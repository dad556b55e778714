//! The core once more, slow and plain: it keeps everything that ever happened and decides each input
//! by reading that history. No tables, no timers, no states that could be out of step.

mod attributed_records;
mod unattributed_records;

use std::time::Instant;

use session_core::{
    AskIdentity, AskRequest, CloseReason, CoreSettings, Effect, Input, ProtocolVersion, PublishId,
    ReplyV1, SessionEvent, SessionTimer, WireIdMode,
};
use types::Persisted;
use types::{
    Answer, AnswerBody, AnswerOutcome, QuestionId, QuestionIdEcho, QuestionOutcome, QuestionRecord,
    SessionId, SessionKey, WireId,
};

use super::history::{Asked, Fact, History};

/// Computes the expected effects of the core from all that happened.
pub(crate) struct Reference {
    settings: CoreSettings,
    pub(crate) history: History,
    effects: Vec<Effect>,
    publishes: u64,
}

impl Reference {
    pub(crate) fn new(settings: CoreSettings) -> Self {
        Self {
            history: History::new(settings.clone()),
            settings,
            effects: Vec::new(),
            publishes: 0,
        }
    }

    /// Everything that this input makes the core want.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        match input {
            Input::Connected { key } => self.connected(now, key),
            Input::Disconnected { key } => self.disconnected(now, &key),
            Input::Ask { key, ask } => self.ask(now, key, ask),
            Input::Published {
                publish_id: publish,
            } => self.published(now, publish.question),
            Input::PublishFailed {
                publish_id: publish,
                persisted,
            } => {
                self.publish_failed(now, publish.question, persisted);
            }
            Input::Answer(answer) => self.answer(now, answer),
            Input::Drain { max_closes: closes } => self.drain(now, closes),
            Input::DrainExpired => self.drain_expired(now),
            Input::Tick => self.tick(now),
            Input::Start { .. }
            | Input::Recovered { .. }
            | Input::Cancel { .. }
            | Input::Ack { .. } => unreachable!("the reference knows version 1 only"),
        }
        std::mem::take(&mut self.effects)
    }

    /// The earliest moment at which time alone changes something.
    pub(crate) fn deadline(&self) -> Option<(Instant, SessionTimer)> {
        let first = self.history.deadlines().into_iter().next();
        first.map(|(at, timer, _)| (at, timer))
    }

    // === inputs ===

    fn connected(&mut self, now: Instant, key: SessionKey) {
        if let Some(current) = self.history.connection(key.id.as_str()) {
            if key.generation < current.generation {
                self.effects.push(Effect::Close {
                    key,
                    reason: CloseReason::Superseded,
                    resume: None,
                });
                return;
            }
            if key == current {
                return;
            }
            if let Some(question) = self.history.open(key.id.as_str()) {
                self.abandon(now, &question, QuestionOutcome::Undeliverable);
            }
            self.close(now, current, CloseReason::Superseded);
        }
        self.history.add(now, Fact::Opened(key));
    }

    fn disconnected(&mut self, now: Instant, key: &SessionKey) {
        if self.history.connection(key.id.as_str()).as_ref() != Some(key) {
            return;
        }
        if let Some(question) = self.history.open(key.id.as_str()) {
            self.abandon(now, &question, QuestionOutcome::Undeliverable);
        }
        let owed_until = self.history.owed_until(now, key.id.as_str());
        let room = self.history.departed() < self.settings.max_departed_sessions;
        if owed_until.is_some() && !room {
            self.history.add(now, Fact::PlainUnsafe);
            self.note(SessionEvent::DepartedTableFull);
        }
        let remembered = owed_until.filter(|_| room);
        self.history
            .add(now, Fact::Left(key.id.clone(), remembered));
    }

    fn ask(&mut self, now: Instant, key: SessionKey, ask: AskRequest) {
        let AskIdentity::Random(question_id) = ask.identity else {
            unreachable!("the reference knows version 1 only")
        };
        let current = self.history.connection(key.id.as_str());
        if current.as_ref() != Some(&key) || self.history.was_told_to_close(&key) {
            return;
        }
        if self.history.open(key.id.as_str()).is_some() {
            return self.send(key, ReplyV1::Busy);
        }
        if self.history.is_draining() {
            return self.send(key, ReplyV1::Draining);
        }
        let plain = self.settings.wire_id == WireIdMode::Plain
            && self.history.owed_until(now, key.id.as_str()).is_none()
            && !self.history.is_plain_unsafe(now)
            && self.history.departed() < self.settings.max_departed_sessions;
        let wire_id = match plain {
            true => WireId::plain(&key.id),
            false => WireId::suffixed(&key.id, ask.suffix),
        };
        let asked = Asked {
            id: question_id,
            key: key.clone(),
            wire_id: wire_id.clone(),
            floor: ask.min_offsets,
            at: now,
        };
        self.history.add(now, Fact::Asked(asked));
        let question = QuestionRecord {
            session_id: key.id.clone(),
            wire_id,
            question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        self.publishes += 1;
        let publish = PublishId {
            question: question_id,
            number: self.publishes,
        };
        self.effects.push(Effect::Publish {
            key,
            publish_id: publish,
            question,
        });
    }

    fn published(&mut self, now: Instant, id: QuestionId) {
        let Some(question) = self.history.asked(id) else {
            return;
        };
        self.history.add(now, Fact::Reported(id));
        if self.history.is_accepted(id) || self.history.is_counted(id) {
            return;
        }
        self.accept(now, &question);
        if let Some(outcome) = self.history.end_of(id) {
            self.count_as(now, &question, outcome);
        }
    }

    fn publish_failed(&mut self, now: Instant, id: QuestionId, persisted: Persisted) {
        let Some(question) = self.history.asked(id) else {
            return;
        };
        if persisted == Persisted::Maybe {
            self.history.add(now, Fact::PlainUnsafe);
        }
        if self.history.is_accepted(id) || self.history.is_counted(id) {
            return;
        }
        if self.history.end_of(id).is_some() {
            return self.count_as(now, &question, QuestionOutcome::PublishFailed);
        }
        self.history
            .add(now, Fact::Ended(id, QuestionOutcome::PublishFailed));
        if persisted == Persisted::Maybe {
            self.history.add(now, Fact::Owed(question.clone()));
        }
        self.send(question.key.clone(), ReplyV1::PublishFailed);
        self.count_as(now, &question, QuestionOutcome::PublishFailed);
        self.close_if_draining(now, question.key);
    }

    fn answer(&mut self, now: Instant, answer: Answer) {
        let session = answer.wire_id.session_id().to_owned();
        if !answer.wire_id.is_plain() && self.is_known(&session) {
            self.history.add(now, Fact::SuffixedAnswer);
        }
        let (named, open) = match answer.question_id {
            QuestionIdEcho::Echoed(id) => (
                self.history
                    .asked(id)
                    .filter(|_| self.history.end_of(id).is_none()),
                None,
            ),
            QuestionIdEcho::Foreign => (None, None),
            QuestionIdEcho::Absent => (None, self.history.open(&session)),
        };
        if let Some(question) = named {
            match question.key.id.as_str() == session {
                true => self.receive(now, &question, answer),
                false => self.decided(AnswerOutcome::Invalid),
            }
        } else if let Some(question) = open.filter(|question| is_answered_by(question, &answer)) {
            self.receive(now, &question, answer);
        } else {
            self.explain(now, &session, &answer);
        }
    }

    fn drain(&mut self, now: Instant, closes: usize) {
        self.history.add(now, Fact::DrainBegan);
        let sessions = self.history.sessions();
        let here = sessions
            .iter()
            .filter_map(|id| self.history.connection(id.as_str()));
        let idle = here.filter(|key| {
            self.history.open(key.id.as_str()).is_none() && !self.history.was_told_to_close(key)
        });
        let idle: Vec<SessionKey> = idle.take(closes).collect();
        for key in idle {
            self.close(now, key, CloseReason::Draining);
        }
    }

    fn drain_expired(&mut self, now: Instant) {
        self.history.add(now, Fact::DrainBegan);
        for (_, timer, id) in self.history.deadlines() {
            if timer == SessionTimer::AnswerDeadline {
                self.expire(now, &id);
            }
        }
        self.drain(now, usize::MAX);
    }

    fn tick(&mut self, now: Instant) {
        let due = self.history.deadlines();
        for (_, timer, id) in due.into_iter().filter(|(at, ..)| *at <= now) {
            match timer {
                SessionTimer::AnswerDeadline => self.expire(now, &id),
                SessionTimer::DepartedSessionExpiry => self.history.add(now, Fact::Forgotten(id)),
            }
        }
    }

    // === what follows from an input ===

    fn deliver(&mut self, now: Instant, question: &Asked, body: AnswerBody, more_may_come: bool) {
        let total = now - question.at;
        let publish = self.history.accepted_after(question);
        if publish.is_none() {
            self.accept(now, question);
        }
        let (outcome, reply) = match body {
            AnswerBody::Text(text) => {
                let reply = ReplyV1::Answer {
                    text,
                    publish_time: publish,
                    total_time: total,
                };
                (QuestionOutcome::Answered, reply)
            }
            AnswerBody::Failed(_) => (QuestionOutcome::Failed, ReplyV1::AnswerFailed),
        };
        if more_may_come {
            self.history.add(now, Fact::Owed(question.clone()));
        }
        if question.wire_id.is_plain() && !self.history.is_reported(question.id) {
            self.history.add(now, Fact::Doubted(question.clone()));
        }
        self.history.add(now, Fact::Ended(question.id, outcome));
        self.send(question.key.clone(), reply);
        self.count_as(now, question, outcome);
        self.decided(AnswerOutcome::Delivered);
        self.close_if_draining(now, question.key.clone());
    }

    fn expire(&mut self, now: Instant, id: &SessionId) {
        let question = self.history.open(id.as_str()).unwrap();
        self.send(question.key.clone(), ReplyV1::TimedOut);
        self.abandon(now, &question, QuestionOutcome::Expired);
        self.close_if_draining(now, question.key);
    }

    fn abandon(&mut self, now: Instant, question: &Asked, outcome: QuestionOutcome) {
        let room = self.history.unreported() < self.settings.max_departed_sessions;
        self.history.add(now, Fact::Owed(question.clone()));
        self.history.add(now, Fact::Ended(question.id, outcome));
        if !self.history.is_accepted(question.id) {
            if room {
                return;
            }
            self.accept(now, question);
        }
        self.count_as(now, question, outcome);
    }

    fn accept(&mut self, now: Instant, question: &Asked) {
        self.history.add(now, Fact::Accepted(question.id));
        self.note(SessionEvent::QuestionAccepted {
            key: question.key.clone(),
            version: ProtocolVersion::V1,
            elapsed: now - question.at,
        });
    }

    fn count_as(&mut self, now: Instant, question: &Asked, outcome: QuestionOutcome) {
        self.history.add(now, Fact::Counted(question.id, outcome));
        self.note(SessionEvent::QuestionEnded {
            key: question.key.clone(),
            outcome,
            elapsed: now - question.at,
        });
    }

    fn close(&mut self, now: Instant, key: SessionKey, reason: CloseReason) {
        if !self.history.was_told_to_close(&key) {
            self.history.add(now, Fact::ToldToClose(key.clone()));
            self.effects.push(Effect::Close {
                key,
                reason,
                resume: None,
            });
        }
    }

    fn close_if_draining(&mut self, now: Instant, key: SessionKey) {
        if self.history.is_draining() {
            self.close(now, key, CloseReason::Draining);
        }
    }

    fn send(&mut self, key: SessionKey, reply: ReplyV1) {
        self.effects.push(Effect::SendV1 { key, reply });
    }

    fn decided(&mut self, outcome: AnswerOutcome) {
        self.note(SessionEvent::AnswerDecided { outcome });
    }

    fn note(&mut self, event: SessionEvent) {
        self.effects.push(Effect::RecordEvent(event));
    }
}

/// Tells whether a record that names no question can be the answer to this open one. A suffix is exact; a
/// plain id is believed only of a record written after the question and not put back by an operator.
fn is_answered_by(question: &Asked, answer: &Answer) -> bool {
    let exact = !answer.wire_id.is_plain();
    let fresh = !answer.is_replayed && !question.floor.excludes(answer.position);
    question.wire_id == answer.wire_id && (exact || fresh)
}
