//! Whose is it? An answer was read from Kafka.
//!
//! In this order: the echoed question id decides; else the wire id; else, under the plain id, the
//! session's only open question, provided the record is not below its floor. No clock decides
//! anything, and equal text is no sign of a duplicate.

use std::time::{Duration, Instant};

use types::{
    Answer, AnswerBody, AnswerOutcome, AnswerPart, AnswerText, QuestionId, QuestionIdEcho,
    QuestionOutcome, SessionId,
};

use crate::parts::{Joined, Part, Parts};
use crate::question::Pending;
use crate::session::Answered;
use crate::state::State;
use crate::{End, ErrorCode, Event, Registry, Reply, Told, Version};

/// How a question ends that something came for.
enum Finish {
    /// With the answer, or the last text of it.
    Answer(AnswerText),
    /// With an error.
    Failed,
}

/// What a record is to the open questions.
enum Attribution {
    /// It answers the one this session waits for.
    To(SessionId),
    /// It names a question of one session and carries the id of another.
    Contradiction,
    /// It answers none of them.
    None,
}

impl Registry {
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Answer) {
        if !answer.wire_id.is_plain() && self.knows(answer.wire_id.as_str()) {
            self.stripped_suffix.on_suffixed_answer();
        }
        let outcome = match self.attribute(&answer) {
            Attribution::To(id) => return self.receive(now, &id, answer),
            Attribution::Contradiction => AnswerOutcome::Invalid,
            Attribution::None => self.explain(now, &answer),
        };
        self.decided(outcome);
    }

    fn attribute(&self, answer: &Answer) -> Attribution {
        match answer.question_id {
            QuestionIdEcho::Echoed(id) => self.attribute_by_question(id, answer),
            QuestionIdEcho::Absent => self.attribute_by_wire_id(answer),
            QuestionIdEcho::Foreign => Attribution::None,
        }
    }

    fn attribute_by_question(&self, id: QuestionId, answer: &Answer) -> Attribution {
        match self.pending.get(&id) {
            None => Attribution::None,
            Some(question) if question.key.id.as_str() != answer.wire_id.session() => {
                Attribution::Contradiction
            }
            // The same question asked before: a whole answer is good, unless parts of another are
            // with the client; a part has no others here.
            Some(question)
                if is_of_another_asking(question, answer)
                    && (is_part(answer) || question.has_begun()) =>
            {
                Attribution::None
            }
            Some(question) => Attribution::To(question.key.id.clone()),
        }
    }

    fn attribute_by_wire_id(&self, answer: &Answer) -> Attribution {
        match self.waited_for(answer.wire_id.session()) {
            Some(question)
                if question.wire_id == answer.wire_id && could_answer(question, answer) =>
            {
                Attribution::To(question.key.id.clone())
            }
            Some(_) | None => Attribution::None,
        }
    }

    /// The question this session waits for.
    pub(crate) fn waited_for(&self, session: &str) -> Option<&Pending> {
        match self.sessions.get(session)?.state {
            State::Waiting(question_id) => self.pending.get(&question_id),
            State::Departed { .. } | State::Idle | State::Closing => None,
        }
    }

    /// A record answers the question this session waits for: wholly, or in part.
    fn receive(&mut self, now: Instant, id: &SessionId, answer: Answer) {
        let max_bytes = self.settings.max_answer_bytes;
        let question = self.waited(id);
        if let Some(recovering) = question.recovering() {
            // Decided once the past is known.
            return recovering.held.push(answer, max_bytes);
        }
        if let Some(stream) = question.stream.as_deref_mut() {
            stream.metadata = answer.metadata.or(stream.metadata.take());
        }
        let text = match answer.body {
            AnswerBody::Text(text) => text,
            AnswerBody::Failed(_) => return self.finish(now, id, Finish::Failed),
        };
        match answer.part {
            AnswerPart::Whole if question.has_begun() => {
                self.refuse_answer(now, id, Event::PartsBroken);
            }
            AnswerPart::Whole => self.complete(now, id, Vec::new(), text),
            AnswerPart::Piece {
                order,
                is_final,
                attempt,
            } => {
                let part = Part {
                    order,
                    is_final,
                    attempt,
                    at: answer.position,
                    text,
                };
                let exact = !answer.wire_id.is_plain() || answer.replayed;
                self.join(now, id, part, exact);
            }
        }
    }

    /// `exact`: what comes again under the record's wire id can be confused with no other question's.
    fn join(&mut self, now: Instant, id: &SessionId, part: Part, exact: bool) {
        let max_bytes = self.settings.max_answer_bytes;
        let question = self.waited(id);
        let question_id = question.question_id();
        let streams = question.stream.is_some();
        let begun = question.has_begun();
        let parts = question.parts.get_or_insert_with(|| {
            Box::new(match streams {
                true => Parts::apart(),
                false => Parts::default(),
            })
        });
        if begun && parts.is_restarted_by(part.attempt) {
            return self.refuse_answer(now, id, Event::AnswerRestarted);
        }
        // What is sent on waits nowhere: version 2 bounds what is behind a gap.
        let max_bytes = match streams {
            true => max_bytes.saturating_add(part.text.expose().len()),
            false => max_bytes,
        };
        match parts.take(part, max_bytes) {
            Joined::Whole => {
                let mut texts = parts.release();
                let last = texts.pop().expect("a whole answer has a last text");
                self.complete(now, id, texts, last);
            }
            Joined::Kept => {
                let ready = parts.release();
                // It proves that the question is in Kafka.
                self.accept(now, question_id);
                self.send_on(question_id, ready);
                self.wait_for_next_part(now, question_id);
                self.decided(AnswerOutcome::Part);
            }
            Joined::Again => {
                if !exact {
                    self.duplicates_seen(now);
                }
                self.decided(AnswerOutcome::Duplicate);
            }
            Joined::Outdated => self.decided(AnswerOutcome::Late),
            Joined::TooLarge => self.refuse_answer(now, id, Event::AnswerTooLarge),
            Joined::Broken => self.refuse_answer(now, id, Event::PartsBroken),
        }
    }

    /// Parts that are not the last leave as they come.
    fn send_on(&mut self, question_id: QuestionId, texts: Vec<AnswerText>) {
        let Some(question) = self.pending.get_mut(&question_id) else {
            return;
        };
        let Some(stream) = question.stream.as_deref_mut() else {
            return;
        };
        let session = self.sessions.get_mut(&question.key.id);
        let Some(course) = session.and_then(|session| session.course.as_deref_mut()) else {
            return;
        };
        let numbered = texts
            .into_iter()
            .filter_map(|text| stream.number(course, text));
        let stretches: Vec<_> = numbered.collect();
        let key = question.key.clone();
        for stretch in stretches {
            self.tell(key.clone(), Told::Answer(stretch));
        }
    }

    /// All of the answer is here: `last`, and before it what was not sent on.
    fn complete(
        &mut self,
        now: Instant,
        id: &SessionId,
        before: Vec<AnswerText>,
        last: AnswerText,
    ) {
        let question = self.waited(id);
        let question_id = question.question_id();
        match question.version() {
            Version::V2 => {
                self.accept(now, question_id);
                self.send_on(question_id, before);
                self.finish(now, id, Finish::Answer(last));
            }
            Version::V1 if last.expose().len() > self.settings.max_answer_bytes => {
                self.refuse_answer(now, id, Event::AnswerTooLarge);
            }
            Version::V1 => self.finish(now, id, Finish::Answer(last)),
        }
    }

    /// The answer cannot be given; its question ends with an error.
    fn refuse_answer(&mut self, now: Instant, id: &SessionId, why: Event) {
        self.note(why);
        self.finish(now, id, Finish::Failed);
    }

    fn decided(&mut self, outcome: AnswerOutcome) {
        self.note(Event::AnswerDecided { outcome });
    }

    /// The question that a session waits for, if it does.
    pub(crate) fn waiting(&mut self, id: &SessionId) -> Option<&mut Pending> {
        let question_id = self.waited_for(id.as_str())?.question_id();
        self.pending.get_mut(&question_id)
    }

    /// The question of a session that an answer was attributed to.
    fn waited(&mut self, id: &SessionId) -> &mut Pending {
        self.waiting(id)
            .expect("an answer is attributed to a waiting session only")
    }

    /// The one place where a question ends with what came from the answering side.
    fn finish(&mut self, now: Instant, id: &SessionId, finish: Finish) {
        let question = self.waited(id);
        let (question_id, publish) = (question.question_id(), question.accepted);
        // What came proves that the question is in Kafka.
        self.accept(now, question_id);
        let Some(question) = self.free(id) else {
            return;
        };
        let total = now - question.asked;
        let parts = question.parts.as_deref();
        if parts.is_some_and(Parts::may_have_stragglers) {
            self.incur(now, &question, AnswerOutcome::Late);
        }
        if !question.reported && question.wire_id.is_plain() {
            // While nobody has confirmed it, the producer may write it once more, and it is answered once
            // more.
            self.doubt(now, id);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.answered = Some(Box::new(Answered::new(&question)));
        }
        let key = question.key.clone();
        let outcome = match finish {
            Finish::Failed => {
                self.tell_end(&question, ErrorCode::AnswerFailed);
                QuestionOutcome::Failed
            }
            Finish::Answer(text) => {
                match question.version() {
                    Version::V1 => {
                        let reply = Reply::Answer {
                            text,
                            publish,
                            total,
                        };
                        self.send(key.clone(), reply);
                    }
                    Version::V2 => self.send_last(question, text, publish, total),
                }
                QuestionOutcome::Answered
            }
        };
        self.ended(key, outcome, total);
        self.decided(AnswerOutcome::Delivered);
        self.close_if_draining(id);
    }

    /// The last text of an answer in parts.
    fn send_last(
        &mut self,
        mut question: Pending,
        text: AnswerText,
        publish: Option<Duration>,
        total: Duration,
    ) {
        let carried = question.carried();
        let Some(stream) = question.stream.as_deref_mut() else {
            return;
        };
        let Some(course) = self.course(&question.key.id) else {
            return;
        };
        let metadata = stream.metadata.take();
        let stretch = stream.number(course, text);
        course.seq = course.seq.max(stream.seen);
        if let Some((base, carried)) = carried {
            course.answered(carried, base);
        }
        let resume = self.point_of(&question.key.id);
        if let Some((mut stretch, resume)) = stretch.zip(resume) {
            stretch.end = Some(End {
                resume,
                metadata,
                publish,
                total,
            });
            self.tell(question.key, Told::Answer(stretch));
        }
    }

    /// Why an answer goes to nobody.
    fn explain(&mut self, now: Instant, answer: &Answer) -> AnswerOutcome {
        let asked_with_suffix = self.has_asked_with_suffix(now, answer.wire_id.session());
        let Some(session) = self.sessions.get_mut(answer.wire_id.session()) else {
            return AnswerOutcome::Foreign;
        };
        let again = session.was_answered(answer.question_id, &answer.wire_id);
        let plain = answer.wire_id.is_plain();
        let may_be_owed = plain && !again;
        let owed = may_be_owed
            .then(|| session.debts.settle_plain(now, answer.part.is_last()))
            .flatten();
        // Neither open, nor owed, nor put back by an operator: something was answered twice, so the
        // next plain question of any session could get the second answer to its last one. Unless this
        // session has asked under a suffix, which the answering side may have stripped: then it says
        // nothing about other sessions, and this one takes suffixes anyway.
        let unexplained = plain && owed.is_none() && !answer.replayed;
        let stripped = unexplained && asked_with_suffix;
        let twice = unexplained && !asked_with_suffix;
        let outcome = match session.state {
            State::Departed { .. } if session.course.is_some() => return AnswerOutcome::HandedOff,
            State::Departed { .. } => return AnswerOutcome::Undeliverable,
            State::Idle | State::Closing if again || twice => AnswerOutcome::Duplicate,
            State::Waiting(_) if again => AnswerOutcome::Duplicate,
            State::Idle | State::Closing | State::Waiting(_) => owed.unwrap_or(AnswerOutcome::Late),
        };
        if twice {
            self.duplicates_seen(now);
        }
        if stripped && answer.question_id == QuestionIdEcho::Absent {
            self.suffix_may_be_stripped(now, answer.wire_id.session());
        }
        outcome
    }
}

/// Whether a record under the question's own wire id could be its answer. A suffix is exact; the
/// plain id is not, so a record from before the question, or put back from the dead letters, is none.
fn could_answer(question: &Pending, answer: &Answer) -> bool {
    !answer.wire_id.is_plain() || (!answer.replayed && !question.floor.excludes(answer.position))
}

fn is_part(answer: &Answer) -> bool {
    match answer.part {
        AnswerPart::Whole => false,
        AnswerPart::Piece { .. } => true,
    }
}

/// Only version 2 asks the same question again, and then under another suffix.
fn is_of_another_asking(question: &Pending, answer: &Answer) -> bool {
    question.stream.is_some() && !answer.wire_id.is_plain() && answer.wire_id != question.wire_id
}
