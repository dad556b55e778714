//! Keeps records that wait for their writer's schema, bounded. Pure.
//!
//! A partition whose place is full is to be paused, and resumed once there is room; other partitions
//! go on. Records under one schema leave in the order of their offsets. A record under a known schema
//! passes a parked one of its partition: whose answer it is stands in the record, so their order
//! decides nothing (two answers for one session under two schemas are told apart by the session's
//! rules).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use avro_codec::SchemaRef;
use types::RecordPosition;

/// Bounds of parked records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParkingLimits {
    /// Records of one partition.
    pub(crate) per_partition: usize,
    /// Bytes of all together. One record more of each partition may stand above it, since a record
    /// that was read has to be kept.
    pub(crate) bytes: usize,
}

/// The parked records of every partition. `R` is an owned record.
#[derive(Debug)]
pub(crate) struct Parking<R> {
    limits: ParkingLimits,
    places: BTreeMap<i32, VecDeque<ParkedEntry<R>>>,
    bytes: usize,
    paused: BTreeSet<i32>,
}

#[derive(Debug)]
struct ParkedEntry<R> {
    offset: i64,
    schema: SchemaRef,
    bytes: usize,
    record: R,
}

/// Partitions to pause and to resume, each named once until it changes again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PauseChanges {
    pub(crate) pause: Vec<i32>,
    pub(crate) resume: Vec<i32>,
}

impl<R> Parking<R> {
    pub(crate) fn new(limits: ParkingLimits) -> Self {
        Self {
            limits,
            places: BTreeMap::new(),
            bytes: 0,
            paused: BTreeSet::new(),
        }
    }

    /// Keeps a record of `bytes` bytes until its schema comes.
    pub(crate) fn park(&mut self, at: RecordPosition, schema: SchemaRef, bytes: usize, record: R) {
        let parked = ParkedEntry {
            offset: at.offset,
            schema,
            bytes,
            record,
        };
        self.bytes += bytes;
        self.places
            .entry(at.partition)
            .or_default()
            .push_back(parked);
    }

    /// Gives back every record under `schema`, by partition and offset.
    pub(crate) fn release(&mut self, schema: SchemaRef) -> Vec<(RecordPosition, R)> {
        let mut released = Vec::new();
        for (&partition, place) in &mut self.places {
            let (out, kept) = std::mem::take(place)
                .into_iter()
                .partition::<VecDeque<_>, _>(|parked| parked.schema == schema);
            *place = kept;
            for parked in out {
                self.bytes -= parked.bytes;
                let at = RecordPosition {
                    partition,
                    offset: parked.offset,
                };
                released.push((at, parked.record));
            }
        }
        self.places.retain(|_, place| !place.is_empty());
        released
    }

    /// Drops the records of partitions that another process reads now, from where they were committed.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        for partition in partitions {
            let place = self.places.remove(partition).unwrap_or_default();
            self.bytes -= place.iter().map(|parked| parked.bytes).sum::<usize>();
            self.paused.remove(partition);
        }
    }

    /// Returns the partitions to pause and to resume since the last call.
    pub(crate) fn poll_changes(&mut self) -> PauseChanges {
        let full: BTreeSet<i32> = self
            .places
            .iter()
            .filter(|(_, place)| self.is_full(place))
            .map(|(&partition, _)| partition)
            .collect();
        let changes = PauseChanges {
            pause: full.difference(&self.paused).copied().collect(),
            resume: self.paused.difference(&full).copied().collect(),
        };
        self.paused = full;
        changes
    }

    /// The consumer is new and has paused nothing: name the full partitions once more.
    pub(crate) fn reset_pauses(&mut self) {
        self.paused.clear();
    }

    /// Partitions that are paused, ascending.
    pub(crate) fn paused_partitions(&self) -> Vec<i32> {
        self.paused.iter().copied().collect()
    }

    /// Returns the most records of `partitions` partitions that may be parked.
    pub(crate) fn max_records(&self, partitions: usize) -> usize {
        self.limits.per_partition.saturating_mul(partitions)
    }

    /// Returns the number of parked records.
    pub(crate) fn len(&self) -> usize {
        self.places.values().map(VecDeque::len).sum()
    }

    fn is_full(&self, place: &VecDeque<ParkedEntry<R>>) -> bool {
        place.len() >= self.limits.per_partition || self.bytes >= self.limits.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SchemaRef = SchemaRef::Id(1);
    const TWO: SchemaRef = SchemaRef::Id(2);

    fn parking() -> Parking<&'static str> {
        Parking::new(ParkingLimits {
            per_partition: 2,
            bytes: 100,
        })
    }

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    fn changes(pause: &[i32], resume: &[i32]) -> PauseChanges {
        PauseChanges {
            pause: pause.to_vec(),
            resume: resume.to_vec(),
        }
    }

    #[test]
    fn records_leave_by_schema_and_in_the_order_of_their_offsets() {
        let mut parking = parking();
        parking.park(at(1, 5), ONE, 1, "a");
        parking.park(at(0, 7), TWO, 1, "b");
        parking.park(at(1, 6), TWO, 1, "c");
        parking.park(at(1, 8), ONE, 1, "d");
        assert_eq!(
            parking.release(ONE),
            [(at(1, 5), "a"), (at(1, 8), "d")],
            "not those under the other schema"
        );
        assert_eq!(parking.release(ONE), []);
        assert_eq!(parking.release(TWO), [(at(0, 7), "b"), (at(1, 6), "c")]);
        assert_eq!(parking.len(), 0);
    }

    #[test]
    fn a_full_partition_is_paused_once_and_resumed_once_and_others_go_on() {
        let mut parking = parking();
        parking.park(at(0, 0), ONE, 1, "");
        parking.park(at(1, 0), TWO, 1, "");
        assert_eq!(parking.poll_changes(), changes(&[], &[]), "there is room");
        parking.park(at(0, 1), ONE, 1, "");
        assert_eq!(parking.poll_changes(), changes(&[0], &[]));
        assert_eq!(parking.poll_changes(), changes(&[], &[]), "said already");
        assert_eq!(parking.paused_partitions(), [0]);
        parking.release(ONE);
        assert_eq!(parking.poll_changes(), changes(&[], &[0]));
        assert_eq!(parking.poll_changes(), changes(&[], &[]));
    }

    #[test]
    fn bytes_are_bounded_over_all_partitions() {
        let mut parking = parking();
        parking.park(at(0, 0), ONE, 99, "");
        assert_eq!(parking.poll_changes(), changes(&[], &[]));
        parking.park(at(1, 0), TWO, 1, "");
        assert_eq!(parking.poll_changes(), changes(&[0, 1], &[]));
        parking.release(TWO);
        assert_eq!(parking.poll_changes(), changes(&[], &[0, 1]));
    }

    #[test]
    fn what_was_parked_of_a_revoked_partition_is_dropped() {
        let mut parking = parking();
        parking.park(at(0, 0), ONE, 60, "a");
        parking.park(at(1, 0), ONE, 60, "b");
        assert_eq!(parking.poll_changes(), changes(&[0, 1], &[]));
        parking.on_revoked(&[0, 7]);
        assert_eq!(parking.poll_changes(), changes(&[], &[1]), "it is not ours");
        assert_eq!(parking.release(ONE), [(at(1, 0), "b")]);
    }

    #[test]
    fn a_new_consumer_is_told_again() {
        let mut parking = parking();
        parking.park(at(3, 0), ONE, 100, "");
        assert_eq!(parking.poll_changes(), changes(&[3], &[]));
        parking.reset_pauses();
        assert_eq!(parking.poll_changes(), changes(&[3], &[]));
    }
}
