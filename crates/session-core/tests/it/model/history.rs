//! All that happened, and what can be read from it. The reference adds facts and never changes one.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a query names the facts it looks for"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use session_core::{CoreSettings, Ledger, SessionTimer};
use types::{
    Answer, MinOffsets, QuestionId, QuestionIdEcho, QuestionOutcome, SessionId, SessionKey, WireId,
};

/// Every fact since the start, oldest first.
pub(crate) struct History {
    settings: CoreSettings,
    facts: Vec<(Instant, Fact)>,
}

/// Something that happened.
pub(crate) enum Fact {
    /// A socket became its session's connection.
    Opened(SessionKey),
    /// The socket of a session is gone; it is remembered until then, or not at all.
    Left(SessionId, Option<Instant>),
    /// The time of a session that had left was over.
    Forgotten(SessionId),
    ToldToClose(SessionKey),
    Asked(Asked),
    /// A record that was a part of the answer to this question, and was kept.
    Part(QuestionId, Answer),
    /// Kafka has the question, or is taken to have it.
    Accepted(QuestionId),
    /// Kafka is known to have it, by its report.
    Reported(QuestionId),
    /// Its session no longer waits for it.
    Ended(QuestionId, QuestionOutcome),
    /// It is in the accounts with this outcome.
    Counted(QuestionId, QuestionOutcome),
    /// An answer to it may still come although nobody waits.
    Owed(Asked),
    /// Its answer was given and may come again.
    Doubted(Asked),
    /// An answer under the plain id came and was what this session was owed.
    Settled(SessionId),
    /// From now on no session may use its plain id for a while.
    PlainUnsafe,
    /// An answer came under the bare id of a session that had asked under a suffix.
    BareAnswer,
    /// An answer under a suffix came for a session that is known.
    SuffixedAnswer,
    DrainBegan,
}

/// A question as it was asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) id: QuestionId,
    pub(crate) key: SessionKey,
    pub(crate) wire_id: WireId,
    pub(crate) floor: MinOffsets,
    pub(crate) at: Instant,
}

impl History {
    pub(crate) fn new(settings: CoreSettings) -> Self {
        Self {
            settings,
            facts: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, now: Instant, fact: Fact) {
        self.facts.push((now, fact));
    }

    // === connections ===

    /// Every session there ever was, in order.
    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        let opened = self.facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Opened(key) => Some(key.id.clone()),
            _ => None,
        });
        opened.collect()
    }

    /// The connection this session has.
    pub(crate) fn connection(&self, session: &str) -> Option<SessionKey> {
        let last = self.facts.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Opened(key) if key.id.as_str() == session => Some(Some(key.clone())),
            Fact::Left(id, _) if id.as_str() == session => Some(None),
            _ => None,
        });
        last.flatten()
    }

    /// Until when a session without a connection is remembered, if it is.
    pub(crate) fn remembered_until(&self, session: &str) -> Option<Instant> {
        let last = self.facts.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Opened(key) if key.id.as_str() == session => Some(None),
            Fact::Left(id, until) if id.as_str() == session => Some(*until),
            Fact::Forgotten(id) if id.as_str() == session => Some(None),
            _ => None,
        });
        last.flatten()
    }

    /// Returns the number of remembered sessions without a connection.
    pub(crate) fn departed(&self) -> usize {
        let sessions = self.sessions();
        let remembered = |id: &&SessionId| self.remembered_until(id.as_str()).is_some();
        sessions.iter().filter(remembered).count()
    }

    pub(crate) fn was_told_to_close(&self, key: &SessionKey) -> bool {
        self.any(|fact| matches!(fact, Fact::ToldToClose(told) if told == key))
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.any(|fact| matches!(fact, Fact::DrainBegan))
    }

    // === questions ===

    pub(crate) fn asked(&self, id: QuestionId) -> Option<Asked> {
        let mut facts = self.facts.iter();
        facts.find_map(|(_, fact)| match fact {
            Fact::Asked(question) if question.id == id => Some(question.clone()),
            _ => None,
        })
    }

    /// The question this session waits for.
    pub(crate) fn open(&self, session: &str) -> Option<Asked> {
        let mut facts = self.facts.iter().rev();
        let last = facts.find_map(|(_, fact)| match fact {
            Fact::Asked(question) if question.key.id.as_str() == session => Some(question.clone()),
            _ => None,
        });
        last.filter(|question| self.end_of(question.id).is_none())
    }

    /// Returns the end of the question for its session, if it ended.
    pub(crate) fn end_of(&self, id: QuestionId) -> Option<QuestionOutcome> {
        let mut facts = self.facts.iter();
        facts.find_map(|(_, fact)| match fact {
            Fact::Ended(ended, outcome) if *ended == id => Some(*outcome),
            _ => None,
        })
    }

    pub(crate) fn is_accepted(&self, id: QuestionId) -> bool {
        self.any(|fact| matches!(fact, Fact::Accepted(accepted) if *accepted == id))
    }

    pub(crate) fn is_counted(&self, id: QuestionId) -> bool {
        self.any(|fact| matches!(fact, Fact::Counted(counted, _) if *counted == id))
    }

    pub(crate) fn is_reported(&self, id: QuestionId) -> bool {
        self.any(|fact| matches!(fact, Fact::Reported(reported) if *reported == id))
    }

    /// Returns the time from asking until Kafka had the question.
    pub(crate) fn accepted_after(&self, question: &Asked) -> Option<Duration> {
        self.facts.iter().find_map(|(at, fact)| match fact {
            Fact::Accepted(id) if *id == question.id => Some(*at - question.at),
            _ => None,
        })
    }

    /// Returns the number of ended questions without a report that are not in the ledger.
    pub(crate) fn unreported(&self) -> usize {
        let ended = self.facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Ended(id, _) => Some(*id),
            _ => None,
        });
        ended.filter(|id| !self.is_counted(*id)).count()
    }

    /// Returns the changes that time alone will make: every open question's end, and when departed sessions are forgotten.
    pub(crate) fn deadlines(&self) -> BTreeSet<(Instant, SessionTimer, SessionId)> {
        let mut deadlines = BTreeSet::new();
        for id in self.sessions() {
            if let Some(question) = self.open(id.as_str()) {
                let at = self.waits_until(&question);
                deadlines.insert((at, SessionTimer::AnswerDeadline, id));
            } else if let Some(until) = self.remembered_until(id.as_str()) {
                deadlines.insert((until, SessionTimer::DepartedSessionExpiry, id));
            }
        }
        deadlines
    }

    /// Returns the time at which this open question stops waiting: its own deadline, or that of the part after the newest.
    fn waits_until(&self, question: &Asked) -> Instant {
        let newest = self.facts.iter().rev().find_map(|(at, fact)| match fact {
            Fact::Part(id, _) if *id == question.id => Some(*at),
            _ => None,
        });
        newest.map_or(question.at + self.settings.answer_timeout, |newest| {
            let in_all = question.at + self.settings.max_answer_time;
            in_all.min(newest + self.settings.part_timeout)
        })
    }

    /// The parts of the answer to this question that were kept, oldest first.
    pub(crate) fn parts(&self, id: QuestionId) -> Vec<Answer> {
        let parts = self.facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Part(of, answer) if *of == id => Some(answer.clone()),
            _ => None,
        });
        parts.collect()
    }

    // === debts ===

    /// Until when an answer that nobody waits for may come for this session, as far as it is remembered.
    pub(crate) fn owed_until(&self, now: Instant, session: &str) -> Option<Instant> {
        let mut facts = self.memory(session).into_iter().rev();
        let last = facts.find_map(|(at, fact)| match fact {
            Fact::Owed(_) | Fact::Doubted(_) => Some(*at + self.settings.answer_ttl),
            _ => None,
        });
        last.filter(|until| now < *until)
    }

    /// Returns the pending answers that would come under the plain id: there was such a question, its answer
    /// did not come, and since then something was owed all the time.
    pub(crate) fn owes_plain(&self, now: Instant, session: &str) -> Option<QuestionId> {
        let mut until_then = now;
        for (at, fact) in self.memory(session).into_iter().rev() {
            match fact {
                Fact::Settled(_) => return None,
                Fact::Owed(_) | Fact::Doubted(_)
                    if *at + self.settings.answer_ttl <= until_then =>
                {
                    return None;
                }
                Fact::Owed(question) if question.wire_id.is_plain() => return Some(question.id),
                Fact::Owed(_) | Fact::Doubted(_) => until_then = *at,
                _ => {}
            }
        }
        None
    }

    /// Tells whether this session waits for an answer under a suffix, or such an answer has been owed all the
    /// time since its question ended.
    pub(crate) fn has_asked_with_suffix(&self, now: Instant, session: &str) -> bool {
        let open = self.open(session);
        if open.is_some_and(|question| !question.wire_id.is_plain()) {
            return true;
        }
        let mut until_then = now;
        for (at, fact) in self.memory(session).into_iter().rev() {
            let (Fact::Owed(question) | Fact::Doubted(question)) = fact else {
                continue;
            };
            if *at + self.settings.answer_ttl <= until_then {
                return false;
            }
            if matches!(fact, Fact::Owed(_)) && !question.wire_id.is_plain() {
                return true;
            }
            until_then = *at;
        }
        false
    }

    /// Counts the answers that have come under bare ids where suffixes were asked, each soon after the one before
    /// and none under a suffix since.
    pub(crate) fn bare_answers(&self) -> usize {
        let mut later: Option<Instant> = None;
        let mut bare = 0;
        for (at, fact) in self.facts.iter().rev() {
            match fact {
                Fact::SuffixedAnswer => break,
                Fact::BareAnswer => {
                    if later.is_some_and(|later| *at + self.settings.answer_ttl <= later) {
                        break;
                    }
                    (later, bare) = (Some(*at), bare + 1);
                }
                _ => {}
            }
        }
        bare
    }

    /// Tells whether that question ended because its socket was gone.
    pub(crate) fn lost_its_socket(&self, question: QuestionId) -> bool {
        let mut facts = self.facts.iter();
        facts.any(|(_, fact)| {
            matches!(fact, Fact::Ended(id, QuestionOutcome::Undeliverable) if *id == question)
        })
    }

    pub(crate) fn is_plain_unsafe(&self, now: Instant) -> bool {
        let mut facts = self.facts.iter().rev();
        let last = facts.find(|(_, fact)| matches!(fact, Fact::PlainUnsafe));
        last.is_some_and(|(at, _)| now < *at + self.settings.answer_ttl)
    }

    /// Tells whether the record names the question that this session got its last answer to.
    pub(crate) fn repeats_the_last_answer(&self, session: &str, answer: &Answer) -> bool {
        let mut facts = self.memory(session).into_iter().rev();
        let last = facts.find_map(|(_, fact)| match fact {
            Fact::Ended(id, QuestionOutcome::Answered | QuestionOutcome::Failed) => self.asked(*id),
            _ => None,
        });
        last.is_some_and(|last| match answer.question_id {
            QuestionIdEcho::Echoed(id) => id == last.id,
            QuestionIdEcho::Absent => !answer.wire_id.is_plain() && answer.wire_id == last.wire_id,
            QuestionIdEcho::Foreign => false,
        })
    }

    // === accounts ===

    pub(crate) fn ledger(&self) -> Ledger {
        let accepted = self.count(|fact| matches!(fact, Fact::Accepted(_)));
        let ended = |wanted| {
            self.count(|fact| matches!(fact, Fact::Counted(_, outcome) if *outcome == wanted))
        };
        let mut ledger = Ledger {
            accepted,
            adopted: 0,
            answered: ended(QuestionOutcome::Answered),
            expired: ended(QuestionOutcome::Expired),
            cancelled: 0,
            failed: ended(QuestionOutcome::Failed),
            undeliverable: ended(QuestionOutcome::Undeliverable),
            handed_off: 0,
            pending: 0,
            publish_failed: ended(QuestionOutcome::PublishFailed),
        };
        let over = ledger.answered + ledger.expired + ledger.failed + ledger.undeliverable;
        ledger.pending = accepted - over;
        ledger
    }

    fn count(&self, wanted: impl Fn(&Fact) -> bool) -> u64 {
        let found = self.facts.iter().filter(|(_, fact)| wanted(fact));
        u64::try_from(found.count()).unwrap()
    }

    fn any(&self, wanted: impl Fn(&Fact) -> bool) -> bool {
        self.facts.iter().any(|(_, fact)| wanted(fact))
    }

    /// Returns the remembered past of a session: all that happened to it since it was last forgotten.
    fn memory(&self, session: &str) -> Vec<&(Instant, Fact)> {
        let of_session = |fact: &Fact| self.session_of(fact).as_deref() == Some(session);
        let forgets = |fact: &Fact| matches!(fact, Fact::Left(_, None) | Fact::Forgotten(_));
        let facts = self.facts.iter().filter(|(_, fact)| of_session(fact));
        let facts: Vec<_> = facts.collect();
        let forgotten = facts.iter().rposition(|(_, fact)| forgets(fact));
        facts
            .into_iter()
            .skip(forgotten.map_or(0, |at| at + 1))
            .collect()
    }

    /// The session a fact is about.
    fn session_of(&self, fact: &Fact) -> Option<String> {
        let id = match fact {
            Fact::Opened(key) | Fact::ToldToClose(key) => key.id.clone(),
            Fact::Left(id, _) | Fact::Forgotten(id) | Fact::Settled(id) => id.clone(),
            Fact::Asked(question) | Fact::Owed(question) | Fact::Doubted(question) => {
                question.key.id.clone()
            }
            Fact::Accepted(id)
            | Fact::Reported(id)
            | Fact::Ended(id, _)
            | Fact::Counted(id, _)
            | Fact::Part(id, _) => self.asked(*id)?.key.id,
            Fact::PlainUnsafe | Fact::BareAnswer | Fact::SuffixedAnswer | Fact::DrainBegan => {
                return None;
            }
        };
        Some(id.to_string())
    }
}
