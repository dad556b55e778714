//! A socket of version 2 has said who it is: a session begins, or goes on where a token says.

use std::time::Instant;

use types::{Lineage, SessionKey};

use crate::course::Course;
use crate::on_recovered::Past;
use crate::stream::Cause;
use crate::{Event, Registry, ResumePoint, Start, Told, Version};

impl Registry {
    pub(crate) fn on_start(&mut self, now: Instant, key: SessionKey, start: Start) {
        match start {
            Start::Fresh { lineage } => self.start_fresh(now, key, lineage),
            Start::Resume { point, last_seq } => {
                if self.enter(now, &key) {
                    self.resume(now, key, point, last_seq);
                }
            }
        }
    }

    /// Begins a session, unless a live one has its id: only a valid token replaces a live session's socket.
    fn start_fresh(&mut self, now: Instant, key: SessionKey, lineage: Lineage) {
        if self.current(&key).is_some() {
            return;
        }
        if self.is_here(key.id.as_str()) {
            let version = Version::V2;
            self.note(Event::SessionIdInUse {
                key: key.clone(),
                version,
            });
            return self.tell(key, Told::SessionIdInUse);
        }
        if self.enter(now, &key) {
            self.begin(&key, Course::fresh(lineage));
            self.hello(key, false);
        }
    }

    fn resume(&mut self, now: Instant, key: SessionKey, point: ResumePoint, last_seq: u64) {
        let ResumePoint {
            session: _,
            lineage,
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
                self.begin(&key, Course::at(lineage, last_seq, answered));
                self.hello(key, true);
            }
            Some(question) => {
                self.begin(&key, Course::at(lineage, seq, answered));
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
        self.note(Event::NotResumed { key: key.clone() });
        self.leave(now, key);
    }
}
