//! How version 1 is spoken on a socket.

use session_core::{AskIdentity, Reply};
use telemetry::spans;
use tokio::io::{AsyncRead, AsyncWrite};
use types::QuestionId;

use crate::frame_v1::{self, Refused, ServerFrame};
use crate::outbox::Queued;
use crate::presence::Presence;
use crate::session_task::SessionTask;
use crate::sessions::Asked;
use crate::trace;

impl<S: AsyncRead + AsyncWrite + Unpin> SessionTask<'_, S> {
    pub(crate) fn on_text_v1(&self, text: &str) {
        let Presence {
            manager,
            connection,
        } = &self.presence;
        let key = &connection.key;
        match frame_v1::parse(text, manager.shared().settings.max_question_bytes) {
            Ok(question) => {
                let asked = Asked {
                    identity: AskIdentity::Random(QuestionId::from_bytes(rand::random())),
                    text: question.text,
                    user_name: question.user_name,
                };
                manager.ask(key, asked);
            }
            Err(refused) => self.refuse_v1(refused),
        }
    }

    fn refuse_v1(&self, refused: Refused) {
        let Presence {
            manager,
            connection,
        } = &self.presence;
        let (reason, frame) = match refused {
            Refused::Malformed => ("malformed", ServerFrame::Invalid),
            // The client must not take it for the end of the question that goes on.
            Refused::QuestionTooLong if manager.is_asking(&connection.key) => {
                ("question_too_long", ServerFrame::Busy)
            }
            Refused::QuestionTooLong => ("question_too_long", ServerFrame::NotSent),
        };
        self.events().frame_refused(&connection.key, reason);
        self.refuse(frame.encode());
    }

    pub(crate) fn send_v1(&mut self, queued: Queued<Reply>) {
        if let Reply::Answer { total, .. } = queued.what {
            let parent = queued.trace.map(trace::incoming);
            let span = spans::deliver(&self.presence.connection.key.id, parent);
            self.unwritten.push(queued.decided_at, total, span);
        }
        self.send(ServerFrame::of(&queued.what).encode());
    }
}
