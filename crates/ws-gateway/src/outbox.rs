//! What waits for one socket, bounded in bytes: the manager puts in under its lock, so order holds;
//! the session's task takes out, on any worker.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use session_core::{Reply, ResumePoint, Told};
use types::TraceContext;

use crate::close::Close;

/// One thing for a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Tell this a client of version 1.
    Reply(Queued<Reply>),
    /// Tell this a client of version 2.
    Told(Queued<Box<Told>>),
    /// Write this frame: one of the client's was refused.
    Refusal(Bytes),
    /// Close after what was put in before.
    Close {
        why: Close,
        /// From where the session can go on (version 2).
        resume: Option<Box<ResumePoint>>,
    },
}

/// What the core decided and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Queued<T> {
    pub(crate) what: T,
    pub(crate) decided_at: Instant,
    /// The span that brought the answer.
    pub(crate) trace: Option<TraceContext>,
}

/// What a take brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Everything that waited, in order; never empty.
    Items(VecDeque<Outgoing>),
    /// More waited than the bound allows. Nothing is kept.
    Overflowed,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits.
    Queued,
    /// It was too much: it and everything that waited is gone, so many answers among it.
    Overflowed {
        /// Answers that nobody will read.
        answers: usize,
    },
}

/// The shared half: [`Queue`] and the task that waits for it.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Queue,
    waker: Option<Waker>,
}

impl Outbox {
    /// An outbox for `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self(Mutex::new(Inner {
            queue: Queue::new(bound),
            waker: None,
        }))
    }

    pub(crate) fn push(&self, item: Outgoing) -> Pushed {
        let mut inner = self.lock();
        let pushed = inner.queue.push(item);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        pushed
    }

    /// Takes what waits, or waits for it. One task at a time.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut inner = self.lock();
        match inner.queue.take() {
            Some(taken) => Poll::Ready(taken),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Everything taken so far is written.
    pub(crate) fn settle(&self) {
        self.lock().queue.settle();
    }

    /// Answers that were put in and never taken; nothing is kept.
    pub(crate) fn close(&self) -> usize {
        self.lock().queue.close()
    }

    /// Each change of the queue is one call, so a panicking thread leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pure half: the queue and its account of bytes.
#[derive(Debug)]
struct Queue {
    items: VecDeque<Outgoing>,
    waiting_bytes: usize,
    /// Bytes of what was taken and is not written yet.
    taken_bytes: usize,
    bound: usize,
    overflow: Overflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    No,
    Untold,
    Told,
}

impl Queue {
    fn new(bound: usize) -> Self {
        Self {
            items: VecDeque::new(),
            waiting_bytes: 0,
            taken_bytes: 0,
            bound,
            overflow: Overflow::No,
        }
    }

    /// One item always fits, however large; a second one only within the bound.
    fn push(&mut self, item: Outgoing) -> Pushed {
        let before = self.waiting_bytes + self.taken_bytes;
        let cost = item.cost();
        let fits = before == 0 || before + cost <= self.bound;
        if self.overflow != Overflow::No || !fits {
            let answers = usize::from(item.is_answer()) + self.close();
            if self.overflow == Overflow::No {
                self.overflow = Overflow::Untold;
            }
            return Pushed::Overflowed { answers };
        }
        self.waiting_bytes += cost;
        self.items.push_back(item);
        Pushed::Queued
    }

    fn take(&mut self) -> Option<Taken> {
        match self.overflow {
            Overflow::Untold => {
                self.overflow = Overflow::Told;
                Some(Taken::Overflowed)
            }
            Overflow::Told => None,
            Overflow::No if self.items.is_empty() => None,
            Overflow::No => {
                self.taken_bytes += mem::take(&mut self.waiting_bytes);
                Some(Taken::Items(mem::take(&mut self.items)))
            }
        }
    }

    fn settle(&mut self) {
        self.taken_bytes = 0;
    }

    fn close(&mut self) -> usize {
        self.waiting_bytes = 0;
        let dropped = mem::take(&mut self.items);
        dropped.iter().filter(|item| item.is_answer()).count()
    }
}

impl Outgoing {
    /// Bytes it holds while it waits.
    fn cost(&self) -> usize {
        size_of::<Self>() + self.held_elsewhere()
    }

    fn held_elsewhere(&self) -> usize {
        match self {
            Self::Reply(queued) => match &queued.what {
                Reply::Answer { text, .. } => text.expose().len(),
                Reply::AnswerFailed
                | Reply::Busy
                | Reply::Draining
                | Reply::PublishFailed
                | Reply::TimedOut => 0,
            },
            Self::Told(queued) => match &*queued.what {
                Told::Answer(stretch) => size_of::<Told>() + stretch.text.expose().len(),
                Told::Hello { .. }
                | Told::NotResumed
                | Told::SessionIdInUse
                | Told::Accepted { .. }
                | Told::Error { .. } => size_of::<Told>(),
            },
            Self::Refusal(frame) => frame.len(),
            Self::Close { .. } => 0,
        }
    }

    /// Whether an answer ends with it.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Reply(queued) => matches!(queued.what, Reply::Answer { .. }),
            Self::Told(queued) => {
                matches!(&*queued.what, Told::Answer(stretch) if stretch.end.is_some())
            }
            Self::Refusal(_) | Self::Close { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use types::AnswerText;

    use super::*;

    fn reply(what: Reply) -> Outgoing {
        Outgoing::Reply(Queued {
            what,
            decided_at: clock(),
            trace: None,
        })
    }

    fn answer(len: usize) -> Outgoing {
        reply(Reply::Answer {
            text: AnswerText::new("x".repeat(len)),
            publish: None,
            total: Duration::ZERO,
        })
    }

    fn clock() -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    const ITEM: usize = size_of::<Outgoing>();

    #[test]
    fn what_is_put_in_is_taken_in_order() {
        let mut queue = Queue::new(10_000);
        assert_eq!(queue.take(), None);
        queue.push(answer(1));
        let close = || Outgoing::Close {
            why: Close::Draining,
            resume: None,
        };
        queue.push(close());
        let expected = VecDeque::from([answer(1), close()]);
        assert_eq!(queue.take(), Some(Taken::Items(expected)));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn one_answer_always_fits_and_the_bound_counts_what_is_not_written_yet() {
        let mut queue = Queue::new(3 * ITEM);
        assert_eq!(queue.push(answer(10 * ITEM)), Pushed::Queued);
        assert!(matches!(queue.take(), Some(Taken::Items(_))));
        queue.settle();

        assert_eq!(queue.push(reply(Reply::Busy)), Pushed::Queued);
        assert!(
            matches!(queue.take(), Some(Taken::Items(_))),
            "not written yet"
        );
        assert_eq!(queue.push(answer(ITEM)), Pushed::Queued);
        assert_eq!(
            queue.push(answer(0)),
            Pushed::Overflowed { answers: 2 },
            "one byte more than the bound, with what was taken"
        );
    }

    #[test]
    fn an_overflow_is_told_once_and_nothing_is_kept_or_taken_after_it() {
        let mut queue = Queue::new(ITEM);
        queue.push(answer(0));
        assert_eq!(
            queue.push(reply(Reply::Busy)),
            Pushed::Overflowed { answers: 1 }
        );
        assert_eq!(queue.take(), Some(Taken::Overflowed));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.push(answer(0)), Pushed::Overflowed { answers: 1 });
        assert_eq!((queue.take(), queue.items.len()), (None, 0));
    }

    #[test]
    fn closing_counts_the_answers_nobody_took() {
        let outbox = Outbox::new(10_000);
        outbox.push(answer(1));
        outbox.push(reply(Reply::Busy));
        assert_eq!(outbox.close(), 1);
        assert_eq!(outbox.close(), 0);
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_by_a_push_from_another_thread() {
        let outbox = Arc::new(Outbox::new(10_000));
        let waiting = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { std::future::poll_fn(|cx| outbox.poll_take(cx)).await }
        });
        tokio::task::yield_now().await;
        std::thread::spawn(move || outbox.push(answer(1)))
            .join()
            .unwrap();
        assert_eq!(
            waiting.await.unwrap(),
            Taken::Items(VecDeque::from([answer(1)]))
        );
    }
}
