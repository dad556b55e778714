//! Queues outgoing messages of one socket, bounded in bytes: the manager puts in under its lock, so order holds;
//! the session's task takes out, on any worker.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use session_core::{MessageV2, ReplyV1, ResumePoint};
use types::TraceContext;

use crate::close_code::CloseCode;

/// One thing for a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutboxItem {
    /// Tell this a client of version 1.
    ReplyV1(QueuedMessage<ReplyV1>),
    /// Tell this a client of version 2.
    MessageV2(QueuedMessage<Box<MessageV2>>),
    /// Write this frame: one of the client's was refused.
    RefusalFrame(Bytes),
    /// Close after what was put in before.
    Close {
        code: CloseCode,
        /// From where the session can go on (version 2).
        resume: Option<Box<ResumePoint>>,
    },
}

/// A decision of the core and its origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueuedMessage<T> {
    pub(crate) message: T,
    pub(crate) decided_at: Instant,
    /// The span that brought the answer.
    pub(crate) trace: Option<TraceContext>,
}

/// The result of a take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutboxBatch {
    /// Everything that waited, in order; never empty.
    Items(VecDeque<OutboxItem>),
    /// More waited than the bound allows. Nothing is kept.
    Overflowed,
}

/// The outcome of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushOutcome {
    /// It waits.
    Queued,
    /// It was too much: it and everything that waited is gone, so many answers among it.
    Overflowed {
        /// Answers that nobody will read.
        answers: usize,
    },
}

/// The shared half: [`OutboxQueue`] and the task that waits for it.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<OutboxInner>);

#[derive(Debug)]
struct OutboxInner {
    queue: OutboxQueue,
    waker: Option<Waker>,
}

impl Outbox {
    /// An outbox for `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self(Mutex::new(OutboxInner {
            queue: OutboxQueue::new(bound),
            waker: None,
        }))
    }

    pub(crate) fn push(&self, item: OutboxItem) -> PushOutcome {
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
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<OutboxBatch> {
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
    pub(crate) fn on_written(&self) {
        self.lock().queue.on_written();
    }

    /// Answers that were put in and never taken; nothing is kept.
    pub(crate) fn close(&self) -> usize {
        self.lock().queue.close()
    }

    /// Each change of the queue is one call, so a panicking thread leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, OutboxInner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pure half: the queue and its account of bytes.
#[derive(Debug)]
struct OutboxQueue {
    items: VecDeque<OutboxItem>,
    waiting_bytes: usize,
    /// Bytes of what was taken and is not written yet.
    taken_bytes: usize,
    max_bytes: usize,
    overflow: OverflowState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OverflowState {
    No,
    Unreported,
    Reported,
}

impl OutboxQueue {
    fn new(bound: usize) -> Self {
        Self {
            items: VecDeque::new(),
            waiting_bytes: 0,
            taken_bytes: 0,
            max_bytes: bound,
            overflow: OverflowState::No,
        }
    }

    /// One item always fits, however large; a second one only within the bound.
    fn push(&mut self, item: OutboxItem) -> PushOutcome {
        let before = self.waiting_bytes + self.taken_bytes;
        let cost = item.held_bytes();
        let fits = before == 0 || before + cost <= self.max_bytes;
        if self.overflow != OverflowState::No || !fits {
            let answers = usize::from(item.is_answer()) + self.close();
            if self.overflow == OverflowState::No {
                self.overflow = OverflowState::Unreported;
            }
            return PushOutcome::Overflowed { answers };
        }
        self.waiting_bytes += cost;
        self.items.push_back(item);
        PushOutcome::Queued
    }

    fn take(&mut self) -> Option<OutboxBatch> {
        match self.overflow {
            OverflowState::Unreported => {
                self.overflow = OverflowState::Reported;
                Some(OutboxBatch::Overflowed)
            }
            OverflowState::Reported => None,
            OverflowState::No if self.items.is_empty() => None,
            OverflowState::No => {
                self.taken_bytes += mem::take(&mut self.waiting_bytes);
                Some(OutboxBatch::Items(mem::take(&mut self.items)))
            }
        }
    }

    fn on_written(&mut self) {
        self.taken_bytes = 0;
    }

    fn close(&mut self) -> usize {
        self.waiting_bytes = 0;
        let dropped = mem::take(&mut self.items);
        dropped.iter().filter(|item| item.is_answer()).count()
    }
}

impl OutboxItem {
    /// Bytes it holds while it waits.
    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::ReplyV1(queued) => match &queued.message {
                ReplyV1::Answer { text, .. } => text.expose().len(),
                ReplyV1::AnswerFailed
                | ReplyV1::Busy
                | ReplyV1::Draining
                | ReplyV1::PublishFailed
                | ReplyV1::TimedOut => 0,
            },
            Self::MessageV2(queued) => match &*queued.message {
                MessageV2::AnswerChunks(stretch) => {
                    size_of::<MessageV2>() + stretch.text.expose().len()
                }
                MessageV2::Hello { .. }
                | MessageV2::NotResumed
                | MessageV2::SessionIdInUse
                | MessageV2::Accepted { .. }
                | MessageV2::Error { .. } => size_of::<MessageV2>(),
            },
            Self::RefusalFrame(frame) => frame.len(),
            Self::Close { .. } => 0,
        }
    }

    /// Tells whether an answer ends with it.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::ReplyV1(queued) => matches!(queued.message, ReplyV1::Answer { .. }),
            Self::MessageV2(queued) => {
                matches!(&*queued.message, MessageV2::AnswerChunks(stretch) if stretch.end.is_some())
            }
            Self::RefusalFrame(_) | Self::Close { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use types::AnswerText;

    use super::*;

    fn reply(what: ReplyV1) -> OutboxItem {
        OutboxItem::ReplyV1(QueuedMessage {
            message: what,
            decided_at: clock(),
            trace: None,
        })
    }

    fn answer(len: usize) -> OutboxItem {
        reply(ReplyV1::Answer {
            text: AnswerText::new("x".repeat(len)),
            publish_time: None,
            total_time: Duration::ZERO,
        })
    }

    fn clock() -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    const ITEM: usize = size_of::<OutboxItem>();

    #[test]
    fn what_is_put_in_is_taken_in_order() {
        let mut queue = OutboxQueue::new(10_000);
        assert_eq!(queue.take(), None);
        queue.push(answer(1));
        let close = || OutboxItem::Close {
            code: CloseCode::Draining,
            resume: None,
        };
        queue.push(close());
        let expected = VecDeque::from([answer(1), close()]);
        assert_eq!(queue.take(), Some(OutboxBatch::Items(expected)));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn one_answer_always_fits_and_the_bound_counts_what_is_not_written_yet() {
        let mut queue = OutboxQueue::new(3 * ITEM);
        assert_eq!(queue.push(answer(10 * ITEM)), PushOutcome::Queued);
        assert!(matches!(queue.take(), Some(OutboxBatch::Items(_))));
        queue.on_written();

        assert_eq!(queue.push(reply(ReplyV1::Busy)), PushOutcome::Queued);
        assert!(
            matches!(queue.take(), Some(OutboxBatch::Items(_))),
            "not written yet"
        );
        assert_eq!(queue.push(answer(ITEM)), PushOutcome::Queued);
        assert_eq!(
            queue.push(answer(0)),
            PushOutcome::Overflowed { answers: 2 },
            "one byte more than the bound, with what was taken"
        );
    }

    #[test]
    fn an_overflow_is_told_once_and_nothing_is_kept_or_taken_after_it() {
        let mut queue = OutboxQueue::new(ITEM);
        queue.push(answer(0));
        assert_eq!(
            queue.push(reply(ReplyV1::Busy)),
            PushOutcome::Overflowed { answers: 1 }
        );
        assert_eq!(queue.take(), Some(OutboxBatch::Overflowed));
        assert_eq!(queue.take(), None);
        assert_eq!(
            queue.push(answer(0)),
            PushOutcome::Overflowed { answers: 1 }
        );
        assert_eq!((queue.take(), queue.items.len()), (None, 0));
    }

    #[test]
    fn closing_counts_the_answers_nobody_took() {
        let outbox = Outbox::new(10_000);
        outbox.push(answer(1));
        outbox.push(reply(ReplyV1::Busy));
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
            OutboxBatch::Items(VecDeque::from([answer(1)]))
        );
    }
}
