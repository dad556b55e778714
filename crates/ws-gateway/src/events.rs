//! Everything this crate logs or counts, one function per thing that happens.
//!
//! Ids, codes and numbers only: no text of a person or of an answer, no header. What can repeat
//! writes one line a second; the lines held back are counted and their number stands in the next.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_core::{ProtocolVersion, SessionEvent, SessionStats};
use telemetry::Instruments;
use tracing::{debug, error, info, warn};
use types::{QuestionOutcome, SessionId, SessionKey};

use crate::accept_loop::ConnectionRefusal;
use crate::admin::AdminRefusal;
use crate::clock;
use crate::close_code::CloseCode;
use crate::event_log_throttle::EventLogThrottle;

/// The way to say that something happened.
#[derive(Debug)]
pub(crate) struct WebSocketEvents {
    instruments: Arc<Instruments>,
    accept_failed: ThrottledEvent,
    connections_refused: ThrottledEvent,
    answers_lost: ThrottledEvent,
    duplicate_answers: ThrottledEvent,
    suffix_stripped: ThrottledEvent,
    departed_table_full: ThrottledEvent,
}

/// The end of a session's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// The client closed it, with this code.
    ByClient(Option<u16>),
    /// This server closed it.
    ByServer(CloseCode),
    /// It was gone without a closing handshake, or was cut off when the server stopped.
    Lost,
}

/// The outcome of a resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumeOutcome {
    /// Its session goes on.
    Resumed,
    /// Its session cannot be resumed whole.
    NotResumed,
    /// It has expired, or was made by a process with another key.
    StaleToken,
    /// It was tampered with, or is no token.
    InvalidToken,
    /// It belongs to another subject.
    ForeignToken,
}

impl ResumeOutcome {
    fn label(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::NotResumed => "not_resumed",
            Self::StaleToken => "stale_token",
            Self::InvalidToken => "invalid_token",
            Self::ForeignToken => "foreign_token",
        }
    }
}

impl WebSocketEvents {
    pub(crate) fn new(instruments: Arc<Instruments>) -> Self {
        Self {
            instruments,
            accept_failed: ThrottledEvent::new("accept_failed"),
            connections_refused: ThrottledEvent::new("connections_refused"),
            answers_lost: ThrottledEvent::new("answer_lost"),
            duplicate_answers: ThrottledEvent::new("duplicates_seen"),
            suffix_stripped: ThrottledEvent::new("suffix_stripped"),
            departed_table_full: ThrottledEvent::new("owed_table_full"),
        }
    }

    // === before a socket exists ===

    /// The system gave no connection: out of file descriptors, most likely.
    pub(crate) fn accept_failed(&self, error: &io::Error) {
        self.instruments.errors.increment("accept_failed");
        self.log_throttled(&self.accept_failed, |held_back| {
            warn!(%error, held_back, "cannot accept connections; trying again");
        });
    }

    /// A connection got HTTP 503 before its request was read.
    pub(crate) fn connection_refused(&self, refusal: ConnectionRefusal) {
        let reason = refusal.label();
        self.instruments.connections_refused.increment(reason);
        self.log_throttled(&self.connections_refused, |held_back| {
            warn!(
                reason,
                held_back, "connections refused: no room; clients get HTTP 503"
            );
        });
    }

    /// A connection that was no WebSocket was closed to make room for a newer one.
    pub(crate) fn connection_evicted(&self, port: &'static str) {
        self.instruments.connections_evicted.increment(port);
        debug!(port, "oldest HTTP connection closed to make room");
    }

    /// A request on the admin port was refused.
    pub(crate) fn admin_refused(&self, refusal: AdminRefusal) {
        let reason = refusal.label();
        self.instruments.admin_refused.increment(reason);
        debug!(reason, "admin request refused");
    }

    pub(crate) fn upgrade_refused(&self, reason: &'static str) {
        self.instruments.upgrades_refused.increment(reason);
        debug!(reason, "socket refused");
    }

    // === sockets ===

    pub(crate) fn socket_opened(&self, version: ProtocolVersion) {
        self.instruments.sockets_opened.increment(label(version));
    }

    pub(crate) fn socket_closed(&self, ended: ConnectionEnd) {
        self.instruments.sockets_closed.increment(ended.label());
        debug!(?ended, "socket closed");
    }

    pub(crate) fn session_entered(&self, key: &SessionKey) {
        debug!(session = %key.id, generation = key.generation.0, "session connected");
    }

    pub(crate) fn session_left(&self, key: &SessionKey) {
        debug!(session = %key.id, generation = key.generation.0, "session ended");
    }

    pub(crate) fn frame_refused(&self, key: &SessionKey, reason: &'static str) {
        self.instruments.frames_refused.increment(reason);
        debug!(session = %key.id, reason, "frame refused");
    }

    /// A client of version 2 said what it has received.
    pub(crate) fn ack_received(&self) {
        self.instruments
            .acknowledgements
            .increment(label(ProtocolVersion::V2));
    }

    /// A client came with a resume token.
    pub(crate) fn record_resume_outcome(&self, resumption: ResumeOutcome) {
        self.instruments.resumptions.increment(resumption.label());
    }

    /// More waits for a client than may; with it go so many answers.
    pub(crate) fn outbox_overflowed(&self, key: &SessionKey, answers: usize) {
        debug!(session = %key.id, answers, "the client does not keep up");
        self.answers_lost(key, answers);
    }

    /// Answers were decided for a session and its socket did not take them.
    pub(crate) fn answers_lost(&self, key: &SessionKey, answers: usize) {
        if answers == 0 {
            return;
        }
        let count = u64::try_from(answers).unwrap_or(u64::MAX);
        self.instruments.deliveries.add(count, "failure");
        self.instruments.errors.add(count, "answer_lost");
        self.log_throttled(&self.answers_lost, |held_back| {
            warn!(session = %key.id, answers, held_back, "answers lost: their socket ended first");
        });
    }

    // === questions and answers ===

    /// Logs and counts an event of the core.
    pub(crate) fn record_session_event(&self, event: &SessionEvent) {
        match event {
            SessionEvent::QuestionAccepted {
                key,
                version,
                elapsed: after,
            } => {
                self.instruments
                    .questions_accepted
                    .increment(label(*version));
                debug!(session = %key.id, ?after, "question accepted");
            }
            SessionEvent::QuestionEnded {
                key,
                outcome,
                elapsed: after,
            } => self.question_ended(key, *outcome, *after),
            SessionEvent::AnswerDecided { outcome } => {
                self.instruments.answers.increment(outcome.as_str())
            }
            SessionEvent::AnswerTooLarge => self.answer_too_large(),
            SessionEvent::ContradictoryParts => self.contradictory_parts(),
            SessionEvent::QuestionAdopted { key } => {
                self.instruments
                    .questions_adopted
                    .increment(label(ProtocolVersion::V2));
                debug!(session = %key.id, "question adopted");
            }
            SessionEvent::NotResumed { key } => {
                self.record_resume_outcome(ResumeOutcome::NotResumed);
                debug!(session = %key.id, "session not resumed");
            }
            SessionEvent::SessionIdInUse { key, version } => {
                self.instruments
                    .session_id_conflicts
                    .increment(label(*version));
                debug!(session = %key.id, "session id in use: its live session goes on undisturbed");
            }
            SessionEvent::AnswerRestarted => self.answer_restarted(),
            SessionEvent::DuplicateAnswers => self.duplicate_answers(),
            SessionEvent::SuffixStripped { session } => self.suffix_stripped(session),
            SessionEvent::DepartedTableFull => self.departed_table_full(),
        }
    }

    /// An answer was decided: `publish` from asking to the delivery report, `total` from asking to
    /// now, `consume` from reading to now.
    pub(crate) fn record_answer_times(
        &self,
        publish: Option<Duration>,
        total: Duration,
        consume: Duration,
    ) {
        let times = &self.instruments.question_time;
        if let Some(publish) = publish {
            times.record(publish, "publish");
            times.record(total.saturating_sub(publish + consume), "wait");
        }
        times.record(consume, "consume");
    }

    /// An answer is in its socket: `deliver` after it was decided, `total` after it was asked for.
    pub(crate) fn answer_written(&self, deliver: Duration, total: Duration) {
        self.instruments.deliveries.increment("success");
        self.instruments.question_time.record(deliver, "deliver");
        self.instruments.question_time.record(total, "total");
    }

    /// An answer for a session that is here is over `ws.max_response_bytes`.
    fn answer_too_large(&self) {
        self.instruments.errors.increment("answer_too_large");
        debug!("answer over ws.max_response_bytes: it counts as failed");
    }

    fn contradictory_parts(&self) {
        self.instruments.errors.increment("answer_parts");
        debug!("the parts of an answer contradict each other: it counts as failed");
    }

    fn answer_restarted(&self) {
        self.instruments.errors.increment("answer_restarted");
        debug!("another attempt at an answer began after parts of the first were sent");
    }

    fn question_ended(&self, key: &SessionKey, outcome: QuestionOutcome, after: Duration) {
        self.instruments.questions.increment(outcome.as_str());
        debug!(session = %key.id, outcome = outcome.as_str(), ?after, "question ended");
    }

    fn duplicate_answers(&self) {
        self.instruments.errors.increment("duplicates_seen");
        self.log_throttled(&self.duplicate_answers, |held_back| {
            warn!(
                held_back,
                "the answering side has answered twice: questions take a suffix for a while"
            );
        });
    }

    fn suffix_stripped(&self, session: &SessionId) {
        self.instruments.errors.increment("suffix_stripped");
        self.log_throttled(&self.suffix_stripped, |held_back| {
            warn!(
                %session,
                held_back,
                "answering side strips the suffix of wire ids: its answers to suffixed questions reach nobody; it \
                 has to copy session_id as it stands, or the question-id"
            );
        });
    }

    fn departed_table_full(&self) {
        self.instruments.errors.increment("owed_table_full");
        self.log_throttled(&self.departed_table_full, |held_back| {
            warn!(
                held_back,
                "session.max_owed is reached: questions take a suffix for a while"
            );
        });
    }

    // === the process ===

    /// An operator has ended so many sessions.
    pub(crate) fn sessions_ended_by_operator(&self, sessions: usize) {
        info!(sessions, "sessions ended by an operator");
    }

    /// An operator has changed what is logged.
    pub(crate) fn log_level_changed(&self, filter: &str) {
        info!(filter, "log level changed by an operator");
    }

    /// Sets the gauges of sessions and questions.
    pub(crate) fn set_session_gauges(
        &self,
        stats: &SessionStats,
        pending_of_v2: u64,
        max_owed: usize,
    ) {
        let idle = stats.connected_count.saturating_sub(stats.waiting);
        self.instruments.sessions.set(idle, "idle");
        self.instruments.sessions.set(stats.waiting, "waiting");
        self.instruments.owed_sessions.set(stats.departed, "used");
        self.instruments.owed_sessions.set(max_owed, "limit");
        let pending = &self.instruments.questions_pending;
        let of_v1 = stats.ledger.pending.saturating_sub(pending_of_v2);
        pending.set(of_v1, label(ProtocolVersion::V1));
        pending.set(pending_of_v2, label(ProtocolVersion::V2));
    }

    /// A panic, which the panic hook has written, left the sessions' state half-changed.
    pub(crate) fn state_lost(&self) {
        self.instruments.errors.increment("state_lost");
        error!("the sessions' state is lost: no session is served any more");
    }

    fn log_throttled(&self, line: &ThrottledEvent, write: impl FnOnce(u64)) {
        let mut throttled = line.1.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = throttled.admit(clock::now());
        drop(throttled);
        match admitted {
            Some(held_back) => write(held_back),
            None => self.instruments.logs_held_back.increment(line.0),
        }
    }
}

impl ConnectionEnd {
    /// The close code, as a metric's label; 1005 and 1006 are RFC 6455's (section 7.4.1) for none at
    /// all. What a client may send at will is one label.
    fn label(self) -> &'static str {
        match self {
            Self::ByClient(None) => "1005",
            Self::ByClient(Some(1000)) => "1000",
            Self::ByClient(Some(1001)) => "1001",
            Self::ByClient(Some(_)) => "other",
            Self::ByServer(close) => close.label(),
            Self::Lost => "1006",
        }
    }
}

/// An event's name and its throttle.
#[derive(Debug)]
struct ThrottledEvent(&'static str, Mutex<EventLogThrottle>);

impl ThrottledEvent {
    fn new(event: &'static str) -> Self {
        Self(event, Mutex::new(EventLogThrottle::new(clock::now())))
    }
}

/// The version of the WebSocket protocol, as a metric's label.
fn label(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V1 => "1",
        ProtocolVersion::V2 => "2",
    }
}
