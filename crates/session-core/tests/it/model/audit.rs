//! Checks the invariants after every step, judged from inputs and effects alone: it knows neither the core's
//! state nor the reference's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use session_core::{
    CloseReason, CoreSettings, Effect, Input, PublishId, ReplyV1, SessionEvent, SessionStats,
    WireIdMode,
};
use types::{
    Answer, AnswerOutcome, QuestionId, QuestionIdEcho, QuestionRecord, SessionId, SessionKey,
    WireId,
};

use crate::script::balances;

/// Watches a run from outside.
pub(crate) struct Audit {
    settings: CoreSettings,
    pub(crate) questions: Vec<Asked>,
    /// The socket each session has.
    sockets: BTreeMap<SessionId, SessionKey>,
    told_to_close: BTreeSet<SessionKey>,
    /// The number of departed sessions that were remembered before this step.
    owed: usize,
}

/// A question that was published, and when its session stopped waiting.
pub(crate) struct Asked {
    pub(crate) id: QuestionId,
    pub(crate) publish: PublishId,
    pub(crate) key: SessionKey,
    pub(crate) wire_id: WireId,
    pub(crate) ended: Option<Instant>,
}

impl Audit {
    pub(crate) fn new(settings: CoreSettings) -> Self {
        Self {
            settings,
            questions: Vec::new(),
            sockets: BTreeMap::new(),
            told_to_close: BTreeSet::new(),
            owed: 0,
        }
    }

    /// Checks one step; gives the question that was answered by it, if one was.
    pub(crate) fn step(
        &mut self,
        now: Instant,
        input: &Input,
        effects: &[Effect],
        stats: SessionStats,
    ) -> Option<QuestionId> {
        self.sockets_after(now, input);
        let mut answered = None;
        for effect in effects {
            match effect {
                Effect::Publish {
                    key,
                    publish_id: publish,
                    question,
                } => self.published(key, *publish, question),
                Effect::SendV1 { key, reply } => {
                    let ended = self.sent(now, key, reply);
                    if is_answer(reply) {
                        answered = ended;
                    }
                }
                Effect::Close { key, reason, .. } => self.closed(key, *reason),
                Effect::RecordEvent(_) => {}
                Effect::Recover { .. } | Effect::SendV2 { .. } => {
                    unreachable!("version 1 only")
                }
            }
        }
        if let Input::Answer(answer) = input {
            self.decided(answer, answered, effects);
        } else {
            assert_eq!(answered, None, "an answer without a record");
        }
        self.counted(input, stats);
        answered
    }

    /// The question this session waits for.
    fn open(&mut self, session: &SessionId) -> Option<&mut Asked> {
        let open = |asked: &&mut Asked| asked.ended.is_none() && asked.key.id == *session;
        self.questions.iter_mut().find(open)
    }

    fn sockets_after(&mut self, now: Instant, input: &Input) {
        if let Input::Connected { key } = input {
            let current = self.sockets.get(&key.id);
            if current.is_none_or(|current| current.generation < key.generation) {
                self.sockets.insert(key.id.clone(), key.clone());
                self.end(now, &key.id);
            }
        }
        if let Input::Disconnected { key } = input
            && self.sockets.get(&key.id) == Some(key)
        {
            self.sockets.remove(&key.id);
            self.end(now, &key.id);
        }
    }

    fn end(&mut self, now: Instant, session: &SessionId) {
        if let Some(open) = self.open(session) {
            open.ended = Some(now);
        }
    }

    fn published(&mut self, key: &SessionKey, publish: PublishId, question: &QuestionRecord) {
        assert_eq!(publish.question, question.question_id);
        assert_eq!(
            self.sockets.get(&key.id),
            Some(key),
            "asked by a socket of the past"
        );
        assert!(
            !self.told_to_close.contains(key),
            "asked by a socket told to close"
        );
        assert!(self.open(&key.id).is_none(), "one question at a time");
        assert_eq!(question.session_id, key.id);
        assert_eq!(question.wire_id.session_id(), key.id.as_str());
        let must_be_exact = self.settings.wire_id == WireIdMode::Suffixed
            || self.owed >= self.settings.max_departed_sessions;
        let plain = question.wire_id.is_plain();
        assert!(!(plain && must_be_exact), "needs a suffix");
        let reused = |asked: &Asked| asked.wire_id == question.wire_id;
        let reused = self.questions.iter().any(reused);
        assert!(plain || !reused, "a suffix is used once");
        self.questions.push(Asked {
            id: question.question_id,
            publish,
            key: key.clone(),
            wire_id: question.wire_id.clone(),
            ended: None,
        });
    }

    /// Gives the question that this reply ended.
    fn sent(&mut self, now: Instant, key: &SessionKey, reply: &ReplyV1) -> Option<QuestionId> {
        assert_eq!(
            self.sockets.get(&key.id),
            Some(key),
            "sent to a socket of the past"
        );
        assert!(!self.told_to_close.contains(key), "sent after the close");
        let open = self.open(&key.id);
        match reply {
            ReplyV1::Busy => assert!(open.is_some(), "busy with nothing"),
            ReplyV1::Draining => assert!(open.is_none(), "a question is open"),
            ReplyV1::Answer { .. }
            | ReplyV1::AnswerFailed
            | ReplyV1::PublishFailed
            | ReplyV1::TimedOut => {
                assert!(
                    open.is_some(),
                    "a reply that ends a question has one to end"
                );
                let open = open?;
                assert_eq!(open.key, *key, "asked by another connection");
                open.ended = Some(now);
                return Some(open.id);
            }
        }
        None
    }

    fn closed(&mut self, key: &SessionKey, reason: CloseReason) {
        let current = self.sockets.get(&key.id) == Some(key);
        match reason {
            CloseReason::Superseded => assert!(!current, "superseded by nobody"),
            CloseReason::Draining => {
                assert!(current, "a socket of the past");
                let first = self.told_to_close.insert(key.clone());
                assert!(first, "told twice");
                assert!(self.open(&key.id).is_none(), "waits for an answer");
            }
        }
    }

    /// Every record is decided once, and only what names the question, or its wire id, answers it.
    fn decided(&self, answer: &Answer, answered: Option<QuestionId>, effects: &[Effect]) {
        let mut decisions = Vec::new();
        for effect in effects {
            if let Effect::RecordEvent(SessionEvent::AnswerDecided { outcome }) = effect {
                decisions.push(*outcome);
            }
        }
        let [outcome] = decisions[..] else {
            panic!("one record, one decision");
        };
        assert_eq!(outcome == AnswerOutcome::Delivered, answered.is_some());
        let Some(id) = answered else {
            return;
        };
        let asked = self.questions.iter().find(|asked| asked.id == id).unwrap();
        assert_eq!(
            answer.wire_id.session_id(),
            asked.key.id.as_str(),
            "the wrong session"
        );
        match answer.question_id {
            QuestionIdEcho::Echoed(named) => assert_eq!(named, id, "the wrong question"),
            QuestionIdEcho::Foreign => panic!("it names no question of ours"),
            QuestionIdEcho::Absent => {
                assert_eq!(answer.wire_id, asked.wire_id, "the wrong question");
            }
        }
    }

    fn counted(&mut self, input: &Input, stats: SessionStats) {
        let open = self.questions.iter().filter(|asked| asked.ended.is_none());
        assert_eq!(stats.connected_count, self.sockets.len());
        assert_eq!(stats.waiting, open.count());
        assert!(
            stats.departed <= self.settings.max_departed_sessions,
            "{stats:?}"
        );
        assert!(
            stats.unreported <= self.settings.max_departed_sessions,
            "{stats:?}"
        );
        let forgets = matches!(input, Input::Tick | Input::Connected { .. });
        assert!(forgets || stats.departed >= self.owed, "evicted: {stats:?}");
        self.owed = stats.departed;

        let ledger = stats.ledger;
        assert!(balances(ledger), "{ledger:?}");
        let unconfirmed = stats.waiting - usize::try_from(ledger.pending).unwrap();
        let elsewhere = u64::try_from(unconfirmed + stats.unreported).unwrap();
        let asked = u64::try_from(self.questions.len()).unwrap();
        let accounted = ledger.accepted + ledger.publish_failed + elsewhere;
        assert_eq!(
            accounted, asked,
            "every question stands in the accounts once"
        );
    }
}

fn is_answer(reply: &ReplyV1) -> bool {
    matches!(reply, ReplyV1::Answer { .. } | ReplyV1::AnswerFailed)
}
