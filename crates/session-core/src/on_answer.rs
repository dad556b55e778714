//! Handles an answer read from Kafka: attributes it to a question.
//!
//! In this order: the echoed question id decides; else the wire id; else, under the plain id, the
//! session's only open question, provided the record is not below its floor. No clock decides
//! anything, and equal text is no sign of a duplicate.

use std::time::{Duration, Instant};

use types::{
    Answer, AnswerBody, AnswerOutcome, AnswerPart, AnswerText, QuestionId, QuestionIdEcho,
    QuestionOutcome, SessionId,
};

use crate::answer_assembler::{AnswerAssembler, PartOutcome, ReceivedPart};
use crate::outstanding_question::OutstandingQuestion;
use crate::session::AnsweredQuestion;
use crate::session_state::SessionState;
use crate::{
    AnswerEnd, MessageV2, ProtocolVersion, QuestionErrorCode, ReplyV1, SessionEvent,
    SessionRegistry,
};

/// The end of a question for which something came.
enum QuestionEnding {
    /// With the answer, or the last text of it.
    Answer(AnswerText),
    /// With an error.
    Failed,
}

/// The question that a record is attributed to.
enum Attribution {
    /// It answers the one this session waits for.
    Session(SessionId),
    /// It names a question of one session and carries the id of another.
    Contradiction,
    /// It answers none of them.
    None,
}

impl SessionRegistry {
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Answer) {
        if !answer.wire_id.is_plain() && self.is_session_known(answer.wire_id.as_str()) {
            self.stripped_suffix_detector.on_suffixed_answer();
        }
        let outcome = match self.attribute(&answer) {
            Attribution::Session(id) => return self.receive_answer(now, &id, answer),
            Attribution::Contradiction => AnswerOutcome::Invalid,
            Attribution::None => self.classify_unattributed(now, &answer),
        };
        self.record_answer_outcome(outcome);
    }

    fn attribute(&self, answer: &Answer) -> Attribution {
        match answer.question_id {
            QuestionIdEcho::Echoed(id) => self.attribute_by_question(id, answer),
            QuestionIdEcho::Absent => self.attribute_by_wire_id(answer),
            QuestionIdEcho::Foreign => Attribution::None,
        }
    }

    fn attribute_by_question(&self, id: QuestionId, answer: &Answer) -> Attribution {
        match self.outstanding_questions.get(&id) {
            None => Attribution::None,
            Some(question) if question.key.id.as_str() != answer.wire_id.session_id() => {
                Attribution::Contradiction
            }
            // The same question asked before: a whole answer is good, unless parts of another are
            // with the client; a part has no others here.
            Some(question)
                if is_for_another_ask(question, answer)
                    && (is_part(answer) || question.has_begun()) =>
            {
                Attribution::None
            }
            Some(question) => Attribution::Session(question.key.id.clone()),
        }
    }

    fn attribute_by_wire_id(&self, answer: &Answer) -> Attribution {
        match self.outstanding_question(answer.wire_id.session_id()) {
            Some(question)
                if question.wire_id == answer.wire_id && may_answer(question, answer) =>
            {
                Attribution::Session(question.key.id.clone())
            }
            Some(_) | None => Attribution::None,
        }
    }

    /// The question this session waits for.
    pub(crate) fn outstanding_question(&self, session: &str) -> Option<&OutstandingQuestion> {
        match self.sessions.get(session)?.state {
            SessionState::Waiting(question_id) => self.outstanding_questions.get(&question_id),
            SessionState::Departed { .. } | SessionState::Idle | SessionState::Closing => None,
        }
    }

    /// A record answers the question this session waits for: wholly, or in part.
    fn receive_answer(&mut self, now: Instant, id: &SessionId, answer: Answer) {
        let max_bytes = self.settings.max_answer_bytes;
        let question = self.attributed_question_mut(id);
        if let Some(recovering) = question.recovery_mut() {
            // Decided once the past is known.
            return recovering.held.push(answer, max_bytes);
        }
        if let Some(stream) = question.stream.as_deref_mut() {
            stream.metadata = answer.metadata.or(stream.metadata.take());
        }
        let text = match answer.body {
            AnswerBody::Text(text) => text,
            AnswerBody::Failed(_) => return self.finish_question(now, id, QuestionEnding::Failed),
        };
        match answer.part {
            AnswerPart::Whole if question.has_begun() => {
                self.fail_question(now, id, SessionEvent::ContradictoryParts);
            }
            AnswerPart::Whole => self.complete_answer(now, id, Vec::new(), text),
            AnswerPart::Piece {
                order,
                is_final,
                attempt,
            } => {
                let part = ReceivedPart {
                    order,
                    is_final,
                    attempt,
                    position: answer.position,
                    text,
                };
                let exact = !answer.wire_id.is_plain() || answer.is_replayed;
                self.add_part(now, id, part, exact);
            }
        }
    }

    /// `exact`: what comes again under the record's wire id can be confused with no other question's.
    fn add_part(&mut self, now: Instant, id: &SessionId, part: ReceivedPart, exact: bool) {
        let max_bytes = self.settings.max_answer_bytes;
        let question = self.attributed_question_mut(id);
        let question_id = question.question_id();
        let streams = question.stream.is_some();
        let begun = question.has_begun();
        let parts = question.assembler.get_or_insert_with(|| {
            Box::new(match streams {
                true => AnswerAssembler::with_separate_texts(),
                false => AnswerAssembler::default(),
            })
        });
        if begun && parts.is_restarted_by(part.attempt) {
            return self.fail_question(now, id, SessionEvent::AnswerRestarted);
        }
        // What is sent on waits nowhere: version 2 bounds what is behind a gap.
        let max_bytes = match streams {
            true => max_bytes.saturating_add(part.text.expose().len()),
            false => max_bytes,
        };
        match parts.add(part, max_bytes) {
            PartOutcome::Completed => {
                let mut texts = parts.take_ready();
                let last = texts.pop().expect("a whole answer has a last text");
                self.complete_answer(now, id, texts, last);
            }
            PartOutcome::Kept => {
                let ready = parts.take_ready();
                // It proves that the question is in Kafka.
                self.mark_accepted(now, question_id);
                self.forward_texts(question_id, ready);
                self.wait_for_next_part(now, question_id);
                self.record_answer_outcome(AnswerOutcome::Part);
            }
            PartOutcome::Duplicate => {
                if !exact {
                    self.on_duplicate_answers(now);
                }
                self.record_answer_outcome(AnswerOutcome::Duplicate);
            }
            PartOutcome::StaleAttempt => self.record_answer_outcome(AnswerOutcome::Late),
            PartOutcome::TooLarge => self.fail_question(now, id, SessionEvent::AnswerTooLarge),
            PartOutcome::Contradictory => {
                self.fail_question(now, id, SessionEvent::ContradictoryParts)
            }
        }
    }

    /// Parts that are not the last leave as they come.
    fn forward_texts(&mut self, question_id: QuestionId, texts: Vec<AnswerText>) {
        let Some(question) = self.outstanding_questions.get_mut(&question_id) else {
            return;
        };
        let Some(stream) = question.stream.as_deref_mut() else {
            return;
        };
        let session = self.sessions.get_mut(&question.key.id);
        let Some(course) = session.and_then(|session| session.progress.as_deref_mut()) else {
            return;
        };
        let numbered = texts
            .into_iter()
            .filter_map(|text| stream.number_chunks(course, text));
        let stretches: Vec<_> = numbered.collect();
        let key = question.key.clone();
        for stretch in stretches {
            self.send_v2(key.clone(), MessageV2::AnswerChunks(stretch));
        }
    }

    /// All of the answer is here: `last`, and before it what was not sent on.
    fn complete_answer(
        &mut self,
        now: Instant,
        id: &SessionId,
        before: Vec<AnswerText>,
        last: AnswerText,
    ) {
        let question = self.attributed_question_mut(id);
        let question_id = question.question_id();
        match question.version() {
            ProtocolVersion::V2 => {
                self.mark_accepted(now, question_id);
                self.forward_texts(question_id, before);
                self.finish_question(now, id, QuestionEnding::Answer(last));
            }
            ProtocolVersion::V1 if last.expose().len() > self.settings.max_answer_bytes => {
                self.fail_question(now, id, SessionEvent::AnswerTooLarge);
            }
            ProtocolVersion::V1 => self.finish_question(now, id, QuestionEnding::Answer(last)),
        }
    }

    /// The answer cannot be given; its question ends with an error.
    fn fail_question(&mut self, now: Instant, id: &SessionId, why: SessionEvent) {
        self.record_event(why);
        self.finish_question(now, id, QuestionEnding::Failed);
    }

    fn record_answer_outcome(&mut self, outcome: AnswerOutcome) {
        self.record_event(SessionEvent::AnswerDecided { outcome });
    }

    /// The question that a session waits for, if it does.
    pub(crate) fn outstanding_question_mut(
        &mut self,
        id: &SessionId,
    ) -> Option<&mut OutstandingQuestion> {
        let question_id = self.outstanding_question(id.as_str())?.question_id();
        self.outstanding_questions.get_mut(&question_id)
    }

    /// The question of a session that an answer was attributed to.
    fn attributed_question_mut(&mut self, id: &SessionId) -> &mut OutstandingQuestion {
        self.outstanding_question_mut(id)
            .expect("an answer is attributed to a waiting session only")
    }

    /// The one place where a question ends with what came from the answering side.
    fn finish_question(&mut self, now: Instant, id: &SessionId, finish: QuestionEnding) {
        let question = self.attributed_question_mut(id);
        let (question_id, publish) = (question.question_id(), question.accepted_after);
        // What came proves that the question is in Kafka.
        self.mark_accepted(now, question_id);
        let Some(question) = self.end_waiting(id) else {
            return;
        };
        let total = now - question.asked_at;
        let parts = question.assembler.as_deref();
        if parts.is_some_and(AnswerAssembler::may_have_late_parts) {
            self.expect_late_answer(now, &question, AnswerOutcome::Late);
        }
        if !question.is_reported && question.wire_id.is_plain() {
            // While nobody has confirmed it, the producer may write it once more, and it is answered once
            // more.
            self.expect_duplicate_answer(now, id);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.last_answered = Some(Box::new(AnsweredQuestion::new(&question)));
        }
        let key = question.key.clone();
        let outcome = match finish {
            QuestionEnding::Failed => {
                self.send_question_error(&question, QuestionErrorCode::AnswerFailed);
                QuestionOutcome::Failed
            }
            QuestionEnding::Answer(text) => {
                match question.version() {
                    ProtocolVersion::V1 => {
                        let reply = ReplyV1::Answer {
                            text,
                            publish_time: publish,
                            total_time: total,
                        };
                        self.send_v1(key.clone(), reply);
                    }
                    ProtocolVersion::V2 => self.send_final_chunks(question, text, publish, total),
                }
                QuestionOutcome::Answered
            }
        };
        self.record_ended(key, outcome, total);
        self.record_answer_outcome(AnswerOutcome::Delivered);
        self.close_if_draining(id);
    }

    /// The last text of an answer in parts.
    fn send_final_chunks(
        &mut self,
        mut question: OutstandingQuestion,
        text: AnswerText,
        publish: Option<Duration>,
        total: Duration,
    ) {
        let carried = question.to_resume_question();
        let Some(stream) = question.stream.as_deref_mut() else {
            return;
        };
        let Some(course) = self.progress_mut(&question.key.id) else {
            return;
        };
        let metadata = stream.metadata.take();
        let stretch = stream.number_chunks(course, text);
        course.last_seq = course.last_seq.max(stream.received_seq);
        if let Some((base, carried)) = carried {
            course.record_answered(carried, base);
        }
        let resume = self.build_resume_point(&question.key.id);
        if let Some((mut stretch, resume)) = stretch.zip(resume) {
            stretch.end = Some(AnswerEnd {
                resume,
                metadata,
                publish_time: publish,
                total_time: total,
            });
            self.send_v2(question.key, MessageV2::AnswerChunks(stretch));
        }
    }

    /// Returns the outcome of an answer that no question waits for.
    fn classify_unattributed(&mut self, now: Instant, answer: &Answer) -> AnswerOutcome {
        let asked_with_suffix = self.has_asked_with_suffix(now, answer.wire_id.session_id());
        let Some(session) = self.sessions.get_mut(answer.wire_id.session_id()) else {
            return AnswerOutcome::Foreign;
        };
        let again = session.is_repeat_of_last_answer(answer.question_id, &answer.wire_id);
        let plain = answer.wire_id.is_plain();
        let may_be_owed = plain && !again;
        let owed = may_be_owed
            .then(|| {
                session
                    .pending_answers
                    .take_plain_outcome(now, answer.part.is_last())
            })
            .flatten();
        // Neither open, nor owed, nor put back by an operator: something was answered twice, so the
        // next plain question of any session could get the second answer to its last one. Unless this
        // session has asked under a suffix, which the answering side may have stripped: then it says
        // nothing about other sessions, and this one takes suffixes anyway.
        let unexplained = plain && owed.is_none() && !answer.is_replayed;
        let stripped = unexplained && asked_with_suffix;
        let twice = unexplained && !asked_with_suffix;
        let outcome = match session.state {
            SessionState::Departed { .. } if session.progress.is_some() => {
                return AnswerOutcome::HandedOff;
            }
            SessionState::Departed { .. } => return AnswerOutcome::Undeliverable,
            SessionState::Idle | SessionState::Closing if again || twice => {
                AnswerOutcome::Duplicate
            }
            SessionState::Waiting(_) if again => AnswerOutcome::Duplicate,
            SessionState::Idle | SessionState::Closing | SessionState::Waiting(_) => {
                owed.unwrap_or(AnswerOutcome::Late)
            }
        };
        if twice {
            self.on_duplicate_answers(now);
        }
        if stripped && answer.question_id == QuestionIdEcho::Absent {
            self.on_unattributed_bare_answer(now, answer.wire_id.session_id());
        }
        outcome
    }
}

/// Tells whether a record under the question's own wire id could be its answer. A suffix is exact; the
/// plain id is not, so a record from before the question, or put back from the dead letters, is none.
fn may_answer(question: &OutstandingQuestion, answer: &Answer) -> bool {
    !answer.wire_id.is_plain()
        || (!answer.is_replayed && !question.min_offsets.excludes(answer.position))
}

fn is_part(answer: &Answer) -> bool {
    match answer.part {
        AnswerPart::Whole => false,
        AnswerPart::Piece { .. } => true,
    }
}

/// Only version 2 asks the same question again, and then under another suffix.
fn is_for_another_ask(question: &OutstandingQuestion, answer: &Answer) -> bool {
    question.stream.is_some() && !answer.wire_id.is_plain() && answer.wire_id != question.wire_id
}
