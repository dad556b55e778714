//! Questions that were handed to the producer and have no delivery report yet, bounded. Pure.
//!
//! The producer carries a [`Ticket`] and not what waits for the report, so that all of it is found
//! here whatever becomes of the producer.

use std::collections::HashMap;

/// Entries in flight, by ticket.
#[derive(Debug)]
pub(crate) struct InFlightTable<W> {
    waiting: HashMap<Ticket, W>,
    next: Ticket,
    limit: usize,
}

/// Names one that waits; fits in the pointer that librdkafka carries.
pub(crate) type Ticket = usize;

impl<W> InFlightTable<W> {
    /// Room for `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            next: 0,
            limit,
        }
    }

    /// Takes one in, or gives it back when there is no room.
    pub(crate) fn admit(&mut self, one: W) -> Result<Ticket, W> {
        if self.waiting.len() >= self.limit {
            return Err(one);
        }
        let ticket = self.next;
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(ticket, one);
        Ok(ticket)
    }

    /// Takes one out; `None` when it was taken out before.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<W> {
        self.waiting.remove(&ticket)
    }

    /// Takes all out: whatever carried their tickets is gone.
    pub(crate) fn take_all(&mut self) -> Vec<W> {
        self.waiting.drain().map(|(_, one)| one).collect()
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the most entries that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_limit_one_comes_back_until_there_is_room() {
        let mut in_flight = InFlightTable::new(2);
        let a = in_flight.admit("a").unwrap();
        let b = in_flight.admit("b").unwrap();
        assert_eq!(in_flight.admit("c"), Err("c"));
        assert_eq!(in_flight.take(a), Some("a"));
        assert_eq!(in_flight.take(a), None, "once");
        let c = in_flight.admit("c").unwrap();
        assert_ne!(b, c);
        assert_eq!(
            (in_flight.take(b), in_flight.take(c)),
            (Some("b"), Some("c"))
        );
    }

    #[test]
    fn nothing_stays_behind_when_the_producer_is_gone() {
        let mut in_flight = InFlightTable::new(2);
        let a = in_flight.admit("a").unwrap();
        in_flight.admit("b").unwrap();
        let mut left = in_flight.take_all();
        left.sort_unstable();
        assert_eq!((left, in_flight.len()), (vec!["a", "b"], 0));
        assert_eq!(in_flight.take(a), None, "a late report finds nothing");
    }
}
