//! Everything together, one random step after the other.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::time::Instant;

use session_core::{CoreSettings, WireIdMode};
use types::{Generation, QuestionId, SessionKey};

use super::answerer::{Answerer, Manner};
use super::client::Client;
use super::kafka::Kafka;
use super::random::Random;
use super::replica::Replica;
use crate::script::start;

const STEPS: usize = 400;
/// More than any run takes to come to rest.
const PATIENCE: usize = 20_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) now: Instant,
    pub(super) settings: CoreSettings,
    pub(super) manner: Manner,
    pub(super) kafka: Kafka,
    pub(super) answerer: Answerer,
    pub(super) replicas: Vec<Replica>,
    pub(super) clients: Vec<Client>,
    pub(super) generations: u64,
    /// The client that a socket belongs to.
    pub(super) sockets: HashMap<(usize, Generation), usize>,
    /// Sockets that are gone and whose replica does not know yet.
    pub(super) half_open: Vec<(usize, SessionKey)>,
    /// The question that a text was asked as, in which session.
    pub(super) names: HashMap<(String, String), QuestionId>,
    pub(super) faults: bool,
    pub(super) tally: Tally,
}

/// Counts of events.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<&'static str, u64>);

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// A simulation that never brings something about shows nothing about it.
    pub(super) fn assert_everything_happened(&self) {
        for what in [
            "answered v1",
            "answered v2",
            "resumed",
            "not resumed",
            "adopted",
            "handed off",
            "late",
            "duplicate",
            "timeout",
            "answer failed",
            "publish failed",
            "crash",
            "drain",
            "cut",
            "reload",
            "session id in use",
            "suffix stripped",
        ] {
            assert!(self.0.contains_key(what), "never: {what}; {:?}", self.0);
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let manner = Manner::random(&mut random);
        let settings = CoreSettings {
            wire_id: match random.one_in(2) {
                true => WireIdMode::Plain,
                false => WireIdMode::Suffixed,
            },
            chunk_bytes: 1 + random.below(12),
            ..CoreSettings::default()
        };
        let kafka = Kafka::default();
        let replicas = 1 + random.below(3);
        let clients = 1 + random.below(6);
        Self {
            seed,
            now: start(),
            answerer: Answerer::new(manner),
            replicas: (0..replicas)
                .map(|_| Replica::start(&settings, &kafka))
                .collect(),
            clients: (0..clients)
                .map(|number| Client::new(number, !random.one_in(3)))
                .collect(),
            manner,
            settings,
            kafka,
            random,
            generations: 0,
            sockets: HashMap::new(),
            half_open: Vec::new(),
            names: HashMap::new(),
            faults: true,
            tally: Tally::default(),
        }
    }

    /// Runs it to its end, at which everybody has got what he is owed.
    pub(super) fn run(self) -> Tally {
        let seed = self.seed;
        let run = std::panic::AssertUnwindSafe(|| self.steps());
        std::panic::catch_unwind(run)
            .unwrap_or_else(|_| panic!("seed {seed}: SIMULATION_FROM={seed} SIMULATION_SEEDS=1"))
    }

    fn steps(mut self) -> Tally {
        for _ in 0..STEPS {
            self.step();
        }
        self.faults = false;
        for place in 0..self.replicas.len() {
            if self.replicas[place].drains {
                self.end_drain(place);
            }
        }
        for _ in 0..PATIENCE {
            if self.is_at_rest() {
                return self.tally;
            }
            self.step();
        }
        let open: Vec<_> = self
            .clients
            .iter()
            .filter(|client| client.open.is_some())
            .collect();
        panic!("questions without an end: {open:#?}");
    }

    fn is_at_rest(&self) -> bool {
        self.clients.iter().all(|client| client.open.is_none())
            && self.answerer.is_idle(&self.kafka)
            && self
                .replicas
                .iter()
                .all(|replica| replica.is_up_to_date(&self.kafka))
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=4 => self.client_acts(),
            5..=9 => self.client_reads(),
            10..=11 => self.replica_does(|replica, random, kafka, faults| {
                replica.publish(random, kafka, faults)
            }),
            12..=14 => self.replica_does(|replica, random, kafka, _| replica.read(random, kafka)),
            15 => self.replica_does(|replica, random, kafka, _| replica.look(random, kafka)),
            16..=17 => self.answerer.step(&mut self.random, &mut self.kafka),
            18 => self.time_passes(),
            _ => self.fault(),
        }
    }
}
