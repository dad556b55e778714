//! A question goes on that was accepted before, here or elsewhere. Its session waits first, then its
//! past is looked up: so nothing is missed, and what is seen twice is told apart by where it stands.

use std::time::{Duration, Instant};

use types::{Answer, AnswerOutcome, QuestionId, SessionKey};

use crate::answer_stream::{
    AnswerStream, HeldRecords, QuestionRecovery, RecoveryCause, are_one_answer,
};
use crate::outstanding_question::OutstandingQuestion;
use crate::server_message::ResumeQuestion;
use crate::{Effect, MessageV2, QuestionErrorCode, RecoveryResult, SessionEvent, SessionRegistry};

/// A question whose past is to be looked up.
pub(crate) struct QuestionToRecover {
    pub(crate) question: ResumeQuestion,
    /// The number of the last part before its own.
    pub(crate) seq_before: u64,
    /// The last part that the client has.
    pub(crate) received_seq: u64,
    pub(crate) cause: RecoveryCause,
}

impl SessionRegistry {
    /// Waits for a question's past, then for its answer.
    pub(crate) fn begin_recovery(
        &mut self,
        now: Instant,
        key: SessionKey,
        past: QuestionToRecover,
    ) {
        let QuestionToRecover {
            question,
            seq_before: base,
            received_seq: seen,
            cause,
        } = past;
        if let Some(course) = self.progress_mut(&key.id) {
            course.last_seq = base;
        }
        let recovering = QuestionRecovery {
            cause,
            deadline: question.deadline,
            held: HeldRecords::default(),
        };
        let stream = AnswerStream {
            received_seq: seen,
            recovery: Some(recovering),
            ..AnswerStream::new(question.ask_id, base, question.chunk_bytes)
        };
        let publish = self.next_publish_id(question.question_id);
        self.begin_waiting(OutstandingQuestion {
            publish_id: publish,
            key: key.clone(),
            wire_id: question.wire_id.clone(),
            min_offsets: question.min_offsets.clone(),
            asked_at: now,
            deadline: now + self.settings.recovery_timeout,
            accepted_after: None,
            // Its report goes to who asked.
            is_reported: false,
            assembler: None,
            stream: Some(Box::new(stream)),
        });
        self.push_effect(Effect::Recover {
            key,
            question_id: question.question_id,
            wire_id: question.wire_id,
            min_offsets: question.min_offsets,
        });
    }

    pub(crate) fn on_recovered(
        &mut self,
        now: Instant,
        key: SessionKey,
        question_id: QuestionId,
        recovery: RecoveryResult,
    ) {
        if self.current_state(&key).is_none() {
            return;
        }
        let waiting = self.outstanding_question_mut(&key.id);
        let Some(question) = waiting.filter(|question| question.publish_id.question == question_id)
        else {
            return;
        };
        let Some(recovering) = question.take_recovery() else {
            return;
        };
        let records = match recovery {
            RecoveryResult::Found(found) => recovering.held.merge_found(found),
            RecoveryResult::Unavailable => None,
        };
        // What the client has already is the beginning of one answer; of which, must be clear.
        let begun = question.stream.as_deref();
        let begun = begun.is_some_and(|stream| stream.received_seq > stream.seq_before);
        match records {
            Some(records) if !begun || are_one_answer(&records) => {
                question.accepted_after = Some(Duration::ZERO);
                self.move_deadline(question_id, recovering.deadline.max(now));
                self.adopt_question(now, &key, recovering.cause, records);
            }
            Some(_) | None => self.abort_recovery(now, key, recovering.cause),
        }
    }

    fn adopt_question(
        &mut self,
        now: Instant,
        key: &SessionKey,
        cause: RecoveryCause,
        records: Vec<Answer>,
    ) {
        self.ledger.count_adopted();
        self.record_event(SessionEvent::QuestionAdopted { key: key.clone() });
        let Some(resume) = self.build_resume_point(&key.id) else {
            return;
        };
        let question = resume.question.as_ref();
        let pending = question.map(|question| question.ask_id.clone());
        let first = match cause {
            RecoveryCause::Resume => Some(MessageV2::Hello {
                resumed: true,
                pending: pending.clone(),
                resume,
            }),
            RecoveryCause::AskedAgain => {
                pending.map(|id| MessageV2::Accepted { ask_id: id, resume })
            }
        };
        let at = self.effect_count();
        for record in records {
            self.on_answer(now, record);
        }
        if let Some(first) = first {
            self.insert_first_message(key, at, first);
        }
    }

    /// The past of a question stays unknown.
    pub(crate) fn abort_recovery(&mut self, now: Instant, key: SessionKey, cause: RecoveryCause) {
        let Some(question) = self.end_waiting(&key.id) else {
            return;
        };
        match cause {
            RecoveryCause::Resume => {
                self.expect_late_answer(now, &question, AnswerOutcome::HandedOff);
                self.refuse_resume(now, key);
            }
            RecoveryCause::AskedAgain => {
                if let Some(stream) = question.stream {
                    self.send_error(
                        key.clone(),
                        stream.ask_id,
                        QuestionErrorCode::AlreadyAnswered,
                        None,
                    );
                }
                self.close_if_draining(&key.id);
            }
        }
    }
}
