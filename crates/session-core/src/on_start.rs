//! A socket of version 2 has said who it is: a session begins, or goes on where a token says.

use std::time::Instant;

use types::{Lineage, SessionKey};

use crate::answer_stream::RecoveryCause;
use crate::on_recovered::QuestionToRecover;
use crate::stream_progress::StreamProgress;
use crate::{MessageV2, ProtocolVersion, ResumePoint, SessionEvent, SessionRegistry, SessionStart};

impl SessionRegistry {
    pub(crate) fn on_start(&mut self, now: Instant, key: SessionKey, start: SessionStart) {
        match start {
            SessionStart::Fresh { lineage } => self.start_new_session(now, key, lineage),
            SessionStart::Resume { point, last_seq } => {
                if self.attach_connection(now, &key) {
                    self.resume_session(now, key, point, last_seq);
                }
            }
        }
    }

    /// Begins a session, unless a live one has its id: only a valid token replaces a live session's socket.
    fn start_new_session(&mut self, now: Instant, key: SessionKey, lineage: Lineage) {
        if self.current_state(&key).is_some() {
            return;
        }
        if self.is_connected(key.id.as_str()) {
            let version = ProtocolVersion::V2;
            self.record_event(SessionEvent::SessionIdInUse {
                key: key.clone(),
                version,
            });
            return self.send_v2(key, MessageV2::SessionIdInUse);
        }
        if self.attach_connection(now, &key) {
            self.set_progress(&key, StreamProgress::new(lineage));
            self.send_hello(key, false);
        }
    }

    fn resume_session(&mut self, now: Instant, key: SessionKey, point: ResumePoint, last_seq: u64) {
        let ResumePoint {
            session: _,
            lineage,
            seq,
            question,
            answered,
        } = point;
        // Parts that the token counts as sent and the client has not cannot be found again.
        if last_seq < seq {
            return self.refuse_resume(now, key);
        }
        match question {
            None => {
                self.set_progress(
                    &key,
                    StreamProgress::resumed_at(lineage, last_seq, answered),
                );
                self.send_hello(key, true);
            }
            Some(question) => {
                self.set_progress(&key, StreamProgress::resumed_at(lineage, seq, answered));
                let past = QuestionToRecover {
                    question,
                    seq_before: seq,
                    received_seq: last_seq,
                    cause: RecoveryCause::Resume,
                };
                self.begin_recovery(now, key, past);
            }
        }
    }

    fn set_progress(&mut self, key: &SessionKey, course: StreamProgress) {
        if let Some(session) = self.sessions.get_mut(&key.id) {
            session.progress = Some(Box::new(course));
        }
    }

    fn send_hello(&mut self, key: SessionKey, resumed: bool) {
        if let Some(resume) = self.build_resume_point(&key.id) {
            let hello = MessageV2::Hello {
                resumed,
                pending: None,
                resume,
            };
            self.send_v2(key, hello);
        }
    }

    /// Tells that a session cannot be resumed, and knows its connection no more.
    pub(crate) fn refuse_resume(&mut self, now: Instant, key: SessionKey) {
        self.send_v2(key.clone(), MessageV2::NotResumed);
        self.record_event(SessionEvent::NotResumed { key: key.clone() });
        self.detach_connection(now, key);
    }
}
