//! Limits the WebSockets that are open at once, in all and from one address, and the rate at which they come.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rate_limiter::RateLimiter;
use crate::settings::WebSocketLimits;

/// Hands out one [`WebSocketPermit`] a socket. A cheap handle: clones share the places.
#[derive(Debug, Clone)]
pub(crate) struct WebSocketLimiter(Arc<Mutex<LimiterState>>);

/// A socket's right to be there; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct WebSocketPermit {
    limiter: WebSocketLimiter,
    address: IpAddr,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// `limits.connections` are open.
    Connections,
    /// `limits.connections_per_address` are open from this address.
    ConnectionsPerAddress,
    /// `limits.connects_per_second` came already; how long to wait.
    Rate(Duration),
}

#[derive(Debug)]
struct LimiterState {
    max_connections: usize,
    max_per_address: Option<NonZeroU32>,
    rate_limiter: Option<RateLimiter>,
    open_count: usize,
    /// No larger than `open`; only kept when there is a limit per address.
    open_by_address: HashMap<IpAddr, u32>,
}

impl WebSocketLimiter {
    pub(crate) fn new(limits: &WebSocketLimits, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(LimiterState {
            max_connections: limits.connections,
            max_per_address: limits.connections_per_address,
            rate_limiter: limits
                .connects_per_second
                .map(|rate| RateLimiter::new(rate, now)),
            open_count: 0,
            open_by_address: HashMap::new(),
        })))
    }

    /// A place for a socket from `address`. A refusal takes nothing.
    pub(crate) fn acquire(
        &self,
        address: IpAddr,
        now: Instant,
    ) -> Result<WebSocketPermit, LimitReached> {
        let address = address_group(address);
        let mut inner = self.lock_state();
        if inner.open_count >= inner.max_connections {
            return Err(LimitReached::Connections);
        }
        let here = inner.open_by_address.get(&address).copied().unwrap_or(0);
        if inner
            .max_per_address
            .is_some_and(|limit| here >= limit.get())
        {
            return Err(LimitReached::ConnectionsPerAddress);
        }
        if let Some(rate) = &mut inner.rate_limiter {
            rate.try_take(now).map_err(LimitReached::Rate)?;
        }
        inner.open_count += 1;
        if inner.max_per_address.is_some() {
            inner.open_by_address.insert(address, here + 1);
        }
        drop(inner);
        Ok(WebSocketPermit {
            limiter: self.clone(),
            address,
        })
    }

    fn lock_state(&self) -> MutexGuard<'_, LimiterState> {
        // Nothing here is left half-changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WebSocketPermit {
    fn drop(&mut self) {
        let mut inner = self.limiter.lock_state();
        inner.open_count -= 1;
        if let Some(here) = inner.open_by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inner.open_by_address.remove(&self.address);
            }
        }
    }
}

/// Returns the address that counts: an IPv4 address, or the /64 that one customer has of IPv6.
fn address_group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, per_address: u32, per_second: u32) -> (WebSocketLimiter, Instant) {
        let now = Instant::now();
        let limits = WebSocketLimits {
            connections,
            connections_per_address: NonZeroU32::new(per_address),
            connects_per_second: NonZeroU32::new(per_second),
        };
        (WebSocketLimiter::new(&limits, now), now)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_process_takes_so_many_and_one_more_for_each_that_leaves() {
        let (gate, now) = gate(2, 0, 0);
        let enter = || gate.acquire(address("10.0.0.1"), now);
        let first = enter().unwrap();
        let _second = enter().unwrap();
        assert_eq!(enter().unwrap_err(), LimitReached::Connections);
        drop(first);
        let _third = enter().unwrap();
        assert_eq!(enter().unwrap_err(), LimitReached::Connections);
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_leaves_nothing_behind() {
        let (gate, now) = gate(100, 1, 0);
        let enter = |text| gate.acquire(address(text), now);
        let mut places = vec![enter("10.0.0.1").unwrap(), enter("2001:db8::1").unwrap()];
        for same in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::2"] {
            assert_eq!(
                enter(same).unwrap_err(),
                LimitReached::ConnectionsPerAddress,
                "{same}"
            );
        }
        places.push(enter("10.0.0.2").unwrap());
        places.push(enter("2001:db8:0:1::1").unwrap());
        drop(places);
        assert!(gate.lock_state().open_by_address.is_empty());
        assert_eq!(gate.lock_state().open_count, 0);
    }

    #[test]
    fn no_more_than_so_many_come_in_a_second() {
        let (gate, now) = gate(100, 0, 2);
        let enter = |at| gate.acquire(address("10.0.0.1"), at);
        let _places = [enter(now).unwrap(), enter(now).unwrap()];
        let wait = Duration::from_millis(500);
        assert_eq!(enter(now).unwrap_err(), LimitReached::Rate(wait));
        assert!(enter(now + wait).is_ok());
    }

    #[test]
    fn a_refusal_takes_nothing_of_the_other_limits() {
        let (gate, now) = gate(1, 1, 1);
        let place = gate.acquire(address("10.0.0.1"), now).unwrap();
        assert_eq!(
            gate.acquire(address("10.0.0.2"), now).unwrap_err(),
            LimitReached::Connections
        );
        drop(place);
        let later = now + Duration::from_secs(1);
        assert!(gate.acquire(address("10.0.0.2"), later).is_ok());
    }
}
