//! How version 2 is spoken on a socket: what a client says goes to the core under its question's
//! name, what the core tells becomes frames with fresh tokens, and silence becomes a heartbeat.

use std::time::{Duration, Instant};

use session_core::{AskIdentity, Input, KeyedAsk, ResumePoint, Stretch, Told};
use telemetry::spans;
use tokio::io::{AsyncRead, AsyncWrite};
use types::AskId;

use crate::close::Close;
use crate::events::{Ended, Resumption};
use crate::frame_v2::{self, Code, Limits, Metadata, Question, Refused, Said, ServerFrame, millis};
use crate::opening::{fresh_start, minted_id, now};
use crate::outbox::Queued;
use crate::presence::Presence;
use crate::rate::Rate;
use crate::session_task::{SessionTask, Step};
use crate::sessions::Asked;
use crate::settings::SessionSettings;
use crate::token::Subject;
use crate::trace;

/// What a session of version 2 knows of its own talking.
#[derive(Debug)]
pub(crate) struct TalkV2 {
    /// Whether `hello` was said.
    open: bool,
    heartbeat_interval: Duration,
    sent_at: Instant,
    minted_at: Instant,
    /// Frames over the rate that are refused before the socket is closed for more.
    excess: Option<Rate>,
}

impl TalkV2 {
    pub(crate) fn new(settings: &SessionSettings, now: Instant) -> Self {
        Self {
            open: false,
            heartbeat_interval: settings.heartbeat_interval,
            sent_at: now,
            minted_at: now,
            excess: settings.frames_per_second.map(|rate| Rate::new(rate, now)),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.sent_at = now;
    }

    /// Whether one more frame over the rate is answered rather than punished.
    pub(crate) fn bears_excess(&mut self, now: Instant) -> bool {
        let excess = self.excess.as_mut();
        excess.is_none_or(|excess| excess.take(now).is_ok())
    }

    /// Whether nothing was sent for too long.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now >= self.due()
    }

    /// When a heartbeat is due, should nothing else be sent.
    pub(crate) fn due(&self) -> Instant {
        self.sent_at + self.heartbeat_interval
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> SessionTask<'_, S> {
    // === what the client says ===

    pub(crate) fn on_text_v2(&self, text: &str, open: bool) {
        let Presence {
            manager,
            connection,
        } = &self.presence;
        let key = &connection.key;
        let said = frame_v2::parse(text, manager.shared().settings.max_question_bytes);
        match said {
            Ok(said) if !open => {
                drop(said);
                self.refuse_v2(None, Code::InvalidFrame, None);
            }
            Ok(Said::Ask(question)) => self.ask_v2(question),
            Ok(Said::Cancel(id)) => manager.input(Input::Cancel {
                key: key.clone(),
                id,
            }),
            Ok(Said::Ack(seq)) => {
                self.events().acknowledged();
                let key = key.clone();
                manager.input(Input::Ack { key, seq });
            }
            // There is no authentication whose token could be renewed.
            Ok(Said::Renew) => {}
            Ok(Said::Start { .. }) => self.refuse_v2(None, Code::InvalidFrame, None),
            Err(Refused::Malformed { id }) => self.refuse_v2(id.as_ref(), Code::InvalidFrame, None),
            Err(Refused::QuestionTooLong { id }) => {
                self.refuse_v2(Some(&id), Code::TooLarge, None);
            }
        }
    }

    fn ask_v2(&self, question: Question) {
        let Presence {
            manager,
            connection,
        } = &self.presence;
        let key = &connection.key;
        let asked = Asked {
            identity: AskIdentity::Keyed(KeyedAsk {
                id: question.id,
                timeout: question.timeout,
            }),
            text: question.text,
            user_name: question.user_name,
        };
        manager.ask(key, asked);
    }

    /// A frame too many in a second.
    pub(crate) fn refuse_rate(&self, wait: Duration) {
        self.refuse_v2(None, Code::RateLimited, Some(wait));
    }

    fn refuse_v2(&self, id: Option<&AskId>, code: Code, wait: Option<Duration>) {
        let reason = match code {
            Code::TooLarge => "question_too_long",
            Code::RateLimited => "rate",
            Code::Busy
            | Code::AlreadyAnswered
            | Code::InvalidFrame
            | Code::PublishFailed
            | Code::Timeout
            | Code::Cancelled
            | Code::AnswerFailed
            | Code::Draining => "malformed",
        };
        let key = &self.presence.connection.key;
        self.events().frame_refused(key, reason);
        self.refuse(ServerFrame::error(id, code, wait, None).encode());
    }

    // === what the client is told ===

    pub(crate) fn tell(&mut self, queued: Queued<Box<Told>>) -> Step {
        let Queued {
            what,
            decided_at,
            trace,
        } = queued;
        match *what {
            Told::Hello {
                resumed,
                pending,
                resume,
            } => self.say_hello(resumed, pending.as_ref(), &resume),
            Told::NotResumed | Told::SessionIdInUse => return self.begin_anew(),
            Told::Accepted { id, resume } => {
                let (id, resume_token) = (id.as_str(), &*self.mint(&resume));
                self.send(ServerFrame::Accepted { id, resume_token }.encode());
            }
            Told::Answer(stretch) => {
                if let Some(end) = &stretch.end {
                    let parent = trace.map(trace::incoming);
                    let span = spans::deliver(&self.presence.connection.key.id, parent);
                    self.unwritten.push(decided_at, end.total, span);
                }
                self.send_parts(&stretch);
            }
            Told::Error { id, code, resume } => {
                let token = resume.map(|resume| self.mint(&resume));
                let frame = ServerFrame::error(Some(&id), code.into(), None, token.as_deref());
                self.send(frame.encode());
            }
        }
        Ok(())
    }

    fn say_hello(&mut self, resumed: bool, pending: Option<&AskId>, resume: &ResumePoint) {
        let token = self.mint(resume);
        let shared = self.presence.manager.shared();
        let limits = Limits {
            max_message_bytes: shared.settings.max_frame_bytes,
            max_question_bytes: shared.settings.max_question_bytes,
            answer_timeout_ms: millis(shared.answer_timeout),
            resume_window_ms: millis(shared.settings.resume_window),
            heartbeat_ms: millis(shared.settings.heartbeat_interval),
        };
        let hello = ServerFrame::Hello {
            session_id: resume.session.as_str(),
            resume_token: &token,
            resumed,
            pending: pending.map(AskId::as_str),
            limits,
        };
        self.send(hello.encode());
        if resumed {
            self.events().resumption(Resumption::Resumed);
        }
        if let Some(talk) = self.talk_v2() {
            talk.open = true;
        }
    }

    /// The last of the parts carries a token, and what the answering side says of its answer.
    fn send_parts(&mut self, stretch: &Stretch) {
        let token = stretch.end.as_ref().map(|end| self.mint(&end.resume));
        let metadata = stretch.end.as_ref().and_then(|end| end.metadata.as_ref());
        let metadata = metadata.map(|metadata| Metadata::of(metadata.expose()));
        for cut in stretch.parts() {
            let token = token.as_deref().filter(|_| cut.is_final);
            let metadata = metadata.filter(|_| cut.is_final);
            self.send(ServerFrame::part(&stretch.id, cut, metadata, token).encode());
        }
    }

    /// Starts the socket's client afresh, under a session id that nobody has.
    fn begin_anew(&mut self) -> Step {
        let manager = self.presence.manager;
        let trace = manager.disconnect(&self.presence.connection.key);
        match manager.start(minted_id(), fresh_start(), trace) {
            Some(connection) => {
                self.move_to(connection);
                Ok(())
            }
            None => Err(Ended::ByServer(Close::Internal)),
        }
    }

    /// Says that the socket is about to be closed, and how to go on, where the client does well to.
    pub(crate) fn announce(&mut self, why: Close, resume: Option<&ResumePoint>) {
        /// They do not all come back at the same moment.
        const SPREAD_MS: u64 = 1000;
        if why != Close::Draining {
            return;
        }
        let token = resume.map(|resume| self.mint(resume));
        let closing = ServerFrame::Closing {
            retry_after_ms: rand::random_range(0..SPREAD_MS),
            resume_token: token.as_deref(),
        };
        self.send(closing.encode());
    }

    /// Carries a fresh token when half of the last one's time is spent.
    pub(crate) fn send_heartbeat(&mut self, now: Instant) {
        let manager = self.presence.manager;
        let half = manager.shared().tokens.lifetime / 2;
        let is_half_spent = self
            .talk_v2()
            .is_some_and(|talk| now >= talk.minted_at + half);
        let point = is_half_spent
            .then(|| manager.resume_point(&self.presence.connection.key))
            .flatten();
        let token = point.map(|point| self.mint(&point));
        let resume_token = token.as_deref();
        self.send(ServerFrame::Heartbeat { resume_token }.encode());
    }

    fn mint(&mut self, point: &ResumePoint) -> String {
        let now = now();
        if let Some(talk) = self.talk_v2() {
            talk.minted_at = now.monotonic;
        }
        let tokens = &self.presence.manager.shared().tokens;
        tokens.mint(Subject::ANYBODY, point, now, rand::random())
    }
}
