//! Evaluates readiness: whether this replica takes sockets, and what stands in the way. Pure: statuses and the time in,
//! a verdict out.
//!
//! A cause in this replica itself (answers not positioned, a producer being replaced) makes it not
//! ready. Something every replica shares (Kafka, the registry) does so only before the first time it
//! is ready; afterwards it is reported as degraded, so that an outage does not empty the service.

use std::time::{Duration, Instant};

use kafka_ingest::status::{
    ConsumerStatus, LinkStatus, MissingPrerequisite, PublisherStatus, SharedGroup, SkippedBatch,
};
use ws_gateway::Readiness;

/// Judges the process again and again and remembers what it needs for that.
#[derive(Debug)]
pub(crate) struct ReadinessEvaluator {
    /// The time for which a cause in this replica may last before it counts, once it was ready.
    grace: Duration,
    was_ready: bool,
    failing_since: Option<Instant>,
}

impl ReadinessEvaluator {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            was_ready: false,
            failing_since: None,
        }
    }

    /// Judges what holds at `now`. `suffix_stripped`: the answering side strips the suffix of wire ids.
    pub(crate) fn evaluate(
        &mut self,
        now: Instant,
        consumer: &ConsumerStatus,
        publisher: &PublisherStatus,
        suffix_stripped: bool,
    ) -> Readiness {
        let own = replica_causes(consumer, publisher);
        let shared = shared_causes(consumer, publisher);
        let starting = !self.was_ready && (!own.is_empty() || !publisher.is_ready());
        let mut asides = degradations(now, consumer);
        asides.extend(suffix_stripped.then(|| SUFFIX_STRIPPED.to_owned()));
        if starting {
            let missing = own.into_iter().chain(shared).collect();
            return Readiness {
                missing,
                degraded: asides,
            };
        }
        let shared: Vec<_> = shared.into_iter().chain(asides).collect();
        self.was_ready = true;
        if own.is_empty() {
            self.failing_since = None;
        }
        let since = (!own.is_empty()).then(|| *self.failing_since.get_or_insert(now));
        if since.is_some_and(|since| now - since >= self.grace) {
            return Readiness {
                missing: own,
                degraded: shared,
            };
        }
        Readiness {
            missing: Vec::new(),
            degraded: own.into_iter().chain(shared).collect(),
        }
    }
}

/// No question of this replica is in the way of it, and no restart helps.
const SUFFIX_STRIPPED: &str = "answers: the answering side strips the suffix of session_id, so that suffixed questions \
                               get no answer: it has to copy session_id as it stands, or the question-id";

fn replica_causes(consumer: &ConsumerStatus, publisher: &PublisherStatus) -> Vec<String> {
    let mut causes = Vec::new();
    if !consumer.running {
        causes.push("answers: the consumer has ended".to_owned());
    } else if !consumer.positioned {
        causes.push("answers: not positioned in the topic yet".to_owned());
    }
    if !publisher.running {
        causes.push("questions: the publisher has ended".to_owned());
    } else if !publisher.has_producer {
        causes.push("questions: the producer has failed and is being replaced".to_owned());
    }
    causes
}

fn shared_causes(consumer: &ConsumerStatus, publisher: &PublisherStatus) -> Vec<String> {
    let mut causes = Vec::new();
    causes.extend(missing_named("answers", &consumer.missing));
    causes.extend(describe_down("answers: kafka", &consumer.kafka));
    // Asked for schemas that are not known yet only: before the first one there is nothing to say.
    if consumer.registry.problem.is_some() {
        causes.extend(describe_down(
            "answers: schema registry",
            &consumer.registry,
        ));
    }
    if !consumer.paused.is_empty() {
        causes.push(format!(
            "answers: partitions {:?} wait for the schema registry",
            consumer.paused
        ));
    }
    if let Some(SharedGroup {
        group,
        other_partitions: elsewhere,
    }) = &consumer.shared_group
    {
        causes.push(format!(
            "answers: another member of the consumer group {group} reads {elsewhere} partitions, whose \
             answers do not come here"
        ));
    }
    causes.extend(missing_named("questions", &publisher.missing));
    causes.extend(describe_down("questions: kafka", &publisher.kafka));
    causes.extend(describe_down(
        "questions: schema registry",
        &publisher.registry,
    ));
    if publisher.schema.is_none() && publisher.missing.is_empty() && publisher.registry.up {
        causes.push("questions: no schema yet".to_owned());
    }
    causes
}

/// Never in the way of readiness: no answer depends on dead letters, and one that was in a batch stepped
/// over is lost to every replica.
fn degradations(now: Instant, consumer: &ConsumerStatus) -> Vec<String> {
    let missing: Vec<_> = consumer.dead_letters.values().cloned().collect();
    let dead_letters = missing_named("dead letters", &missing);
    let lately = |it: &&SkippedBatch| now.saturating_duration_since(it.at) < SKIPPED_BATCH_SHOWN;
    let stepped_over = consumer.skipped_batch.as_ref().filter(lately).map(
        |SkippedBatch {
             partition,
             first,
             last,
             ..
         }| {
            format!(
                "answers: a batch of partition {partition} cannot be unpacked, and its offsets {first} to \
                 {last} were skipped"
            )
        },
    );
    dead_letters.chain(stepped_over).collect()
}

fn missing_named<'a>(
    of: &'a str,
    missing: &'a [MissingPrerequisite],
) -> impl Iterator<Item = String> {
    missing
        .iter()
        .map(move |missing| format!("{of}: {missing}"))
}

fn describe_down(what: &str, link: &LinkStatus) -> Option<String> {
    if link.up {
        return None;
    }
    let Some(problem) = &link.problem else {
        return Some(format!("{what}: no answer yet"));
    };
    let since = humantime::format_rfc3339_seconds(link.since);
    Some(format!("{what}: down since {since}: {problem}"))
}

/// The time for which a batch that was stepped over is named.
const SKIPPED_BATCH_SHOWN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use kafka_ingest::status::DeadLetterTask;

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn link(up: bool) -> LinkStatus {
        LinkStatus {
            up,
            since: SystemTime::UNIX_EPOCH,
            problem: (!up).then(|| "refused".to_owned()),
        }
    }

    fn well() -> (ConsumerStatus, PublisherStatus) {
        let consumer = ConsumerStatus {
            running: true,
            positioned: true,
            kafka: link(true),
            cut_off: false,
            registry: link(true),
            missing: Vec::new(),
            partitions: 3,
            paused: Vec::new(),
            shared_group: None,
            dead_letters: BTreeMap::new(),
            skipped_batch: None,
        };
        let publisher = PublisherStatus {
            running: true,
            kafka: link(true),
            cut_off: false,
            registry: link(true),
            missing: Vec::new(),
            schema: Some(1),
            has_producer: true,
        };
        (consumer, publisher)
    }

    fn judged(
        judge: &mut ReadinessEvaluator,
        now: Instant,
        of: &(ConsumerStatus, PublisherStatus),
    ) -> Readiness {
        judge.evaluate(now, &of.0, &of.1, false)
    }

    #[test]
    fn a_stripped_suffix_is_named_and_stands_in_no_ones_way() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        let (consumer, publisher) = well();
        let readiness = judge.evaluate(now, &consumer, &publisher, true);
        assert_eq!(readiness.missing, [""; 0]);
        assert_eq!(readiness.degraded, [SUFFIX_STRIPPED]);
    }

    #[test]
    fn it_is_ready_once_answers_are_positioned_and_questions_have_a_schema() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        let mut state = well();
        state.0.positioned = false;
        state.1.schema = None;
        let readiness = judged(&mut judge, now, &state);
        assert_eq!(
            readiness.missing,
            [
                "answers: not positioned in the topic yet",
                "questions: no schema yet"
            ]
        );
        state.0.positioned = true;
        assert_eq!(
            judged(&mut judge, now, &state).missing,
            ["questions: no schema yet"]
        );
        state.1.schema = Some(1);
        let ready = judged(&mut judge, now, &state);
        assert_eq!((ready.missing.len(), ready.degraded.len()), (0, 0));
    }

    #[test]
    fn what_is_missing_at_the_start_is_named() {
        let mut judge = ReadinessEvaluator::new(GRACE);
        let mut state = well();
        state.1.schema = None;
        state.1.missing = vec![MissingPrerequisite::Topic {
            topic: "perguntas".to_owned(),
        }];
        state.1.registry = link(false);
        assert_eq!(
            judged(&mut judge, Instant::now(), &state).missing,
            [
                "questions: the topic perguntas does not exist",
                "questions: schema registry: down since 1970-01-01T00:00:00Z: refused"
            ]
        );
    }

    #[test]
    fn what_was_not_tried_yet_is_not_called_down() {
        let untried = LinkStatus {
            problem: None,
            ..link(false)
        };
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        let mut state = well();
        state.0.registry = untried.clone();
        let ready = judged(&mut judge, now, &state);
        assert_eq!((ready.missing.len(), ready.degraded.len()), (0, 0));
        state.0.kafka = untried;
        state.0.registry = link(false);
        assert_eq!(
            judged(&mut judge, now, &state).degraded,
            [
                "answers: kafka: no answer yet",
                "answers: schema registry: down since 1970-01-01T00:00:00Z: refused"
            ]
        );
    }

    #[test]
    fn an_outage_that_all_replicas_share_degrades_and_does_not_end_readiness() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        judged(&mut judge, now, &well());
        let mut state = well();
        state.0.kafka = link(false);
        state.0.paused = vec![1, 2];
        state.1.schema = None;
        let readiness = judged(&mut judge, now + 100 * GRACE, &state);
        assert_eq!(readiness.missing, Vec::<String>::new());
        assert_eq!(
            readiness.degraded,
            [
                "answers: kafka: down since 1970-01-01T00:00:00Z: refused",
                "answers: partitions [1, 2] wait for the schema registry",
                "questions: no schema yet",
            ]
        );
    }

    #[test]
    fn another_member_of_the_group_degrades_and_is_named() {
        let mut judge = ReadinessEvaluator::new(GRACE);
        let mut state = well();
        state.0.shared_group = Some(SharedGroup {
            group: "g".to_owned(),
            other_partitions: 2,
        });
        let readiness = judged(&mut judge, Instant::now(), &state);
        assert_eq!(readiness.missing, Vec::<String>::new());
        assert_eq!(
            readiness.degraded,
            [
                "answers: another member of the consumer group g reads 2 partitions, whose answers do \
                 not come here"
            ]
        );
    }

    #[test]
    fn dead_letters_are_named_and_never_in_the_way() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        let mut state = well();
        let topic = "respostas.dlq".to_owned();
        let missing = MissingPrerequisite::Topic { topic };
        state.0.dead_letters.insert(DeadLetterTask::Topic, missing);
        let named = ["dead letters: the topic respostas.dlq does not exist"];
        state.0.positioned = false;
        let starting = judged(&mut judge, now, &state);
        assert_eq!(
            starting.missing,
            ["answers: not positioned in the topic yet"]
        );
        assert_eq!(starting.degraded, named);
        state.0.positioned = true;
        let ready = judged(&mut judge, now + 2 * GRACE, &state);
        assert_eq!(ready.missing, Vec::<String>::new());
        assert_eq!(ready.degraded, named);
    }

    #[test]
    fn a_batch_that_was_skipped_is_named_for_a_while_and_never_in_the_way() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        let mut state = well();
        state.0.skipped_batch = Some(SkippedBatch {
            at: now,
            partition: 2,
            first: 40,
            last: 43,
        });
        let shown = judged(&mut judge, now + SKIPPED_BATCH_SHOWN - GRACE, &state);
        assert_eq!(shown.missing, Vec::<String>::new());
        assert_eq!(
            shown.degraded,
            [
                "answers: a batch of partition 2 cannot be unpacked, and its offsets 40 to 43 were skipped"
            ]
        );
        let later = judged(&mut judge, now + SKIPPED_BATCH_SHOWN, &state);
        assert_eq!((later.missing.len(), later.degraded.len()), (0, 0));
    }

    #[test]
    fn a_cause_of_its_own_ends_readiness_after_the_grace_and_not_before() {
        let (now, mut judge) = (Instant::now(), ReadinessEvaluator::new(GRACE));
        judged(&mut judge, now, &well());
        let mut state = well();
        state.1.has_producer = false;
        let cause = ["questions: the producer has failed and is being replaced"];
        assert_eq!(judged(&mut judge, now, &state).degraded, cause);
        let short = Duration::from_millis(1);
        assert_eq!(
            judged(&mut judge, now + GRACE - short, &state).degraded,
            cause
        );
        assert_eq!(judged(&mut judge, now + GRACE, &state).missing, cause);
        assert_eq!(
            judged(&mut judge, now + GRACE, &well()).missing,
            Vec::<String>::new()
        );
        let again = judged(&mut judge, now + 2 * GRACE, &state);
        assert_eq!(again.degraded, cause, "the grace begins anew");
    }
}
