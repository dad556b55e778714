//! One replica: the core, and the shell around it as data.

use std::time::Instant;

use session_core::{
    CoreSettings, Effect, Input, PublishId, RecoveryResult, SessionEvent, SessionRegistry,
};
use types::Persisted;
use types::{MinOffsets, QuestionId, QuestionRecord, SessionKey, WireId};

use super::kafka::{Kafka, PARTITIONS};
use super::random::Random;
use crate::script::balances;

/// A replica, its reading of the answers' topic, and what it has under way.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) registry: SessionRegistry,
    pub(super) read: [usize; PARTITIONS],
    pub(super) drains: bool,
    publishing: Vec<Publication>,
    looking: Vec<Look>,
}

/// A question that was handed to the producer and has no report yet.
#[derive(Debug)]
struct Publication {
    publish: PublishId,
    question: QuestionRecord,
    /// It is in Kafka, and nobody has confirmed that.
    written: bool,
}

#[derive(Debug)]
struct Look {
    key: SessionKey,
    question_id: QuestionId,
    wire_id: WireId,
    floor: MinOffsets,
}

impl Replica {
    /// It starts: what is in the topic is not read, but can be found.
    pub(super) fn start(settings: &CoreSettings, kafka: &Kafka) -> Self {
        Self {
            registry: SessionRegistry::new(settings.clone()),
            read: kafka.ends(),
            drains: false,
            publishing: Vec::new(),
            looking: Vec::new(),
        }
    }

    /// It is killed: what it was producing is in Kafka or not.
    pub(super) fn crash(&mut self, random: &mut Random, kafka: &mut Kafka) {
        for Publication {
            question, written, ..
        } in self.publishing.drain(..)
        {
            if !written && random.one_in(2) {
                kafka.questions.push(question);
            }
        }
    }

    /// Tells the core; gives what is for clients, and what was noted.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        input: Input,
    ) -> (Vec<Effect>, Vec<SessionEvent>) {
        self.registry.handle(now, input);
        let (mut outward, mut noted) = (Vec::new(), Vec::new());
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Publish {
                    publish_id: publish,
                    question,
                    ..
                } => self.publishing.push(Publication {
                    publish,
                    question,
                    written: false,
                }),
                Effect::Recover {
                    key,
                    question_id,
                    wire_id,
                    min_offsets: floor,
                } => self.looking.push(Look {
                    key,
                    question_id,
                    wire_id,
                    floor,
                }),
                Effect::RecordEvent(event) => noted.push(event),
                Effect::SendV2 { .. } | Effect::SendV1 { .. } | Effect::Close { .. } => {
                    outward.push(effect);
                }
            }
        }
        let ledger = self.registry.stats().ledger;
        assert!(balances(ledger), "{ledger:?}");
        (outward, noted)
    }

    /// Decides a publication that is under way, if one is.
    pub(super) fn publish(
        &mut self,
        random: &mut Random,
        kafka: &mut Kafka,
        faults: bool,
    ) -> Option<Input> {
        if self.publishing.is_empty() {
            return None;
        }
        let Publication {
            publish,
            question,
            written,
        } = self.publishing.remove(0);
        let failure = |persisted| Input::PublishFailed {
            publish_id: publish,
            persisted,
        };
        if written {
            return Some(Input::Published {
                publish_id: publish,
            });
        }
        match faults.then(|| random.below(12)) {
            Some(0) => Some(failure(Persisted::No)),
            Some(outcome @ (1 | 2)) => {
                if outcome == 2 {
                    kafka.questions.push(question);
                }
                self.write_again(kafka);
                Some(failure(Persisted::Maybe))
            }
            Some(3) => {
                // The report comes later than the answer, perhaps.
                kafka.questions.push(question.clone());
                self.publishing.push(Publication {
                    publish,
                    question,
                    written: true,
                });
                None
            }
            Some(_) | None => {
                kafka.questions.push(question);
                Some(Input::Published {
                    publish_id: publish,
                })
            }
        }
    }

    /// The producer gives a question up in the middle, and sends what was not confirmed once more.
    fn write_again(&self, kafka: &mut Kafka) {
        let unconfirmed = self.publishing.iter().filter(|one| one.written);
        kafka
            .questions
            .extend(unconfirmed.map(|one| one.question.clone()));
    }

    /// Tells whether a publication of this question is under way.
    pub(super) fn publishes(&self, question: QuestionId) -> bool {
        let mut publishing = self.publishing.iter();
        publishing.any(|one| one.publish.question == question)
    }

    /// The next record of a partition, if it has not read it yet.
    pub(super) fn read(&mut self, random: &mut Random, kafka: &Kafka) -> Option<Input> {
        let partition = random.below(PARTITIONS);
        let record = kafka.record(partition, self.read[partition])?;
        self.read[partition] += 1;
        Some(Input::Answer(record.clone()))
    }

    /// Tells whether it has read everything.
    pub(super) fn is_up_to_date(&self, kafka: &Kafka) -> bool {
        self.read == kafka.ends() && self.publishing.is_empty() && self.looking.is_empty()
    }

    /// Returns the records found for a recovery, if one is under way.
    pub(super) fn look(&mut self, random: &mut Random, kafka: &Kafka) -> Option<Input> {
        if self.looking.is_empty() {
            return None;
        }
        let place = random.below(self.looking.len());
        let look = self.looking.swap_remove(place);
        // It may see more than was read until then.
        let known = if random.one_in(2) {
            self.read
        } else {
            kafka.ends()
        };
        let found = kafka.find(look.question_id, look.wire_id.as_str(), &look.floor, &known);
        Some(Input::Recovered {
            key: look.key,
            question_id: look.question_id,
            result: RecoveryResult::Found(found),
        })
    }
}
