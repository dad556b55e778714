//! Speaks version 1 on a socket.

use session_core::{AskIdentity, ReplyV1};
use telemetry::spans;
use tokio::io::{AsyncRead, AsyncWrite};
use types::QuestionId;

use crate::connection_guards::ConnectionGuard;
use crate::frame_v1::{self, FrameErrorV1, ServerFrameV1};
use crate::outbox::QueuedMessage;
use crate::session_manager::ClientQuestion;
use crate::session_task::SessionTask;
use crate::trace_propagation;

impl<S: AsyncRead + AsyncWrite + Unpin> SessionTask<'_, S> {
    pub(crate) fn on_text_v1(&self, text: &str) {
        let ConnectionGuard {
            manager,
            connection,
        } = &self.connection_guard;
        let key = &connection.key;
        match frame_v1::parse_client_frame(text, manager.shared().settings.max_question_bytes) {
            Ok(question) => {
                let asked = ClientQuestion {
                    identity: AskIdentity::Random(QuestionId::from_bytes(rand::random())),
                    text: question.text,
                    user_name: question.user_name,
                };
                manager.submit_ask(key, asked);
            }
            Err(refused) => self.refuse_v1(refused),
        }
    }

    fn refuse_v1(&self, refused: FrameErrorV1) {
        let ConnectionGuard {
            manager,
            connection,
        } = &self.connection_guard;
        let (reason, frame) = match refused {
            FrameErrorV1::Malformed => ("malformed", ServerFrameV1::Invalid),
            // The client must not take it for the end of the question that goes on.
            FrameErrorV1::QuestionTooLong if manager.has_outstanding_question(&connection.key) => {
                ("question_too_long", ServerFrameV1::Busy)
            }
            FrameErrorV1::QuestionTooLong => ("question_too_long", ServerFrameV1::NotSent),
        };
        self.events().frame_refused(&connection.key, reason);
        self.push_refusal(frame.encode_frame());
    }

    pub(crate) fn send_v1(&mut self, queued: QueuedMessage<ReplyV1>) {
        if let ReplyV1::Answer {
            total_time: total, ..
        } = queued.message
        {
            let parent = queued.trace.map(trace_propagation::to_remote_context);
            let span = spans::start_deliver(&self.connection_guard.connection.key.id, parent);
            self.unwritten_answers.push(queued.decided_at, total, span);
        }
        self.send_frame(ServerFrameV1::from_reply(&queued.message).encode_frame());
    }
}
