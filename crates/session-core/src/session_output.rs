//! Sends messages to version-2 clients, and says from where their sessions can be resumed.

use types::{AskId, SessionId, SessionKey};

use crate::outstanding_question::OutstandingQuestion;
use crate::stream_progress::StreamProgress;
use crate::{
    Effect, MessageV2, ProtocolVersion, QuestionErrorCode, ReplyV1, ResumePoint, SessionRegistry,
};

impl SessionRegistry {
    /// From where this connection's session can go on, for a token; `None` in version 1, and when
    /// the session has another connection.
    pub fn resume_point(&self, key: &SessionKey) -> Option<ResumePoint> {
        self.current_state(key)?;
        self.build_resume_point(&key.id)
    }

    pub(crate) fn build_resume_point(&self, id: &SessionId) -> Option<ResumePoint> {
        let course = self.sessions.get(id)?.progress.as_deref()?;
        let (seq, question) = match self
            .outstanding_question(id.as_str())
            .and_then(OutstandingQuestion::to_resume_question)
        {
            Some((base, question)) => (base, Some(question)),
            None => (course.last_seq, None),
        };
        Some(ResumePoint {
            session: id.clone(),
            lineage: course.lineage,
            seq,
            question,
            answered: course.newest_answered_questions(),
        })
    }

    pub(crate) fn version_of(&self, id: &SessionId) -> ProtocolVersion {
        match self.sessions.get(id).map(|session| &session.progress) {
            Some(Some(_)) => ProtocolVersion::V2,
            Some(None) | None => ProtocolVersion::V1,
        }
    }

    pub(crate) fn progress_mut(&mut self, id: &SessionId) -> Option<&mut StreamProgress> {
        self.sessions.get_mut(id)?.progress.as_deref_mut()
    }

    // === outputs ===

    pub(crate) fn send_v2(&mut self, key: SessionKey, told: MessageV2) {
        let told = Box::new(told);
        self.push_effect(Effect::SendV2 { key, message: told });
    }

    /// Puts a hello, or an acceptance, before all that was told since there were `at` effects. A
    /// question that has ended since, with nothing left to be shown, is not pending.
    pub(crate) fn insert_first_message(&mut self, key: &SessionKey, at: usize, first: MessageV2) {
        let open = self.outstanding_question(key.id.as_str()).is_some();
        let shows = |effect: &Effect| matches!(effect, Effect::SendV2 { .. });
        let has_more = open || self.effects_since(at).any(shows);
        let is_over = matches!(first, MessageV2::Hello { .. }) && !has_more;
        let over = is_over.then(|| self.build_resume_point(&key.id)).flatten();
        let first = over.map_or(first, |resume| MessageV2::Hello {
            resumed: true,
            pending: None,
            resume,
        });
        let (key, told) = (key.clone(), Box::new(first));
        self.insert_effect(at, Effect::SendV2 { key, message: told });
    }

    pub(crate) fn send_error(
        &mut self,
        key: SessionKey,
        id: AskId,
        code: QuestionErrorCode,
        resume: Option<ResumePoint>,
    ) {
        self.send_v2(
            key,
            MessageV2::Error {
                ask_id: id,
                code,
                resume,
            },
        );
    }

    pub(crate) fn send_accepted(&mut self, key: SessionKey, id: AskId) {
        if let Some(resume) = self.build_resume_point(&key.id) {
            self.send_v2(key, MessageV2::Accepted { ask_id: id, resume });
        }
    }

    /// Tells how a question, of which the session is free already, ended without an answer.
    pub(crate) fn send_question_error(
        &mut self,
        question: &OutstandingQuestion,
        code: QuestionErrorCode,
    ) {
        let key = question.key.clone();
        match question.stream.as_deref() {
            Some(stream) => {
                let resume = self.build_resume_point(&key.id);
                self.send_error(key, stream.ask_id.clone(), code, resume);
            }
            None => self.send_v1(key, to_reply_v1(code)),
        }
    }
}

/// Returns the version-1 reply for an error.
fn to_reply_v1(code: QuestionErrorCode) -> ReplyV1 {
    match code {
        QuestionErrorCode::PublishFailed => ReplyV1::PublishFailed,
        QuestionErrorCode::AnswerFailed => ReplyV1::AnswerFailed,
        QuestionErrorCode::Timeout | QuestionErrorCode::Cancelled => ReplyV1::TimedOut,
        QuestionErrorCode::Busy | QuestionErrorCode::AlreadyAnswered => ReplyV1::Busy,
        QuestionErrorCode::Draining => ReplyV1::Draining,
    }
}
