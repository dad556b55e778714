//! Questions as the accounts know them: waited for, or ended before their delivery report.

use std::time::{Duration, Instant};

use types::{
    AnswerOutcome, MinOffsets, QuestionId, QuestionOutcome, SessionId, SessionKey, WireId,
};

use crate::answer_assembler::AnswerAssembler;
use crate::answer_stream::{AnswerStream, QuestionRecovery};
use crate::effect::PublishId;
use crate::server_message::ResumeQuestion;
use crate::session_state::SessionState;
use crate::{ProtocolVersion, SessionEvent, SessionRegistry, SessionTimer};

/// A question whose session waits for its answer.
#[derive(Debug)]
pub(crate) struct OutstandingQuestion {
    /// The publication whose report is for this question.
    pub(crate) publish_id: PublishId,
    pub(crate) key: SessionKey,
    pub(crate) wire_id: WireId,
    /// A record below it was written before this question.
    pub(crate) min_offsets: MinOffsets,
    pub(crate) asked_at: Instant,
    /// The time at which it stops waiting.
    pub(crate) deadline: Instant,
    /// From asking to the delivery report, or to the record that proved acceptance before it.
    pub(crate) accepted_after: Option<Duration>,
    /// Its delivery report has come. Until then the producer may write it again, whatever has come of its
    /// answer.
    pub(crate) is_reported: bool,
    /// The parts of its answer that have come, if it comes in parts.
    pub(crate) assembler: Option<Box<AnswerAssembler>>,
    /// `Some` in version 2.
    pub(crate) stream: Option<Box<AnswerStream>>,
}

/// A question nobody waits for any more and whose delivery report is still to come.
#[derive(Debug)]
pub(crate) struct UnreportedQuestion {
    pub(crate) key: SessionKey,
    pub(crate) version: ProtocolVersion,
    pub(crate) asked_at: Instant,
    /// The outcome, should Kafka have it.
    pub(crate) outcome: QuestionOutcome,
}

impl OutstandingQuestion {
    pub(crate) fn question_id(&self) -> QuestionId {
        self.publish_id.question
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        match self.stream {
            None => ProtocolVersion::V1,
            Some(_) => ProtocolVersion::V2,
        }
    }

    /// Ends the recovering of this question, if it is being recovered.
    pub(crate) fn take_recovery(&mut self) -> Option<QuestionRecovery> {
        self.stream.as_deref_mut()?.recovery.take()
    }

    pub(crate) fn recovery_mut(&mut self) -> Option<&mut QuestionRecovery> {
        self.stream.as_deref_mut()?.recovery.as_mut()
    }

    /// Returns its content for a token, and the number of the part before its own. One that is not known
    /// to be in Kafka is not carried: its client asks it again.
    pub(crate) fn to_resume_question(&self) -> Option<(u64, ResumeQuestion)> {
        let stream = self.stream.as_deref()?;
        let recovering = stream.recovery.as_ref();
        if self.accepted_after.is_none() && recovering.is_none() {
            return None;
        }
        let carried = ResumeQuestion {
            ask_id: stream.ask_id.clone(),
            question_id: self.question_id(),
            wire_id: self.wire_id.clone(),
            deadline: recovering.map_or(self.deadline, |recovering| recovering.deadline),
            chunk_bytes: stream.chunk_bytes,
            min_offsets: self.min_offsets.clone(),
        };
        Some((stream.seq_before, carried))
    }

    /// Tells whether any part of its answer is with the client (version 2).
    pub(crate) fn has_begun(&self) -> bool {
        self.stream.as_deref().is_some_and(AnswerStream::has_begun)
    }

    fn is_recovering(&self) -> bool {
        let stream = self.stream.as_deref();
        stream.is_some_and(|stream| stream.recovery.is_some())
    }
}

impl SessionRegistry {
    /// Makes the session wait for this question, until its deadline.
    pub(crate) fn begin_waiting(&mut self, question: OutstandingQuestion) {
        let id = &question.key.id;
        if let Some(session) = self.sessions.get_mut(id) {
            session.state = SessionState::Waiting(question.question_id());
        }
        self.deadlines
            .insert((question.deadline, SessionTimer::AnswerDeadline, id.clone()));
        self.outstanding_questions
            .insert(question.question_id(), question);
    }

    /// Frees a waiting session: it is idle again and its question is the caller's to end. `None`
    /// when it does not wait.
    pub(crate) fn end_waiting(&mut self, id: &SessionId) -> Option<OutstandingQuestion> {
        let session = self.sessions.get_mut(id)?;
        let question_id = match session.state {
            SessionState::Waiting(question_id) => question_id,
            SessionState::Departed { .. } | SessionState::Idle | SessionState::Closing => {
                return None;
            }
        };
        session.state = SessionState::Idle;
        let question = self.outstanding_questions.remove(&question_id)?;
        self.deadlines
            .remove(&(question.deadline, SessionTimer::AnswerDeadline, id.clone()));
        Some(question)
    }

    /// A part of this question's answer came: it waits for the next one.
    pub(crate) fn wait_for_next_part(&mut self, now: Instant, question_id: QuestionId) {
        let Some(question) = self.outstanding_questions.get(&question_id) else {
            return;
        };
        let at_the_latest = question.asked_at + self.settings.max_answer_time;
        let next_part = now + self.settings.part_timeout;
        self.move_deadline(question_id, at_the_latest.min(next_part));
    }

    /// Moves the deadline of an open question.
    pub(crate) fn move_deadline(&mut self, question_id: QuestionId, deadline: Instant) {
        let Some(question) = self.outstanding_questions.get_mut(&question_id) else {
            return;
        };
        let before = std::mem::replace(&mut question.deadline, deadline);
        let (timer, id) = (SessionTimer::AnswerDeadline, &question.key.id);
        self.deadlines.remove(&(before, timer, id.clone()));
        self.deadlines.insert((deadline, timer, id.clone()));
    }

    /// The session's socket is gone, or is to go: its question, if it waits, ends here. Version 1
    /// clears the session, version 2 has a token.
    pub(crate) fn end_question_of_lost_socket(&mut self, now: Instant, id: &SessionId) {
        let Some(question) = self.end_waiting(id) else {
            return;
        };
        let outcome = match question.version() {
            ProtocolVersion::V1 => QuestionOutcome::Undeliverable,
            ProtocolVersion::V2 => QuestionOutcome::HandedOff,
        };
        self.abandon_question(now, question, outcome);
    }

    /// Ends a question whose answer may still come. An unreported one is counted when its report
    /// comes; when too many such reports are awaited, at once and as accepted: rather one too many in
    /// the accounts than one that nobody accounts for.
    pub(crate) fn abandon_question(
        &mut self,
        now: Instant,
        question: OutstandingQuestion,
        outcome: QuestionOutcome,
    ) {
        self.expect_late_answer(now, &question, late_outcome(outcome));
        if question.is_recovering() {
            // It stands in no account yet.
            return;
        }
        let after = now - question.asked_at;
        let version = question.version();
        let OutstandingQuestion {
            publish_id: publish,
            key,
            ..
        } = question;
        if question.accepted_after.is_none() {
            if self.unreported_questions.len() < self.settings.max_departed_sessions {
                let unreported = UnreportedQuestion {
                    key,
                    version,
                    asked_at: question.asked_at,
                    outcome,
                };
                self.unreported_questions.insert(publish, unreported);
                return;
            }
            self.record_accepted(key.clone(), version, after);
        }
        self.record_ended(key, outcome, after);
    }

    /// Notes that the session may be owed an answer to this question: an ambiguity. `outcome` is
    /// what that answer counts as.
    pub(crate) fn expect_late_answer(
        &mut self,
        now: Instant,
        question: &OutstandingQuestion,
        outcome: AnswerOutcome,
    ) {
        let until = now + self.settings.answer_ttl;
        if let Some(session) = self.sessions.get_mut(&question.key.id) {
            session
                .pending_answers
                .expect_late(now, until, &question.wire_id, outcome);
        }
    }

    /// Notes that an answer that was given may come again to this session: an ambiguity that explains no
    /// answer.
    pub(crate) fn expect_duplicate_answer(&mut self, now: Instant, id: &SessionId) {
        let until = now + self.settings.answer_ttl;
        if let Some(session) = self.sessions.get_mut(id) {
            session.pending_answers.expect_duplicate(now, until);
        }
    }

    /// Counts a question as in Kafka.
    pub(crate) fn record_accepted(
        &mut self,
        key: SessionKey,
        version: ProtocolVersion,
        after: Duration,
    ) {
        self.ledger.count_accepted();
        self.record_event(SessionEvent::QuestionAccepted {
            key,
            version,
            elapsed: after,
        });
    }

    /// Counts how a question ended.
    pub(crate) fn record_ended(
        &mut self,
        key: SessionKey,
        outcome: QuestionOutcome,
        after: Duration,
    ) {
        self.ledger.count_ended(outcome);
        self.record_event(SessionEvent::QuestionEnded {
            key,
            outcome,
            elapsed: after,
        });
    }

    /// Returns the session's state, if it still has this connection.
    pub(crate) fn current_state(&self, key: &SessionKey) -> Option<SessionState> {
        let session = self.sessions.get(&key.id)?;
        let current = session.state.is_connected() && session.generation == key.generation;
        current.then_some(session.state)
    }
}

/// Returns the outcome of an answer that comes for an abandoned question.
fn late_outcome(outcome: QuestionOutcome) -> AnswerOutcome {
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
