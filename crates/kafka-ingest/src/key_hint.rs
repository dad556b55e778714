//! Whether a record's key may be taken for the session id that stands in its value. Pure.
//!
//! The key is a hint until proven, and never more than a hint: per writer's schema the first records
//! are decoded and the key compared with the decoded session id, and later one now and then. One key
//! that is another than the session id, and no key is believed any more: whoever writes such keys may
//! have written others before, so what was passed over is to be looked at again
//! ([`crate::passed_over`]).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use avro_codec::{SchemaRef, SchemaSet};
use types::WireId;

use crate::status::KeyBelief as Belief;

/// What is known of the keys. Ask [`Self::advise`] before a record is decoded, and tell
/// [`Self::on_passed_over`] or [`Self::on_decoded`] what came of it.
#[derive(Debug)]
pub(crate) struct KeyHint {
    belief: Belief,
    /// Per writer's schema; at most [`SchemaSet::MAX_SCHEMAS`].
    proofs: HashMap<SchemaRef, Proof>,
    /// When a key was last compared.
    compared_at: Option<Instant>,
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice<'k> {
    /// Its key says nothing that may be relied upon, or is to be compared once more.
    Decode,
    /// Its key is the wire id of its answer: it may be passed over if that concerns nobody here.
    Believe(&'k str),
}

/// What a comparison showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "when the belief is lost, what was passed over is to be looked at again"]
pub(crate) enum Comparison {
    /// Nothing new.
    Settled,
    /// The first key that is not the session id.
    Refuted,
}

#[derive(Debug, Default)]
struct Proof {
    /// How many keys were compared, up to [`FIRST`].
    agreed: u32,
    /// How many records were passed over since the last comparison.
    passed_over: u32,
}

impl KeyHint {
    /// Nothing is believed yet.
    pub(crate) fn unproven() -> Self {
        Self::with(Belief::Proving)
    }

    /// What to do with a record of this schema and key.
    pub(crate) fn advise<'k>(
        &self,
        now: Instant,
        schema: SchemaRef,
        key: Option<&'k [u8]>,
    ) -> Advice<'k> {
        match self.belief {
            Belief::Unused | Belief::Proving | Belief::Refuted => return Advice::Decode,
            Belief::Proven => {}
        }
        let proven = self
            .proofs
            .get(&schema)
            .is_some_and(|proof| proof.agreed >= FIRST && proof.passed_over + 1 < ONE_IN);
        let key = key.and_then(|key| str::from_utf8(key).ok());
        match key {
            Some(key) if proven && !self.is_stale(now) && WireId::accepts(key) => {
                Advice::Believe(key)
            }
            Some(_) | None => Advice::Decode,
        }
    }

    /// A record was passed over.
    pub(crate) fn on_passed_over(&mut self, schema: SchemaRef) {
        if let Some(proof) = self.proofs.get_mut(&schema) {
            proof.passed_over += 1;
        }
    }

    /// A record was decoded: is its key its session id?
    pub(crate) fn on_decoded(
        &mut self,
        now: Instant,
        schema: SchemaRef,
        key: Option<&[u8]>,
        session_id: &str,
    ) -> Comparison {
        match self.belief {
            Belief::Unused | Belief::Refuted => return Comparison::Settled,
            Belief::Proving | Belief::Proven => {}
        }
        if key != Some(session_id.as_bytes()) {
            *self = Self::with(Belief::Refuted);
            return Comparison::Refuted;
        }
        self.compared_at = Some(now);
        if self.proofs.len() >= SchemaSet::MAX_SCHEMAS && !self.proofs.contains_key(&schema) {
            self.proofs.clear();
        }
        let proof = self.proofs.entry(schema).or_default();
        proof.passed_over = 0;
        proof.agreed = (proof.agreed + 1).min(FIRST);
        if proof.agreed == FIRST {
            self.belief = Belief::Proven;
        }
        Comparison::Settled
    }

    /// How far keys are believed.
    pub(crate) fn belief(&self) -> Belief {
        self.belief
    }

    fn with(belief: Belief) -> Self {
        Self {
            belief,
            proofs: HashMap::new(),
            compared_at: None,
        }
    }

    /// Whether the last comparison, of whatever schema, is so long ago that it is time for another.
    /// Where records are few, this has every one of them compared.
    fn is_stale(&self, now: Instant) -> bool {
        self.compared_at
            .is_none_or(|at| now.saturating_duration_since(at) >= AT_LEAST_EVERY)
    }
}

/// How many keys of a schema are compared before any is believed.
const FIRST: u32 = 100;
/// Of so many records of a proven schema one is compared.
const ONE_IN: u32 = 1_000;
/// The longest time in which records come and none is compared.
const AT_LEAST_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SchemaRef = SchemaRef::Id(1);
    const TWO: SchemaRef = SchemaRef::Id(2);
    const KEY: Option<&[u8]> = Some(b"s-1");

    struct Bench {
        hint: KeyHint,
        now: Instant,
    }

    impl Bench {
        fn new(hint: KeyHint) -> Self {
            Self {
                hint,
                now: Instant::now(),
            }
        }

        /// A hint that believes the keys of schema one.
        fn proven() -> Self {
            let mut bench = Self::new(KeyHint::unproven());
            bench.prove(ONE);
            bench
        }

        fn prove(&mut self, schema: SchemaRef) {
            for _ in 0..FIRST {
                assert_eq!(self.advise(schema, KEY), Advice::Decode);
                assert_eq!(self.decoded(schema, KEY), Comparison::Settled);
            }
        }

        fn advise<'k>(&self, schema: SchemaRef, key: Option<&'k [u8]>) -> Advice<'k> {
            self.hint.advise(self.now, schema, key)
        }

        /// A record of session `s-1` with this key.
        fn decoded(&mut self, schema: SchemaRef, key: Option<&[u8]>) -> Comparison {
            self.hint.on_decoded(self.now, schema, key, "s-1")
        }
    }

    #[test]
    fn a_key_is_believed_after_a_hundred_that_were_right_and_per_schema() {
        let mut bench = Bench::new(KeyHint::unproven());
        assert_eq!(bench.hint.belief(), Belief::Proving);
        bench.prove(ONE);
        assert_eq!(bench.hint.belief(), Belief::Proven);
        assert_eq!(bench.advise(ONE, KEY), Advice::Believe("s-1"));
        assert_eq!(
            bench.advise(ONE, Some(b"other~abc")),
            Advice::Believe("other~abc")
        );
        assert_eq!(bench.advise(TWO, KEY), Advice::Decode, "another writer");
        bench.prove(TWO);
        assert_eq!(bench.advise(TWO, KEY), Advice::Believe("s-1"));
    }

    #[test]
    fn a_key_that_cannot_be_a_wire_id_is_never_believed() {
        let bench = Bench::proven();
        let json = br#"{"session_id":"s-1"}"#;
        for key in [
            None,
            Some(&json[..]),
            Some(b""),
            Some(b"\xff\x01"),
            Some(b"s 1"),
        ] {
            assert_eq!(bench.advise(ONE, key), Advice::Decode, "{key:?}");
        }
    }

    #[test]
    fn one_in_a_thousand_is_compared() {
        let mut bench = Bench::proven();
        for _ in 0..2 {
            for number in 1..ONE_IN {
                assert_ne!(bench.advise(ONE, KEY), Advice::Decode, "{number}");
                bench.hint.on_passed_over(ONE);
            }
            assert_eq!(bench.advise(ONE, KEY), Advice::Decode);
            assert_eq!(bench.decoded(ONE, KEY), Comparison::Settled);
        }
    }

    #[test]
    fn one_is_compared_when_none_was_for_a_while() {
        let mut bench = Bench::proven();
        bench.now += AT_LEAST_EVERY - Duration::from_millis(1);
        assert_ne!(bench.advise(ONE, KEY), Advice::Decode);
        bench.now += Duration::from_millis(1);
        assert_eq!(bench.advise(ONE, KEY), Advice::Decode);
        assert_eq!(bench.decoded(ONE, KEY), Comparison::Settled);
        assert_ne!(bench.advise(ONE, KEY), Advice::Decode);
    }

    #[test]
    fn one_key_that_is_not_the_session_id_and_none_is_believed_any_more() {
        for mut bench in [Bench::new(KeyHint::unproven()), Bench::proven()] {
            for (key, expected) in [
                (Some(&b"other"[..]), Comparison::Refuted),
                (None, Comparison::Settled),
                (KEY, Comparison::Settled),
            ] {
                assert_eq!(bench.decoded(ONE, key), expected, "said once");
                assert_eq!(bench.hint.belief(), Belief::Refuted);
                assert_eq!(bench.advise(ONE, KEY), Advice::Decode);
            }
        }
    }

    #[test]
    fn a_missing_key_refutes_too() {
        let mut bench = Bench::proven();
        assert_eq!(bench.decoded(ONE, None), Comparison::Refuted);
    }

    #[test]
    fn proofs_are_bounded() {
        let mut bench = Bench::proven();
        for schema in 1..=SchemaSet::MAX_SCHEMAS {
            let schema = SchemaRef::Id(u32::try_from(schema).unwrap());
            assert_eq!(bench.decoded(schema, KEY), Comparison::Settled);
        }
        assert_eq!(bench.hint.proofs.len(), SchemaSet::MAX_SCHEMAS);
        let one_more = SchemaRef::Guid([0; 16]);
        assert_eq!(bench.decoded(one_more, KEY), Comparison::Settled);
        assert_eq!(bench.hint.proofs.len(), 1);
        assert_eq!(bench.advise(ONE, KEY), Advice::Decode, "to be proven anew");
    }
}
