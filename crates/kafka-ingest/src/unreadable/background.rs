//! The finder on a thread of its own, for a reader that must not wait: other partitions go on meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use super::{Finder, Patience, UnreadableBatch};
use crate::assignment::Start;
use crate::backoff::Backoff;
use crate::stop::{Stop, StopAsked, stop};

/// Looks for unreadable batches, one search at a time. Its thread starts with the first search and ends,
/// within some 100 ms, when this is dropped.
pub(crate) struct BackgroundFinder {
    config: ClientConfig,
    topic: Arc<str>,
    thread: Option<Running>,
    search: Search,
    backoff: Backoff,
}

/// The state of the searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// None is under way, and none starts before this time.
    NotBefore(Instant),
    /// One is under way.
    UnderWay,
    /// One is under way whose outcome is about positions that do not hold any more.
    Outdated,
}

struct Running {
    requests: SyncSender<Vec<(i32, Start)>>,
    found: Receiver<Vec<UnreadableBatch>>,
    stop: StopAsked,
    thread: JoinHandle<()>,
}

impl BackgroundFinder {
    /// The longest time for one search.
    const PATIENCE: Duration = Duration::from_secs(30);
    /// The pause after a search that found nothing.
    const FIRST_WAIT: Duration = Duration::from_millis(500);
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// Takes what the reader's own client was created from.
    pub(crate) fn new(config: &ClientConfig, topic: &Arc<str>) -> Self {
        Self {
            config: config.clone(),
            topic: Arc::clone(topic),
            thread: None,
            search: Search::NotBefore(Instant::now()),
            backoff: Backoff::new(Self::FIRST_WAIT, Self::LONGEST_WAIT),
        }
    }

    /// Starts a search from `starts`, unless one is under way or has just found nothing.
    pub(crate) fn look(&mut self, now: Instant, starts: Vec<(i32, Start)>) {
        match self.search {
            Search::NotBefore(time) if time <= now => {}
            Search::NotBefore(_) | Search::UnderWay | Search::Outdated => return,
        }
        if self.thread.is_none() {
            self.thread = Running::start(&self.config, &self.topic);
        }
        let sent = self.thread.as_ref().map(|it| it.requests.try_send(starts));
        match sent {
            Some(Ok(())) => self.search = Search::UnderWay,
            Some(Err(_)) | None => {
                self.thread = None;
                self.wait(now);
            }
        }
    }

    /// Forgets the search that is under way: reading stands elsewhere now.
    pub(crate) fn forget(&mut self) {
        if self.search == Search::UnderWay {
            self.search = Search::Outdated;
        }
    }

    /// Returns what a search has found, once.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<UnreadableBatch> {
        let Some(running) = &self.thread else {
            return Vec::new();
        };
        let Ok(found) = running.found.try_recv() else {
            return Vec::new();
        };
        let outdated = self.search == Search::Outdated;
        if found.is_empty() {
            self.wait(now);
        } else {
            self.backoff.succeeded();
            self.search = Search::NotBefore(now);
        }
        if outdated { Vec::new() } else { found }
    }

    fn wait(&mut self, now: Instant) {
        let wait = self.backoff.after_failure(rand::random());
        self.search = Search::NotBefore(now + wait);
    }
}

impl Running {
    /// `None` when the system gives no thread.
    fn start(config: &ClientConfig, topic: &Arc<str>) -> Option<Self> {
        let (stop, asked) = stop();
        let (requests, coming) = sync_channel(1);
        let (telling, found) = sync_channel(1);
        let mut finder = Finder::new(config, Arc::clone(topic));
        let thread = thread::Builder::new()
            .name("unreadable".to_owned())
            .spawn(move || run(&mut finder, &coming, &telling, &asked))
            .ok()?;
        Some(Self {
            requests,
            found,
            stop,
            thread,
        })
    }
}

fn run(
    finder: &mut Finder,
    requests: &Receiver<Vec<(i32, Start)>>,
    telling: &SyncSender<Vec<UnreadableBatch>>,
    stop: &Stop,
) {
    for starts in requests {
        let patience = Patience {
            until: Instant::now() + BackgroundFinder::PATIENCE,
            stop: Some(stop),
        };
        if telling.send(finder.find(&starts, &patience)).is_err() {
            return;
        }
    }
}

impl Drop for BackgroundFinder {
    fn drop(&mut self) {
        let Some(running) = self.thread.take() else {
            return;
        };
        let Running {
            requests,
            found,
            stop,
            thread,
        } = running;
        drop((requests, found, stop));
        // A panic in it has ended the process already.
        drop(thread.join());
    }
}
