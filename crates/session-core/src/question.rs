//! Questions as the accounts know them: waited for, or ended before their delivery report.

use std::time::{Duration, Instant};

use types::{
    AnswerFloor, AnswerOutcome, QuestionId, QuestionOutcome, SessionId, SessionKey, WireId,
};

use crate::effect::PublishId;
use crate::parts::Parts;
use crate::state::State;
use crate::stream::{Recovering, Stream};
use crate::told::ResumeQuestion;
use crate::{Event, Registry, Timer, Version};

/// A question whose session waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The publication whose report is for this question.
    pub(crate) publish: PublishId,
    pub(crate) key: SessionKey,
    pub(crate) wire_id: WireId,
    /// A record below it was written before this question.
    pub(crate) floor: AnswerFloor,
    pub(crate) asked: Instant,
    /// When it stops waiting.
    pub(crate) deadline: Instant,
    /// From asking to the delivery report, or to the record that proved acceptance before it.
    pub(crate) accepted: Option<Duration>,
    /// Its delivery report has come. Until then the producer may write it again, whatever has come of its
    /// answer.
    pub(crate) reported: bool,
    /// What has come of its answer, if that comes in parts.
    pub(crate) parts: Option<Box<Parts>>,
    /// `Some` in version 2.
    pub(crate) stream: Option<Box<Stream>>,
}

/// A question nobody waits for any more and whose delivery report is still to come.
#[derive(Debug)]
pub(crate) struct Unreported {
    pub(crate) key: SessionKey,
    pub(crate) version: Version,
    pub(crate) asked: Instant,
    /// How it ended, should Kafka have it.
    pub(crate) outcome: QuestionOutcome,
}

impl Pending {
    pub(crate) fn question_id(&self) -> QuestionId {
        self.publish.question
    }

    pub(crate) fn version(&self) -> Version {
        match self.stream {
            None => Version::V1,
            Some(_) => Version::V2,
        }
    }

    /// Ends the recovering of this question, if it is being recovered.
    pub(crate) fn take_recovering(&mut self) -> Option<Recovering> {
        self.stream.as_deref_mut()?.recovering.take()
    }

    pub(crate) fn recovering(&mut self) -> Option<&mut Recovering> {
        self.stream.as_deref_mut()?.recovering.as_mut()
    }

    /// What a token carries of it, and the number of the part before its own. One that is not known
    /// to be in Kafka is not carried: its client asks it again.
    pub(crate) fn carried(&self) -> Option<(u64, ResumeQuestion)> {
        let stream = self.stream.as_deref()?;
        let recovering = stream.recovering.as_ref();
        if self.accepted.is_none() && recovering.is_none() {
            return None;
        }
        let carried = ResumeQuestion {
            id: stream.id.clone(),
            question_id: self.question_id(),
            wire_id: self.wire_id.clone(),
            deadline: recovering.map_or(self.deadline, |recovering| recovering.deadline),
            part_bytes: stream.part_bytes,
            floor: self.floor.clone(),
        };
        Some((stream.base, carried))
    }

    /// Whether any part of its answer is with the client (version 2).
    pub(crate) fn has_begun(&self) -> bool {
        self.stream.as_deref().is_some_and(Stream::has_begun)
    }

    fn is_recovering(&self) -> bool {
        let stream = self.stream.as_deref();
        stream.is_some_and(|stream| stream.recovering.is_some())
    }
}

impl Registry {
    /// Makes the session wait for this question, until its deadline.
    pub(crate) fn wait(&mut self, question: Pending) {
        let id = &question.key.id;
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = State::Waiting(question.question_id());
        }
        self.deadlines
            .insert((question.deadline, Timer::AnswerDeadline, id.clone()));
        self.pending.insert(question.question_id(), question);
    }

    /// Frees a waiting session: it is idle again and its question is the caller's to end. `None`
    /// when it does not wait.
    pub(crate) fn free(&mut self, id: &SessionId) -> Option<Pending> {
        let session = self.sessions.get_mut(id)?;
        let question_id = match session.state {
            State::Waiting(question_id) => question_id,
            State::Departed { .. } | State::Idle | State::Closing => return None,
        };
        session.state = State::Idle;
        let question = self.pending.remove(&question_id)?;
        self.deadlines
            .remove(&(question.deadline, Timer::AnswerDeadline, id.clone()));
        Some(question)
    }

    /// A part of this question's answer came: it waits for the next one.
    pub(crate) fn wait_for_next_part(&mut self, now: Instant, question_id: QuestionId) {
        let Some(question) = self.pending.get(&question_id) else {
            return;
        };
        let at_the_latest = question.asked + self.settings.max_answer_time;
        let next_part = now + self.settings.part_timeout;
        self.wait_until(question_id, at_the_latest.min(next_part));
    }

    /// Moves the deadline of an open question.
    pub(crate) fn wait_until(&mut self, question_id: QuestionId, deadline: Instant) {
        let Some(question) = self.pending.get_mut(&question_id) else {
            return;
        };
        let before = std::mem::replace(&mut question.deadline, deadline);
        let (timer, id) = (Timer::AnswerDeadline, &question.key.id);
        self.deadlines.remove(&(before, timer, id.clone()));
        self.deadlines.insert((deadline, timer, id.clone()));
    }

    /// The session's socket is gone, or is to go: its question, if it waits, ends here. Version 1
    /// clears the session, version 2 has a token.
    pub(crate) fn lose_socket(&mut self, now: Instant, id: &SessionId) {
        let Some(question) = self.free(id) else {
            return;
        };
        let outcome = match question.version() {
            Version::V1 => QuestionOutcome::Undeliverable,
            Version::V2 => QuestionOutcome::HandedOff,
        };
        self.abandon(now, question, outcome);
    }

    /// Ends a question whose answer may still come. An unreported one is counted when its report
    /// comes; when too many such reports are awaited, at once and as accepted: rather one too many in
    /// the accounts than one that nobody accounts for.
    pub(crate) fn abandon(&mut self, now: Instant, question: Pending, outcome: QuestionOutcome) {
        self.incur(now, &question, late_as(outcome));
        if question.is_recovering() {
            // It stands in no account yet.
            return;
        }
        let after = now - question.asked;
        let version = question.version();
        let Pending { publish, key, .. } = question;
        if question.accepted.is_none() {
            if self.unreported.len() < self.settings.max_owed {
                let unreported = Unreported {
                    key,
                    version,
                    asked: question.asked,
                    outcome,
                };
                self.unreported.insert(publish, unreported);
                return;
            }
            self.accepted(key.clone(), version, after);
        }
        self.ended(key, outcome, after);
    }

    /// Notes that the session may be owed an answer to this question: an ambiguity. `outcome` is
    /// what that answer counts as.
    pub(crate) fn incur(&mut self, now: Instant, question: &Pending, outcome: AnswerOutcome) {
        let until = now + self.settings.answer_ttl;
        if let Some(session) = self.sessions.get_mut(&question.key.id) {
            session.debts.incur(now, until, &question.wire_id, outcome);
        }
    }

    /// Notes that an answer that was given may come again to this session: an ambiguity that explains no
    /// answer.
    pub(crate) fn doubt(&mut self, now: Instant, id: &SessionId) {
        let until = now + self.settings.answer_ttl;
        if let Some(session) = self.sessions.get_mut(id) {
            session.debts.doubt(now, until);
        }
    }

    /// Counts a question as in Kafka.
    pub(crate) fn accepted(&mut self, key: SessionKey, version: Version, after: Duration) {
        self.ledger.accept();
        self.note(Event::QuestionAccepted {
            key,
            version,
            after,
        });
    }

    /// Counts how a question ended.
    pub(crate) fn ended(&mut self, key: SessionKey, outcome: QuestionOutcome, after: Duration) {
        self.ledger.end(outcome);
        self.note(Event::QuestionEnded {
            key,
            outcome,
            after,
        });
    }

    /// Where the session stands, if it still has this connection.
    pub(crate) fn current(&self, key: &SessionKey) -> Option<State> {
        let session = self.sessions.get(&key.id)?;
        let current = session.state.is_here() && session.generation == key.generation;
        current.then_some(session.state)
    }
}

/// What the answer to an abandoned question counts as when it comes.
fn late_as(outcome: QuestionOutcome) -> AnswerOutcome {
    match outcome {
        QuestionOutcome::Undeliverable => AnswerOutcome::Undeliverable,
        QuestionOutcome::HandedOff => AnswerOutcome::HandedOff,
        QuestionOutcome::Answered
        | QuestionOutcome::Expired
        | QuestionOutcome::Cancelled
        | QuestionOutcome::Failed
        | QuestionOutcome::PublishFailed => AnswerOutcome::Late,
    }
}
