//! The places of one port's connections. When all are taken, the oldest connection that has not become
//! a WebSocket loses its place to the newcomer, so that idle connections keep nobody out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// The places of one port.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    free: Arc<Semaphore>,
    evictable: Arc<Mutex<EvictableConnections>>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// The connections that may be evicted, in the order in which they came. No more than there are places.
#[derive(Debug, Default)]
struct EvictableConnections {
    next_number: u64,
    by_age: BTreeMap<u64, oneshot::Sender<EvictionOrder>>,
}

/// A connection's end of its own eviction. Dropping it ends the time in which it can be evicted.
#[derive(Debug)]
pub(crate) struct EvictionNotice {
    number: u64,
    evicted: oneshot::Receiver<EvictionOrder>,
    connections: Arc<Mutex<EvictableConnections>>,
}

/// The order to end a connection. Whoever gave it waits until it is dropped: drop it after the
/// connection.
#[derive(Debug)]
pub(crate) struct EvictionOrder(#[expect(dead_code, reason = "held")] oneshot::Sender<Infallible>);

impl ConnectionSlots {
    /// The longest time for an evicted connection to be gone; it takes microseconds unless the runtime
    /// is stuck.
    const EVICTION_TIMEOUT: Duration = Duration::from_millis(100);

    /// The most connections that are evicted for one newcomer.
    const MAX_EVICTIONS: usize = 3;

    /// So many places, all free.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            evictable: Arc::default(),
        }
    }

    /// Takes a free place, or the place of the oldest connection that can be evicted; `true` says
    /// that one was. `None` when every place is held by a WebSocket.
    pub(crate) async fn acquire(&self) -> Option<(ConnectionSlot, bool)> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some((ConnectionSlot(permit), false));
        }
        for _ in 0..Self::MAX_EVICTIONS {
            if !self.evict_oldest().await {
                return None;
            }
            let permit = Arc::clone(&self.free).acquire_owned();
            // One that became a WebSocket as it was evicted keeps its place: the next oldest goes.
            if let Ok(permit) = timeout(Self::EVICTION_TIMEOUT, permit).await {
                let permit = permit.expect("the semaphore is never closed");
                return Some((ConnectionSlot(permit), true));
            }
        }
        None
    }

    /// Evicts the oldest connection that can be, and waits until it is gone; whether there was one.
    pub(crate) async fn evict_oldest(&self) -> bool {
        let oldest = lock_evictable(&self.evictable).by_age.pop_first();
        let Some((_, connection)) = oldest else {
            return false;
        };
        let (held, dropped) = oneshot::channel();
        // One that ended meanwhile has made room by itself.
        if connection.send(EvictionOrder(held)).is_ok() {
            drop(timeout(Self::EVICTION_TIMEOUT, dropped).await);
        }
        true
    }

    /// Registers a connection that can be evicted for as long as the notice lives.
    pub(crate) fn register_evictable(&self) -> EvictionNotice {
        let (evict, evicted) = oneshot::channel();
        let mut connections = lock_evictable(&self.evictable);
        let number = connections.next_number;
        connections.next_number += 1;
        connections.by_age.insert(number, evict);
        drop(connections);
        EvictionNotice {
            number,
            evicted,
            connections: Arc::clone(&self.evictable),
        }
    }
}

impl EvictionNotice {
    /// Resolves when the connection has to go.
    pub(crate) async fn wait_for_eviction(&mut self) -> EvictionOrder {
        match (&mut self.evicted).await {
            Ok(eviction) => eviction,
            // The port is closed: nobody evicts any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for EvictionNotice {
    fn drop(&mut self) {
        lock_evictable(&self.connections)
            .by_age
            .remove(&self.number);
    }
}

fn lock_evictable(
    connections: &Mutex<EvictableConnections>,
) -> MutexGuard<'_, EvictableConnections> {
    // Nothing here is left half-changed by a panic.
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that does nothing until it is evicted.
    fn idle(places: &ConnectionSlots, place: ConnectionSlot) -> tokio::task::JoinHandle<()> {
        let mut notice = places.register_evictable();
        tokio::spawn(async move {
            let eviction = notice.wait_for_eviction().await;
            drop(place);
            drop(eviction);
        })
    }

    #[tokio::test]
    async fn the_oldest_connection_makes_room_for_a_newcomer() {
        let places = ConnectionSlots::new(2);
        let (oldest, evicted) = places.acquire().await.unwrap();
        assert!(!evicted);
        let oldest = idle(&places, oldest);
        let newer = idle(&places, places.acquire().await.unwrap().0);
        let (_newest, evicted) = places.acquire().await.unwrap();
        assert!(evicted);
        oldest.await.unwrap();
        assert!(!newer.is_finished());
    }

    #[tokio::test]
    async fn a_connection_that_can_no_longer_be_evicted_keeps_its_place() {
        let places = ConnectionSlots::new(1);
        let (socket, _) = places.acquire().await.unwrap();
        drop(places.register_evictable());
        assert!(places.acquire().await.is_none());
        assert!(!places.evict_oldest().await);
        drop(socket);
        assert!(places.acquire().await.is_some());
        assert!(lock_evictable(&places.evictable).by_age.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_became_a_websocket_as_it_was_evicted_leaves_the_next_oldest_to_make_room() {
        let places = ConnectionSlots::new(2);
        let (upgraded, _) = places.acquire().await.unwrap();
        let mut notice = places.register_evictable();
        let idle = idle(&places, places.acquire().await.unwrap().0);
        let (taken, _) = tokio::join!(places.acquire(), async {
            drop(notice.wait_for_eviction().await);
        });
        let (_newcomer, evicted) = taken.unwrap();
        assert!(evicted);
        idle.await.unwrap();
        drop(upgraded);
    }

    #[tokio::test]
    async fn an_eviction_is_over_when_the_connection_is_gone() {
        let places = ConnectionSlots::new(1);
        let connection = idle(&places, places.acquire().await.unwrap().0);
        assert!(places.evict_oldest().await);
        assert_eq!(places.free.available_permits(), 1);
        connection.await.unwrap();
    }
}
