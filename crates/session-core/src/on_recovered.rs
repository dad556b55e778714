//! A question goes on that was accepted before, here or elsewhere. Its session waits first, then its
//! past is looked up: so nothing is missed, and what is seen twice is told apart by where it stands.

use std::time::{Duration, Instant};

use types::{Answer, AnswerOutcome, QuestionId, SessionKey};

use crate::question::Pending;
use crate::stream::{Cause, Held, Recovering, Stream, are_clear};
use crate::told::ResumeQuestion;
use crate::{Effect, ErrorCode, Event, Recovery, Registry, Told};

/// A question whose past is to be looked up.
pub(crate) struct Past {
    pub(crate) question: ResumeQuestion,
    /// The number of the last part before its own.
    pub(crate) base: u64,
    /// The last part that the client has.
    pub(crate) seen: u64,
    pub(crate) cause: Cause,
}

impl Registry {
    /// Waits for a question's past, then for its answer.
    pub(crate) fn recover(&mut self, now: Instant, key: SessionKey, past: Past) {
        let Past {
            question,
            base,
            seen,
            cause,
        } = past;
        if let Some(course) = self.course(&key.id) {
            course.seq = base;
        }
        let recovering = Recovering {
            cause,
            deadline: question.deadline,
            held: Held::default(),
        };
        let stream = Stream {
            seen,
            recovering: Some(recovering),
            ..Stream::new(question.id, base, question.part_bytes)
        };
        let publish = self.next_publish(question.question_id);
        self.wait(Pending {
            publish,
            key: key.clone(),
            wire_id: question.wire_id.clone(),
            floor: question.floor.clone(),
            asked: now,
            deadline: now + self.settings.recovery_timeout,
            accepted: None,
            // Its report goes to who asked.
            reported: false,
            parts: None,
            stream: Some(Box::new(stream)),
        });
        self.effect(Effect::Recover {
            key,
            question_id: question.question_id,
            wire_id: question.wire_id,
            floor: question.floor,
        });
    }

    pub(crate) fn on_recovered(
        &mut self,
        now: Instant,
        key: SessionKey,
        question_id: QuestionId,
        recovery: Recovery,
    ) {
        if self.current(&key).is_none() {
            return;
        }
        let waiting = self.waiting(&key.id);
        let Some(question) = waiting.filter(|question| question.publish.question == question_id)
        else {
            return;
        };
        let Some(recovering) = question.take_recovering() else {
            return;
        };
        let records = match recovery {
            Recovery::Found(found) => recovering.held.with(found),
            Recovery::Lost => None,
        };
        // What the client has already is the beginning of one answer; of which, must be clear.
        let begun = question.stream.as_deref();
        let begun = begun.is_some_and(|stream| stream.seen > stream.base);
        match records {
            Some(records) if !begun || are_clear(&records) => {
                question.accepted = Some(Duration::ZERO);
                self.wait_until(question_id, recovering.deadline.max(now));
                self.adopt(now, &key, recovering.cause, records);
            }
            Some(_) | None => self.give_up(now, key, recovering.cause),
        }
    }

    fn adopt(&mut self, now: Instant, key: &SessionKey, cause: Cause, records: Vec<Answer>) {
        self.ledger.adopt();
        self.note(Event::QuestionAdopted { key: key.clone() });
        let Some(resume) = self.point_of(&key.id) else {
            return;
        };
        let question = resume.question.as_ref();
        let pending = question.map(|question| question.id.clone());
        let first = match cause {
            Cause::Resume => Some(Told::Hello {
                resumed: true,
                pending: pending.clone(),
                resume,
            }),
            Cause::AskedAgain => pending.map(|id| Told::Accepted { id, resume }),
        };
        let at = self.effects_len();
        for record in records {
            self.on_answer(now, record);
        }
        if let Some(first) = first {
            self.tell_first(key, at, first);
        }
    }

    /// The past of a question stays unknown.
    pub(crate) fn give_up(&mut self, now: Instant, key: SessionKey, cause: Cause) {
        let Some(question) = self.free(&key.id) else {
            return;
        };
        match cause {
            Cause::Resume => {
                self.incur(now, &question, AnswerOutcome::HandedOff);
                self.not_resumed(now, key);
            }
            Cause::AskedAgain => {
                if let Some(stream) = question.stream {
                    self.tell_error(key.clone(), stream.id, ErrorCode::AlreadyAnswered, None);
                }
                self.close_if_draining(&key.id);
            }
        }
    }
}
