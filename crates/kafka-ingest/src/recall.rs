//! What was written of an answer before its session was resumed: looked up on a thread of its own,
//! which reads the topic with a client of its own.
//!
//! Where the records stand is known from [`crate::recent`], for as long as that remembers; what it
//! does not cover is looked through. Wishes that come while others are served are served together, so
//! that a thousand sessions that return at once cost one pass over what was written lately.

mod events;
mod fill;
mod plan;
mod reader;
mod segments;
mod serve;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use types::{Answer, AnswerFloor, QuestionId, WireId};

use crate::client_context::Context;
use crate::events::Client;
use crate::recent::Recent;
use crate::replacement::ClientReplacement;
use crate::reporting::Reporting;
use crate::steady_consumer::SteadyConsumer;
use crate::stop::{Stop, StopAsked, stop};
use crate::unreadable::Finder;
use crate::{KafkaSettings, StartError, client_config};
pub(crate) use reader::Reader;

/// What is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What the records name as their question, if they name any.
    pub question_id: QuestionId,
    /// What those that name none carry as session id.
    pub wire_id: WireId,
    /// Below it stands none of them.
    pub floor: AnswerFloor,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// Every record there is, by partition and offset.
    Found(Vec<Answer>),
    /// Nobody can know.
    Lost(LostCause),
}

/// Why nobody can know what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostCause {
    /// In a group other processes have read some of it.
    Group,
    /// Too many wait already.
    Busy,
    /// It took too long, or Kafka does not answer.
    Late,
    /// It is not in the topic any more.
    Deleted,
    /// The registry does not say how it is to be read.
    Registry,
    /// This process is about to end.
    Stopped,
}

impl LostCause {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Deleted => "deleted",
            Self::Registry => "registry",
            Self::Stopped => "stopped",
        }
    }
}

/// A wish on its way, and whom to tell. Dropped it says that this process ends.
pub(crate) struct Wish {
    pub(crate) wanted: Wanted,
    pub(crate) since: Instant,
    report: Option<Report>,
}

type Report = Box<dyn FnOnce(Recovered) + Send>;

impl Wish {
    fn tell(&mut self, recovered: Recovered) {
        if let Some(report) = self.report.take() {
            report(recovered);
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.tell(Recovered::Lost(LostCause::Stopped));
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// The way to the thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Recall {
    wishes: SyncSender<Wish>,
    _stop: StopAsked,
    thread: JoinHandle<()>,
}

/// What the thread owns.
pub(super) struct Looking {
    config: ClientConfig,
    reporting: Arc<Reporting>,
    recent: Arc<Recent>,
    /// How far back from its start it looks.
    window: Duration,
    reader: Reader,
    replacement: ClientReplacement,
    finder: Finder,
    stop: Stop,
}

impl Recall {
    /// How many may wait.
    const WAITING: usize = 10_000;

    pub(crate) fn start(
        kafka: &KafkaSettings,
        group: &str,
        reporting: Arc<Reporting>,
        recent: Arc<Recent>,
        window: Duration,
        reader: Reader,
    ) -> Result<Self, StartError> {
        let config = client_config::stretch_consumer(kafka, group)?;
        let (asked, stop) = stop();
        let (wishes, coming) = sync_channel(Self::WAITING);
        let looking = Looking {
            finder: Finder::new(&config, Arc::clone(&reporting.topic)),
            config,
            reporting,
            recent,
            window,
            reader,
            replacement: ClientReplacement::new(kafka),
            stop,
        };
        let thread = thread::Builder::new()
            .name("recall".to_owned())
            .spawn(move || looking.run(&coming))
            .map_err(StartError::Thread)?;
        Ok(Self {
            wishes,
            _stop: asked,
            thread,
        })
    }

    /// Looks for it and reports once, from the thread. Never waits.
    pub(crate) fn recover(&self, wanted: Wanted, report: Report) {
        let wish = Wish {
            wanted,
            since: Instant::now(),
            report: Some(report),
        };
        match self.wishes.try_send(wish) {
            Ok(()) => {}
            Err(TrySendError::Full(mut wish)) => wish.tell(Recovered::Lost(LostCause::Busy)),
            Err(TrySendError::Disconnected(wish)) => drop(wish),
        }
    }

    /// Ends the thread, within some 100 ms, or a few seconds while a broker does not answer. A panic
    /// in it has been said by the panic hook.
    pub(crate) fn stop(self) {
        let Self {
            wishes,
            _stop,
            thread,
        } = self;
        drop((wishes, _stop));
        drop(thread.join());
    }
}

impl Looking {
    /// How many are served together.
    const BATCH: usize = 4_096;
    const STEP: Duration = Duration::from_millis(100);

    fn run(mut self, wishes: &Receiver<Wish>) {
        let mut client = None;
        self.fill(&mut client);
        loop {
            let first = match wishes.recv_timeout(Self::STEP) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) if self.stop.is_asked() => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.tend(&mut client);
                    self.measure();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let more = wishes.try_iter().take(Self::BATCH - 1);
            let batch = std::iter::once(first).chain(more).collect();
            self.serve(&mut client, batch);
            self.tend(&mut client);
        }
    }

    /// Takes what the client has to say of itself, which would pile up otherwise, and replaces it
    /// when it has been without a connection for too long.
    fn tend(&mut self, client: &mut Option<SteadyConsumer>) {
        let Some(idle) = client else { return };
        // Nothing is assigned: what comes is an error, and librdkafka gets over it.
        drop(idle.poll(Duration::ZERO));
        let connected_at = idle.context().connected_at();
        if !self.replacement.is_due(connected_at) {
            return;
        }
        let disconnected_for = self.replacement.disconnected_for();
        let events = &self.reporting.events;
        events.client_replaced(Client::Recall, disconnected_for);
        self.replacement.on_replaced();
        *client = None;
        self.client(client);
    }

    fn measure(&self) {
        let (records, bytes) = self.recent.size();
        self.reporting.events.recent(records, bytes);
    }

    /// The client, made when it is first needed, or again after it failed.
    fn client<'a>(&mut self, client: &'a mut Option<SteadyConsumer>) -> Option<&'a SteadyConsumer> {
        if client.as_ref().is_some_and(has_failed) {
            *client = None;
        }
        if client.is_none() {
            let Reporting { topic, events, .. } = &*self.reporting;
            let context = Context::new(Client::Recall, Arc::clone(topic), Arc::clone(events));
            *client = SteadyConsumer::create(&self.config, context).ok();
            self.replacement.on_created();
        }
        client.as_ref()
    }
}

fn has_failed(client: &SteadyConsumer) -> bool {
    client.context().has_failed()
}
