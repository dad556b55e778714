//! What version 2 shares: what its clients are told, and from where their sessions can go on.

use types::{AskId, SessionId, SessionKey};

use crate::course::Course;
use crate::question::Pending;
use crate::{Effect, ErrorCode, Registry, Reply, ResumePoint, Told, Version};

impl Registry {
    /// From where this connection's session can go on, for a token; `None` in version 1, and when
    /// the session has another connection.
    pub fn resume_point(&self, key: &SessionKey) -> Option<ResumePoint> {
        self.current(key)?;
        self.point_of(&key.id)
    }

    pub(crate) fn point_of(&self, id: &SessionId) -> Option<ResumePoint> {
        let course = self.sessions.get(id)?.course.as_deref()?;
        let (seq, question) = match self.waited_for(id.as_str()).and_then(Pending::carried) {
            Some((base, question)) => (base, Some(question)),
            None => (course.seq, None),
        };
        Some(ResumePoint {
            session: id.clone(),
            lineage: course.lineage,
            seq,
            question,
            answered: course.newest_answered(),
        })
    }

    pub(crate) fn version(&self, id: &SessionId) -> Version {
        match self.sessions.get(id).map(|session| &session.course) {
            Some(Some(_)) => Version::V2,
            Some(None) | None => Version::V1,
        }
    }

    pub(crate) fn course(&mut self, id: &SessionId) -> Option<&mut Course> {
        self.sessions.get_mut(id)?.course.as_deref_mut()
    }

    // === outputs ===

    pub(crate) fn tell(&mut self, key: SessionKey, told: Told) {
        let told = Box::new(told);
        self.effect(Effect::Tell { key, told });
    }

    /// Puts a hello, or an acceptance, before all that was told since there were `at` effects. A
    /// question that has ended since, with nothing left to be shown, is not pending.
    pub(crate) fn tell_first(&mut self, key: &SessionKey, at: usize, first: Told) {
        let open = self.waited_for(key.id.as_str()).is_some();
        let shows = |effect: &Effect| matches!(effect, Effect::Tell { .. });
        let has_more = open || self.effects_since(at).any(shows);
        let is_over = matches!(first, Told::Hello { .. }) && !has_more;
        let over = is_over.then(|| self.point_of(&key.id)).flatten();
        let first = over.map_or(first, |resume| Told::Hello {
            resumed: true,
            pending: None,
            resume,
        });
        let (key, told) = (key.clone(), Box::new(first));
        self.insert_effect(at, Effect::Tell { key, told });
    }

    pub(crate) fn tell_error(
        &mut self,
        key: SessionKey,
        id: AskId,
        code: ErrorCode,
        resume: Option<ResumePoint>,
    ) {
        self.tell(key, Told::Error { id, code, resume });
    }

    pub(crate) fn tell_accepted(&mut self, key: SessionKey, id: AskId) {
        if let Some(resume) = self.point_of(&key.id) {
            self.tell(key, Told::Accepted { id, resume });
        }
    }

    /// Tells how a question, of which the session is free already, ended without an answer.
    pub(crate) fn tell_end(&mut self, question: &Pending, code: ErrorCode) {
        let key = question.key.clone();
        match question.stream.as_deref() {
            Some(stream) => {
                let resume = self.point_of(&key.id);
                self.tell_error(key, stream.id.clone(), code, resume);
            }
            None => self.send(key, version_1(code)),
        }
    }
}

/// What version 1 says instead.
fn version_1(code: ErrorCode) -> Reply {
    match code {
        ErrorCode::PublishFailed => Reply::PublishFailed,
        ErrorCode::AnswerFailed => Reply::AnswerFailed,
        ErrorCode::Timeout | ErrorCode::Cancelled => Reply::TimedOut,
        ErrorCode::Busy | ErrorCode::AlreadyAnswered => Reply::Busy,
        ErrorCode::Draining => Reply::Draining,
    }
}
