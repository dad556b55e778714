//! Speaks version 2 on a socket: what a client says goes to the core under its question's
//! name, what the core tells becomes frames with fresh tokens, and silence becomes a heartbeat.

use std::time::{Duration, Instant};

use session_core::{AskIdentity, ChunkedText, Input, KeyedAsk, MessageV2, ResumePoint};
use telemetry::spans;
use tokio::io::{AsyncRead, AsyncWrite};
use types::AskId;

use crate::close_code::CloseCode;
use crate::connection_guards::ConnectionGuard;
use crate::events::{ConnectionEnd, ResumeOutcome};
use crate::frame_v2::{
    self, AdvertisedLimits, ClientMessage, ErrorCodeV2, FrameErrorV2, MetadataJson,
    QuestionFrameV2, ServerFrameV2, whole_millis,
};
use crate::outbox::QueuedMessage;
use crate::rate_limiter::RateLimiter;
use crate::resume_token::TokenSubject;
use crate::session_manager::ClientQuestion;
use crate::session_task::{SessionTask, StepResult};
use crate::settings::SessionSettings;
use crate::start_frame::{new_session_id, new_session_start, read_clocks};
use crate::trace_propagation;

/// The version-2 state of a session's socket.
#[derive(Debug)]
pub(crate) struct ProtocolV2State {
    /// True once `hello` was sent.
    is_open: bool,
    heartbeat_interval: Duration,
    last_sent_at: Instant,
    token_minted_at: Instant,
    /// Frames over the rate that are refused before the socket is closed for more.
    excess_rate_limiter: Option<RateLimiter>,
}

impl ProtocolV2State {
    pub(crate) fn new(settings: &SessionSettings, now: Instant) -> Self {
        Self {
            is_open: false,
            heartbeat_interval: settings.heartbeat_interval,
            last_sent_at: now,
            token_minted_at: now,
            excess_rate_limiter: settings
                .frames_per_second
                .map(|rate| RateLimiter::new(rate, now)),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.last_sent_at = now;
    }

    /// Tells whether one more frame over the rate is answered with an error rather than a close.
    pub(crate) fn is_excess_allowed(&mut self, now: Instant) -> bool {
        let excess = self.excess_rate_limiter.as_mut();
        excess.is_none_or(|excess| excess.try_take(now).is_ok())
    }

    /// Tells whether nothing was sent for too long.
    pub(crate) fn is_heartbeat_due(&self, now: Instant) -> bool {
        now >= self.heartbeat_due_at()
    }

    /// Returns the time at which a heartbeat is due, should nothing else be sent.
    pub(crate) fn heartbeat_due_at(&self) -> Instant {
        self.last_sent_at + self.heartbeat_interval
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> SessionTask<'_, S> {
    // === what the client says ===

    pub(crate) fn on_text_v2(&self, text: &str, open: bool) {
        let ConnectionGuard {
            manager,
            connection,
        } = &self.connection_guard;
        let key = &connection.key;
        let said = frame_v2::parse_client_frame(text, manager.shared().settings.max_question_bytes);
        match said {
            Ok(said) if !open => {
                drop(said);
                self.refuse_v2(None, ErrorCodeV2::InvalidFrame, None);
            }
            Ok(ClientMessage::Ask(question)) => self.ask_v2(question),
            Ok(ClientMessage::Cancel(id)) => manager.submit_input(Input::Cancel {
                key: key.clone(),
                ask_id: id,
            }),
            Ok(ClientMessage::Ack(seq)) => {
                self.events().ack_received();
                let key = key.clone();
                manager.submit_input(Input::Ack { key, seq });
            }
            // There is no authentication whose token could be renewed.
            Ok(ClientMessage::Renew) => {}
            Ok(ClientMessage::Start { .. }) => {
                self.refuse_v2(None, ErrorCodeV2::InvalidFrame, None)
            }
            Err(FrameErrorV2::Malformed { id }) => {
                self.refuse_v2(id.as_ref(), ErrorCodeV2::InvalidFrame, None)
            }
            Err(FrameErrorV2::QuestionTooLong { id }) => {
                self.refuse_v2(Some(&id), ErrorCodeV2::TooLarge, None);
            }
        }
    }

    fn ask_v2(&self, question: QuestionFrameV2) {
        let ConnectionGuard {
            manager,
            connection,
        } = &self.connection_guard;
        let key = &connection.key;
        let asked = ClientQuestion {
            identity: AskIdentity::Keyed(KeyedAsk {
                ask_id: question.ask_id,
                timeout: question.timeout,
            }),
            text: question.text,
            user_name: question.user_name,
        };
        manager.submit_ask(key, asked);
    }

    /// A frame too many in a second.
    pub(crate) fn refuse_over_rate(&self, wait: Duration) {
        self.refuse_v2(None, ErrorCodeV2::RateLimited, Some(wait));
    }

    fn refuse_v2(&self, id: Option<&AskId>, code: ErrorCodeV2, wait: Option<Duration>) {
        let reason = match code {
            ErrorCodeV2::TooLarge => "question_too_long",
            ErrorCodeV2::RateLimited => "rate",
            ErrorCodeV2::Busy
            | ErrorCodeV2::AlreadyAnswered
            | ErrorCodeV2::InvalidFrame
            | ErrorCodeV2::PublishFailed
            | ErrorCodeV2::Timeout
            | ErrorCodeV2::Cancelled
            | ErrorCodeV2::AnswerFailed
            | ErrorCodeV2::Draining => "malformed",
        };
        let key = &self.connection_guard.connection.key;
        self.events().frame_refused(key, reason);
        self.push_refusal(ServerFrameV2::new_error(id, code, wait, None).encode());
    }

    // === what the client is told ===

    pub(crate) fn send_v2(&mut self, queued: QueuedMessage<Box<MessageV2>>) -> StepResult {
        let QueuedMessage {
            message: what,
            decided_at,
            trace,
        } = queued;
        match *what {
            MessageV2::Hello {
                resumed,
                pending,
                resume,
            } => self.send_hello(resumed, pending.as_ref(), &resume),
            MessageV2::NotResumed | MessageV2::SessionIdInUse => return self.restart_session(),
            MessageV2::Accepted { ask_id: id, resume } => {
                let (id, resume_token) = (id.as_str(), &*self.mint_token(&resume));
                self.send_frame(ServerFrameV2::Accepted { id, resume_token }.encode());
            }
            MessageV2::AnswerChunks(stretch) => {
                if let Some(end) = &stretch.end {
                    let parent = trace.map(trace_propagation::to_remote_context);
                    let span =
                        spans::start_deliver(&self.connection_guard.connection.key.id, parent);
                    self.unwritten_answers
                        .push(decided_at, end.total_time, span);
                }
                self.send_chunks(&stretch);
            }
            MessageV2::Error {
                ask_id: id,
                code,
                resume,
            } => {
                let token = resume.map(|resume| self.mint_token(&resume));
                let frame =
                    ServerFrameV2::new_error(Some(&id), code.into(), None, token.as_deref());
                self.send_frame(frame.encode());
            }
        }
        Ok(())
    }

    fn send_hello(&mut self, resumed: bool, pending: Option<&AskId>, resume: &ResumePoint) {
        let token = self.mint_token(resume);
        let shared = self.connection_guard.manager.shared();
        let limits = AdvertisedLimits {
            max_message_bytes: shared.settings.max_frame_bytes,
            max_question_bytes: shared.settings.max_question_bytes,
            answer_timeout_ms: whole_millis(shared.answer_timeout),
            resume_window_ms: whole_millis(shared.settings.resume_window),
            heartbeat_ms: whole_millis(shared.settings.heartbeat_interval),
        };
        let hello = ServerFrameV2::Hello {
            session_id: resume.session.as_str(),
            resume_token: &token,
            resumed,
            pending: pending.map(AskId::as_str),
            limits,
        };
        self.send_frame(hello.encode());
        if resumed {
            self.events().record_resume_outcome(ResumeOutcome::Resumed);
        }
        if let Some(talk) = self.protocol_v2_mut() {
            talk.is_open = true;
        }
    }

    /// The last of the parts carries a token, and what the answering side says of its answer.
    fn send_chunks(&mut self, stretch: &ChunkedText) {
        let token = stretch.end.as_ref().map(|end| self.mint_token(&end.resume));
        let metadata = stretch.end.as_ref().and_then(|end| end.metadata.as_ref());
        let metadata = metadata.map(|metadata| MetadataJson::from_text(metadata.expose()));
        for cut in stretch.chunks() {
            let token = token.as_deref().filter(|_| cut.is_final);
            let metadata = metadata.filter(|_| cut.is_final);
            self.send_frame(
                ServerFrameV2::from_chunk(&stretch.ask_id, cut, metadata, token).encode(),
            );
        }
    }

    /// Starts the socket's client afresh, under a session id that nobody has.
    fn restart_session(&mut self) -> StepResult {
        let manager = self.connection_guard.manager;
        let trace = manager.disconnect(&self.connection_guard.connection.key);
        match manager.connect_v2(new_session_id(), new_session_start(), trace) {
            Some(connection) => {
                self.switch_connection(connection);
                Ok(())
            }
            None => Err(ConnectionEnd::ByServer(CloseCode::InternalError)),
        }
    }

    /// Says that the socket is about to be closed, and how to go on, where the client does well to.
    pub(crate) fn send_closing(&mut self, why: CloseCode, resume: Option<&ResumePoint>) {
        /// They do not all come back at the same moment.
        const SPREAD_MS: u64 = 1000;
        if why != CloseCode::Draining {
            return;
        }
        let token = resume.map(|resume| self.mint_token(resume));
        let closing = ServerFrameV2::Closing {
            retry_after_ms: rand::random_range(0..SPREAD_MS),
            resume_token: token.as_deref(),
        };
        self.send_frame(closing.encode());
    }

    /// Carries a fresh token when half of the last one's time is spent.
    pub(crate) fn send_heartbeat(&mut self, now: Instant) {
        let manager = self.connection_guard.manager;
        let half = manager.shared().resume_tokens.lifetime / 2;
        let is_half_spent = self
            .protocol_v2_mut()
            .is_some_and(|talk| now >= talk.token_minted_at + half);
        let point = is_half_spent
            .then(|| manager.resume_point(&self.connection_guard.connection.key))
            .flatten();
        let token = point.map(|point| self.mint_token(&point));
        let resume_token = token.as_deref();
        self.send_frame(ServerFrameV2::Heartbeat { resume_token }.encode());
    }

    fn mint_token(&mut self, point: &ResumePoint) -> String {
        let now = read_clocks();
        if let Some(talk) = self.protocol_v2_mut() {
            talk.token_minted_at = now.monotonic;
        }
        let tokens = &self.connection_guard.manager.shared().resume_tokens;
        tokens.mint(TokenSubject::ANONYMOUS, point, now, rand::random())
    }
}
