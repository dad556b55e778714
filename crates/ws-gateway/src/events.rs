//! Everything this crate logs or counts, one function per thing that happens.
//!
//! Ids, codes and numbers only: no text of a person or of an answer, no header. What can repeat
//! writes one line a second; the lines held back are counted and their number stands in the next.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_core::{Event, Stats, Version};
use telemetry::Instruments;
use tracing::{debug, error, info, warn};
use types::{QuestionOutcome, SessionId, SessionKey};

use crate::accept::ConnectionRefusal;
use crate::admin::AdminRefusal;
use crate::clock;
use crate::close::Close;
use crate::throttled::Throttled;

/// The way to say that something happened.
#[derive(Debug)]
pub(crate) struct Events {
    instruments: Arc<Instruments>,
    accept_failed: Line,
    connections_refused: Line,
    answers_lost: Line,
    duplicates_seen: Line,
    suffix_stripped: Line,
    owed_table_full: Line,
}

/// How a session's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client closed it, with this code.
    ByClient(Option<u16>),
    /// This server closed it.
    ByServer(Close),
    /// It was gone without a closing handshake, or was cut off when the server stopped.
    Lost,
}

/// What became of a resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// Its session goes on.
    Resumed,
    /// What it says cannot be resumed whole.
    NotResumed,
    /// It has expired, or was made by a process with another key.
    StaleToken,
    /// It was tampered with, or is no token.
    InvalidToken,
    /// It belongs to another subject.
    ForeignToken,
}

impl Resumption {
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

impl Events {
    pub(crate) fn new(instruments: Arc<Instruments>) -> Self {
        Self {
            instruments,
            accept_failed: Line::new("accept_failed"),
            connections_refused: Line::new("connections_refused"),
            answers_lost: Line::new("answer_lost"),
            duplicates_seen: Line::new("duplicates_seen"),
            suffix_stripped: Line::new("suffix_stripped"),
            owed_table_full: Line::new("owed_table_full"),
        }
    }

    // === before a socket exists ===

    /// The system gave no connection: out of file descriptors, most likely.
    pub(crate) fn accept_failed(&self, error: &io::Error) {
        self.instruments.errors.one("accept_failed");
        self.line(&self.accept_failed, |held_back| {
            warn!(%error, held_back, "cannot accept connections; trying again");
        });
    }

    /// A connection got HTTP 503 before its request was read.
    pub(crate) fn connection_refused(&self, refusal: ConnectionRefusal) {
        let reason = refusal.label();
        self.instruments.connections_refused.one(reason);
        self.line(&self.connections_refused, |held_back| {
            warn!(
                reason,
                held_back, "connections refused: no room; clients get HTTP 503"
            );
        });
    }

    /// A connection that was no WebSocket was closed to make room for a newer one.
    pub(crate) fn connection_evicted(&self, port: &'static str) {
        self.instruments.connections_evicted.one(port);
        debug!(port, "oldest HTTP connection closed to make room");
    }

    /// A request on the admin port was refused.
    pub(crate) fn admin_refused(&self, refusal: AdminRefusal) {
        let reason = refusal.label();
        self.instruments.admin_refused.one(reason);
        debug!(reason, "admin request refused");
    }

    pub(crate) fn upgrade_refused(&self, reason: &'static str) {
        self.instruments.upgrades_refused.one(reason);
        debug!(reason, "socket refused");
    }

    // === sockets ===

    pub(crate) fn socket_opened(&self, version: Version) {
        self.instruments.sockets_opened.one(label(version));
    }

    pub(crate) fn socket_closed(&self, ended: Ended) {
        self.instruments.sockets_closed.one(ended.label());
        debug!(?ended, "socket closed");
    }

    pub(crate) fn session_entered(&self, key: &SessionKey) {
        debug!(session = %key.id, generation = key.generation.0, "session connected");
    }

    pub(crate) fn session_left(&self, key: &SessionKey) {
        debug!(session = %key.id, generation = key.generation.0, "session ended");
    }

    pub(crate) fn frame_refused(&self, key: &SessionKey, reason: &'static str) {
        self.instruments.frames_refused.one(reason);
        debug!(session = %key.id, reason, "frame refused");
    }

    /// A client of version 2 said what it has received.
    pub(crate) fn acknowledged(&self) {
        self.instruments.acknowledgements.one(label(Version::V2));
    }

    /// A client came with a resume token.
    pub(crate) fn resumption(&self, resumption: Resumption) {
        self.instruments.resumptions.one(resumption.label());
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
        self.line(&self.answers_lost, |held_back| {
            warn!(session = %key.id, answers, held_back, "answers lost: their socket ended first");
        });
    }

    // === questions and answers ===

    /// What the core has to say.
    pub(crate) fn core(&self, event: &Event) {
        match event {
            Event::QuestionAccepted {
                key,
                version,
                after,
            } => {
                self.instruments.questions_accepted.one(label(*version));
                debug!(session = %key.id, ?after, "question accepted");
            }
            Event::QuestionEnded {
                key,
                outcome,
                after,
            } => self.question_ended(key, *outcome, *after),
            Event::AnswerDecided { outcome } => self.instruments.answers.one(outcome.as_str()),
            Event::AnswerTooLarge => self.answer_too_large(),
            Event::PartsBroken => self.parts_broken(),
            Event::QuestionAdopted { key } => {
                self.instruments.questions_adopted.one(label(Version::V2));
                debug!(session = %key.id, "question adopted");
            }
            Event::NotResumed { key } => {
                self.resumption(Resumption::NotResumed);
                debug!(session = %key.id, "session not resumed");
            }
            Event::SessionIdInUse { key, version } => {
                self.instruments.session_id_conflicts.one(label(*version));
                debug!(session = %key.id, "session id in use: its live session goes on undisturbed");
            }
            Event::AnswerRestarted => self.answer_restarted(),
            Event::DuplicatesSeen => self.duplicates_seen(),
            Event::SuffixStripped { session } => self.suffix_stripped(session),
            Event::OwedTableFull => self.owed_table_full(),
        }
    }

    /// An answer was decided: `publish` from asking to the delivery report, `total` from asking to
    /// now, `consume` from reading to now.
    pub(crate) fn answer_routed(
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
        self.instruments.deliveries.one("success");
        self.instruments.question_time.record(deliver, "deliver");
        self.instruments.question_time.record(total, "total");
    }

    /// An answer for a session that is here is over `ws.max_response_bytes`.
    fn answer_too_large(&self) {
        self.instruments.errors.one("answer_too_large");
        debug!("answer over ws.max_response_bytes: it counts as failed");
    }

    fn parts_broken(&self) {
        self.instruments.errors.one("answer_parts");
        debug!("the parts of an answer contradict each other: it counts as failed");
    }

    fn answer_restarted(&self) {
        self.instruments.errors.one("answer_restarted");
        debug!("another attempt at an answer began after parts of the first were sent");
    }

    fn question_ended(&self, key: &SessionKey, outcome: QuestionOutcome, after: Duration) {
        self.instruments.questions.one(outcome.as_str());
        debug!(session = %key.id, outcome = outcome.as_str(), ?after, "question ended");
    }

    fn duplicates_seen(&self) {
        self.instruments.errors.one("duplicates_seen");
        self.line(&self.duplicates_seen, |held_back| {
            warn!(
                held_back,
                "the answering side has answered twice: questions take a suffix for a while"
            );
        });
    }

    fn suffix_stripped(&self, session: &SessionId) {
        self.instruments.errors.one("suffix_stripped");
        self.line(&self.suffix_stripped, |held_back| {
            warn!(
                %session,
                held_back,
                "answering side strips the suffix of wire ids: its answers to suffixed questions reach nobody; it \
                 has to copy session_id as it stands, or the question-id"
            );
        });
    }

    fn owed_table_full(&self) {
        self.instruments.errors.one("owed_table_full");
        self.line(&self.owed_table_full, |held_back| {
            warn!(
                held_back,
                "session.max_owed is reached: questions take a suffix for a while"
            );
        });
    }

    // === the process ===

    /// An operator has ended so many sessions.
    pub(crate) fn forced_out(&self, sessions: usize) {
        info!(sessions, "sessions ended by an operator");
    }

    /// An operator has changed what is logged.
    pub(crate) fn log_level_changed(&self, filter: &str) {
        info!(filter, "log level changed by an operator");
    }

    /// How much there is of what.
    pub(crate) fn stats(&self, stats: &Stats, pending_of_v2: u64, max_owed: usize) {
        let idle = stats.connected.saturating_sub(stats.waiting);
        self.instruments.sessions.set(idle, "idle");
        self.instruments.sessions.set(stats.waiting, "waiting");
        self.instruments.owed_sessions.set(stats.owed, "used");
        self.instruments.owed_sessions.set(max_owed, "limit");
        let pending = &self.instruments.questions_pending;
        let of_v1 = stats.ledger.pending.saturating_sub(pending_of_v2);
        pending.set(of_v1, label(Version::V1));
        pending.set(pending_of_v2, label(Version::V2));
    }

    /// A panic, which the panic hook has written, left the sessions' state half-changed.
    pub(crate) fn state_lost(&self) {
        self.instruments.errors.one("state_lost");
        error!("the sessions' state is lost: no session is served any more");
    }

    fn line(&self, line: &Line, write: impl FnOnce(u64)) {
        let mut throttled = line.1.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = throttled.admit(clock::now());
        drop(throttled);
        match admitted {
            Some(held_back) => write(held_back),
            None => self.instruments.logs_held_back.one(line.0),
        }
    }
}

impl Ended {
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
struct Line(&'static str, Mutex<Throttled>);

impl Line {
    fn new(event: &'static str) -> Self {
        Self(event, Mutex::new(Throttled::new(clock::now())))
    }
}

/// The version of the WebSocket protocol, as a metric's label.
fn label(version: Version) -> &'static str {
    match version {
        Version::V1 => "1",
        Version::V2 => "2",
    }
}
