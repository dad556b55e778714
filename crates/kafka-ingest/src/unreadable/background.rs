//! The finder on a thread of its own, for a reader that must not wait: other partitions go on meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use super::{SearchDeadline, UnreadableBatch, UnreadableBatchFinder};
use crate::assignment::StartPosition;
use crate::backoff::Backoff;
use crate::stop_signal::{StopHandle, StopSignal, stop_channel};

/// Looks for unreadable batches, one search at a time. Its thread starts with the first search and ends,
/// within some 100 ms, when this is dropped.
pub(crate) struct BackgroundBatchFinder {
    config: ClientConfig,
    topic: Arc<str>,
    thread: Option<FinderThread>,
    search: SearchState,
    backoff: Backoff,
}

/// The state of the searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchState {
    /// None is under way, and none starts before this time.
    NotBefore(Instant),
    /// One is under way.
    Running,
    /// One is under way whose outcome is about positions that do not hold any more.
    Outdated,
}

struct FinderThread {
    requests: SyncSender<Vec<(i32, StartPosition)>>,
    found: Receiver<Vec<UnreadableBatch>>,
    stop: StopHandle,
    thread: JoinHandle<()>,
}

impl BackgroundBatchFinder {
    /// The longest time for one search.
    const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);
    /// The pause after a search that found nothing.
    const FIRST_WAIT: Duration = Duration::from_millis(500);
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// Takes what the reader's own client was created from.
    pub(crate) fn new(config: &ClientConfig, topic: &Arc<str>) -> Self {
        Self {
            config: config.clone(),
            topic: Arc::clone(topic),
            thread: None,
            search: SearchState::NotBefore(Instant::now()),
            backoff: Backoff::new(Self::FIRST_WAIT, Self::LONGEST_WAIT),
        }
    }

    /// Starts a search from `starts`, unless one is under way or has just found nothing.
    pub(crate) fn start_search(&mut self, now: Instant, starts: Vec<(i32, StartPosition)>) {
        match self.search {
            SearchState::NotBefore(time) if time <= now => {}
            SearchState::NotBefore(_) | SearchState::Running | SearchState::Outdated => return,
        }
        if self.thread.is_none() {
            self.thread = FinderThread::start(&self.config, &self.topic);
        }
        let sent = self.thread.as_ref().map(|it| it.requests.try_send(starts));
        match sent {
            Some(Ok(())) => self.search = SearchState::Running,
            Some(Err(_)) | None => {
                self.thread = None;
                self.schedule_next(now);
            }
        }
    }

    /// Forgets the search that is under way: reading stands elsewhere now.
    pub(crate) fn discard_search(&mut self) {
        if self.search == SearchState::Running {
            self.search = SearchState::Outdated;
        }
    }

    /// Returns what a search has found, once.
    pub(crate) fn poll_found(&mut self, now: Instant) -> Vec<UnreadableBatch> {
        let Some(running) = &self.thread else {
            return Vec::new();
        };
        let Ok(found) = running.found.try_recv() else {
            return Vec::new();
        };
        let outdated = self.search == SearchState::Outdated;
        if found.is_empty() {
            self.schedule_next(now);
        } else {
            self.backoff.reset();
            self.search = SearchState::NotBefore(now);
        }
        if outdated { Vec::new() } else { found }
    }

    fn schedule_next(&mut self, now: Instant) {
        let wait = self.backoff.next_wait(rand::random());
        self.search = SearchState::NotBefore(now + wait);
    }
}

impl FinderThread {
    /// `None` when the system gives no thread.
    fn start(config: &ClientConfig, topic: &Arc<str>) -> Option<Self> {
        let (stop, asked) = stop_channel();
        let (requests, coming) = sync_channel(1);
        let (telling, found) = sync_channel(1);
        let mut finder = UnreadableBatchFinder::new(config, Arc::clone(topic));
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
    finder: &mut UnreadableBatchFinder,
    requests: &Receiver<Vec<(i32, StartPosition)>>,
    telling: &SyncSender<Vec<UnreadableBatch>>,
    stop: &StopSignal,
) {
    for starts in requests {
        let patience = SearchDeadline {
            until: Instant::now() + BackgroundBatchFinder::SEARCH_TIMEOUT,
            stop: Some(stop),
        };
        if telling.send(finder.find(&starts, &patience)).is_err() {
            return;
        }
    }
}

impl Drop for BackgroundBatchFinder {
    fn drop(&mut self) {
        let Some(running) = self.thread.take() else {
            return;
        };
        let FinderThread {
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
