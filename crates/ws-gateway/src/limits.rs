//! How many WebSockets there may be at once, in all and from one address, and how fast they may come.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rate::Rate;
use crate::settings::Limits;

/// Hands out one [`Place`] a socket. A cheap handle: clones share the places.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Inner>>);

/// A socket's right to be there; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Gate,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// `limits.connections` are open.
    Process,
    /// `limits.connections_per_address` are open from this address.
    Address,
    /// `limits.connects_per_second` came already; how long to wait.
    Rate(Duration),
}

#[derive(Debug)]
struct Inner {
    connections: usize,
    per_address: Option<NonZeroU32>,
    rate: Option<Rate>,
    open: usize,
    /// No larger than `open`; only kept when there is a limit per address.
    by_address: HashMap<IpAddr, u32>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            connections: limits.connections,
            per_address: limits.connections_per_address,
            rate: limits.connects_per_second.map(|rate| Rate::new(rate, now)),
            open: 0,
            by_address: HashMap::new(),
        })))
    }

    /// A place for a socket from `address`. A refusal takes nothing.
    pub(crate) fn enter(&self, address: IpAddr, now: Instant) -> Result<Place, Full> {
        let address = counted(address);
        let mut inner = self.inner();
        if inner.open >= inner.connections {
            return Err(Full::Process);
        }
        let here = inner.by_address.get(&address).copied().unwrap_or(0);
        if inner.per_address.is_some_and(|limit| here >= limit.get()) {
            return Err(Full::Address);
        }
        if let Some(rate) = &mut inner.rate {
            rate.take(now).map_err(Full::Rate)?;
        }
        inner.open += 1;
        if inner.per_address.is_some() {
            inner.by_address.insert(address, here + 1);
        }
        drop(inner);
        Ok(Place {
            gate: self.clone(),
            address,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing here is left half-changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.gate.inner();
        inner.open -= 1;
        if let Some(here) = inner.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inner.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one customer has of IPv6.
fn counted(address: IpAddr) -> IpAddr {
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

    fn gate(connections: usize, per_address: u32, per_second: u32) -> (Gate, Instant) {
        let now = Instant::now();
        let limits = Limits {
            connections,
            connections_per_address: NonZeroU32::new(per_address),
            connects_per_second: NonZeroU32::new(per_second),
        };
        (Gate::new(&limits, now), now)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_process_takes_so_many_and_one_more_for_each_that_leaves() {
        let (gate, now) = gate(2, 0, 0);
        let enter = || gate.enter(address("10.0.0.1"), now);
        let first = enter().unwrap();
        let _second = enter().unwrap();
        assert_eq!(enter().unwrap_err(), Full::Process);
        drop(first);
        let _third = enter().unwrap();
        assert_eq!(enter().unwrap_err(), Full::Process);
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_leaves_nothing_behind() {
        let (gate, now) = gate(100, 1, 0);
        let enter = |text| gate.enter(address(text), now);
        let mut places = vec![enter("10.0.0.1").unwrap(), enter("2001:db8::1").unwrap()];
        for same in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::2"] {
            assert_eq!(enter(same).unwrap_err(), Full::Address, "{same}");
        }
        places.push(enter("10.0.0.2").unwrap());
        places.push(enter("2001:db8:0:1::1").unwrap());
        drop(places);
        assert!(gate.inner().by_address.is_empty());
        assert_eq!(gate.inner().open, 0);
    }

    #[test]
    fn no_more_than_so_many_come_in_a_second() {
        let (gate, now) = gate(100, 0, 2);
        let enter = |at| gate.enter(address("10.0.0.1"), at);
        let _places = [enter(now).unwrap(), enter(now).unwrap()];
        let wait = Duration::from_millis(500);
        assert_eq!(enter(now).unwrap_err(), Full::Rate(wait));
        assert!(enter(now + wait).is_ok());
    }

    #[test]
    fn a_refusal_takes_nothing_of_the_other_limits() {
        let (gate, now) = gate(1, 1, 1);
        let place = gate.enter(address("10.0.0.1"), now).unwrap();
        assert_eq!(
            gate.enter(address("10.0.0.2"), now).unwrap_err(),
            Full::Process
        );
        drop(place);
        let later = now + Duration::from_secs(1);
        assert!(gate.enter(address("10.0.0.2"), later).is_ok());
    }
}
