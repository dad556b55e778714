//! Tracks the schema ids that are being fetched, and those refused lately. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use avro_codec::SchemaRef;

/// One look-up per id at a time, and none for an id that was refused lately.
///
/// The ids under way are bounded by the records that are parked for them.
#[derive(Debug)]
pub(crate) struct SchemaLookups {
    in_flight: BTreeSet<SchemaRef>,
    refused: BTreeMap<SchemaRef, RefusedSchema>,
    refusal_ttl: Duration,
}

#[derive(Debug, Clone, Copy)]
struct RefusedSchema {
    until: Instant,
    reason: &'static str,
}

/// The decision about a record whose schema is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaDecision {
    /// Start a look-up and park the record.
    Fetch,
    /// A look-up is under way: park the record.
    Wait,
    /// Skip the record; the id was refused for this reason.
    Refuse(&'static str),
}

impl SchemaLookups {
    /// The most refused ids that are remembered; past that the one that ends soonest is forgotten.
    const MAX_REFUSED: usize = 1_000;

    /// Remembers a refused id for `remember`.
    pub(crate) fn new(remember: Duration) -> Self {
        Self {
            in_flight: BTreeSet::new(),
            refused: BTreeMap::new(),
            refusal_ttl: remember,
        }
    }

    /// A record under the unknown `schema` was read.
    pub(crate) fn on_unknown(&mut self, now: Instant, schema: SchemaRef) -> SchemaDecision {
        match self.refused.get(&schema) {
            Some(refused) if now < refused.until => return SchemaDecision::Refuse(refused.reason),
            Some(_) => {
                self.refused.remove(&schema);
            }
            None => {}
        }
        if self.in_flight.insert(schema) {
            SchemaDecision::Fetch
        } else {
            SchemaDecision::Wait
        }
    }

    /// The look-up found it.
    pub(crate) fn on_found(&mut self, schema: SchemaRef) {
        self.in_flight.remove(&schema);
    }

    /// The look-up gave up, or the schema is of no use.
    pub(crate) fn on_refused(&mut self, now: Instant, schema: SchemaRef, why: &'static str) {
        self.in_flight.remove(&schema);
        if self.refused.len() >= Self::MAX_REFUSED {
            let soonest = self.refused.iter().min_by_key(|(_, refused)| refused.until);
            if let Some(schema) = soonest.map(|(schema, _)| *schema) {
                self.refused.remove(&schema);
            }
        }
        let until = now + self.refusal_ttl;
        self.refused
            .insert(schema, RefusedSchema { until, reason: why });
    }

    /// True when nothing is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_id_is_looked_up_once_at_a_time() {
        let (now, mut lookups) = (Instant::now(), SchemaLookups::new(MINUTE));
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(1)),
            SchemaDecision::Fetch
        );
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(1)),
            SchemaDecision::Wait
        );
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(2)),
            SchemaDecision::Fetch
        );
        lookups.on_found(SchemaRef::Id(1));
        assert!(!lookups.is_idle());
        lookups.on_found(SchemaRef::Id(2));
        assert!(lookups.is_idle());
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(1)),
            SchemaDecision::Fetch,
            "the set may have forgotten it"
        );
    }

    #[test]
    fn a_refused_id_stays_refused_for_a_while() {
        let (now, mut lookups) = (Instant::now(), SchemaLookups::new(MINUTE));
        let id = SchemaRef::Guid([7; 16]);
        lookups.on_unknown(now, id);
        lookups.on_refused(now, id, "schema_not_found");
        assert!(lookups.is_idle());
        let almost = now + MINUTE - Duration::from_millis(1);
        assert_eq!(
            lookups.on_unknown(almost, id),
            SchemaDecision::Refuse("schema_not_found")
        );
        assert_eq!(lookups.on_unknown(now + MINUTE, id), SchemaDecision::Fetch);
    }

    #[test]
    fn only_so_many_refused_ids_are_remembered_and_the_oldest_goes_first() {
        let (now, mut lookups) = (Instant::now(), SchemaLookups::new(MINUTE));
        for id in 0..=1_000 {
            let at = now + Duration::from_millis(u64::from(id));
            lookups.on_refused(at, SchemaRef::Id(id), "why");
        }
        assert_eq!(lookups.refused.len(), 1_000);
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(0)),
            SchemaDecision::Fetch
        );
        assert_eq!(
            lookups.on_unknown(now, SchemaRef::Id(1)),
            SchemaDecision::Refuse("why")
        );
    }
}
