//! A socket of version 2 has said who it is: a session begins, or goes on where a token says.

use std::time::Instant;

use types::SessionKey;

use crate::course::Course;
use crate::on_recovered::Past;
use crate::stream::Cause;
use crate::{Registry, ResumePoint, Start, Told};

impl Registry {
    pub(crate) fn on_start(&mut self, now: Instant, key: SessionKey, start: Start) {
        if !self.enter(now, &key) {
            return;
        }
        match start {
            Start::Fresh => {
                self.begin(&key, Course::default());
                self.hello(key, false);
            }
            Start::Resume { point, last_seq } => self.resume(now, key, point, last_seq),
        }
    }

    fn resume(&mut self, now: Instant, key: SessionKey, point: ResumePoint, last_seq: u64) {
        let ResumePoint {
            session: _,
            seq,
            question,
            answered,
        } = point;
        // Parts that the token counts as sent and the client has not cannot be found again.
        if last_seq < seq {
            return self.not_resumed(now, key);
        }
        match question {
            None => {
                self.begin(&key, Course::at(last_seq, answered));
                self.hello(key, true);
            }
            Some(question) => {
                self.begin(&key, Course::at(seq, answered));
                let past = Past {
                    question,
                    base: seq,
                    seen: last_seq,
                    cause: Cause::Resume,
                };
                self.recover(now, key, past);
            }
        }
    }

    fn begin(&mut self, key: &SessionKey, course: Course) {
        if let Some(session) = self.sessions.get_mut(&key.id) {
            session.course = Some(Box::new(course));
        }
    }

    fn hello(&mut self, key: SessionKey, resumed: bool) {
        if let Some(resume) = self.point_of(&key.id) {
            let hello = Told::Hello {
                resumed,
                pending: None,
                resume,
            };
            self.tell(key, hello);
        }
    }

    /// Tells that a session cannot be resumed, and knows its connection no more.
    pub(crate) fn not_resumed(&mut self, now: Instant, key: SessionKey) {
        self.tell(key.clone(), Told::NotResumed);
        self.note(crate::Event::NotResumed { key: key.clone() });
        self.leave(now, key);
    }
}
