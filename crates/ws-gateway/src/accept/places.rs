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
pub(crate) struct ConnectionPlaces {
    free: Arc<Semaphore>,
    evictable: Arc<Mutex<EvictableConnections>>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// The connections that may be evicted, in the order in which they came. No more than there are places.
#[derive(Debug, Default)]
struct EvictableConnections {
    next: u64,
    by_age: BTreeMap<u64, oneshot::Sender<Eviction>>,
}

/// A connection's end of its own eviction. Dropping it ends the time in which it can be evicted.
#[derive(Debug)]
pub(crate) struct EvictionNotice {
    number: u64,
    evicted: oneshot::Receiver<Eviction>,
    connections: Arc<Mutex<EvictableConnections>>,
}

/// The order to end a connection. Whoever gave it waits until it is dropped: drop it after the
/// connection.
#[derive(Debug)]
pub(crate) struct Eviction(#[expect(dead_code, reason = "held")] oneshot::Sender<Infallible>);

impl ConnectionPlaces {
    /// The longest time for an evicted connection to be gone; it takes microseconds unless the runtime
    /// is stuck.
    const EVICTION_PATIENCE: Duration = Duration::from_millis(100);

    /// The most connections that are evicted for one newcomer.
    const EVICTIONS: usize = 3;

    /// So many places, all free.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            evictable: Arc::default(),
        }
    }

    /// Takes a free place, or the place of the oldest connection that can be evicted; `true` says
    /// that one was. `None` when every place is held by a WebSocket.
    pub(crate) async fn take(&self) -> Option<(ConnectionPlace, bool)> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some((ConnectionPlace(permit), false));
        }
        for _ in 0..Self::EVICTIONS {
            if !self.evict_oldest().await {
                return None;
            }
            let permit = Arc::clone(&self.free).acquire_owned();
            // One that became a WebSocket as it was evicted keeps its place: the next oldest goes.
            if let Ok(permit) = timeout(Self::EVICTION_PATIENCE, permit).await {
                let permit = permit.expect("the semaphore is never closed");
                return Some((ConnectionPlace(permit), true));
            }
        }
        None
    }

    /// Evicts the oldest connection that can be, and waits until it is gone; whether there was one.
    pub(crate) async fn evict_oldest(&self) -> bool {
        let oldest = lock(&self.evictable).by_age.pop_first();
        let Some((_, connection)) = oldest else {
            return false;
        };
        let (held, dropped) = oneshot::channel();
        // One that ended meanwhile has made room by itself.
        if connection.send(Eviction(held)).is_ok() {
            drop(timeout(Self::EVICTION_PATIENCE, dropped).await);
        }
        true
    }

    /// Registers a connection that can be evicted for as long as the notice lives.
    pub(crate) fn register(&self) -> EvictionNotice {
        let (evict, evicted) = oneshot::channel();
        let mut connections = lock(&self.evictable);
        let number = connections.next;
        connections.next += 1;
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
    pub(crate) async fn evicted(&mut self) -> Eviction {
        match (&mut self.evicted).await {
            Ok(eviction) => eviction,
            // The port is closed: nobody evicts any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for EvictionNotice {
    fn drop(&mut self) {
        lock(&self.connections).by_age.remove(&self.number);
    }
}

fn lock(connections: &Mutex<EvictableConnections>) -> MutexGuard<'_, EvictableConnections> {
    // Nothing here is left half-changed by a panic.
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that does nothing until it is evicted.
    fn idle(places: &ConnectionPlaces, place: ConnectionPlace) -> tokio::task::JoinHandle<()> {
        let mut notice = places.register();
        tokio::spawn(async move {
            let eviction = notice.evicted().await;
            drop(place);
            drop(eviction);
        })
    }

    #[tokio::test]
    async fn the_oldest_connection_makes_room_for_a_newcomer() {
        let places = ConnectionPlaces::new(2);
        let (oldest, evicted) = places.take().await.unwrap();
        assert!(!evicted);
        let oldest = idle(&places, oldest);
        let newer = idle(&places, places.take().await.unwrap().0);
        let (_newest, evicted) = places.take().await.unwrap();
        assert!(evicted);
        oldest.await.unwrap();
        assert!(!newer.is_finished());
    }

    #[tokio::test]
    async fn a_connection_that_can_no_longer_be_evicted_keeps_its_place() {
        let places = ConnectionPlaces::new(1);
        let (socket, _) = places.take().await.unwrap();
        drop(places.register());
        assert!(places.take().await.is_none());
        assert!(!places.evict_oldest().await);
        drop(socket);
        assert!(places.take().await.is_some());
        assert!(lock(&places.evictable).by_age.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_became_a_websocket_as_it_was_evicted_leaves_the_next_oldest_to_make_room() {
        let places = ConnectionPlaces::new(2);
        let (upgraded, _) = places.take().await.unwrap();
        let mut notice = places.register();
        let idle = idle(&places, places.take().await.unwrap().0);
        let (taken, _) = tokio::join!(places.take(), async {
            drop(notice.evicted().await);
        });
        let (_newcomer, evicted) = taken.unwrap();
        assert!(evicted);
        idle.await.unwrap();
        drop(upgraded);
    }

    #[tokio::test]
    async fn an_eviction_is_over_when_the_connection_is_gone() {
        let places = ConnectionPlaces::new(1);
        let connection = idle(&places, places.take().await.unwrap().0);
        assert!(places.evict_oldest().await);
        assert_eq!(places.free.available_permits(), 1);
        connection.await.unwrap();
    }
}
