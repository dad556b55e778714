//! Serves several wishes in one pass.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::plan::Plan;
use super::reader::{self, Incomplete, Patience, TopicReader};
use super::{Looking, LostCause, Recovered, Wish};
use crate::recent::Mark;
use crate::record;
use crate::steady_consumer::SteadyConsumer;

/// How long a wish may take, from when it was made.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a broker may take to say what a partition has.
const ASK: Duration = Duration::from_secs(2);

impl Looking {
    pub(super) fn serve(&mut self, client: &mut Option<SteadyConsumer>, batch: Vec<Wish>) {
        let now = Instant::now();
        let (batch, late): (Vec<Wish>, Vec<Wish>) = batch
            .into_iter()
            .partition(|wish| now < wish.since + PATIENCE);
        for wish in late {
            self.tell(wish, Recovered::Lost(LostCause::Late));
        }
        let mut plan = Plan::default();
        for Wish { wanted, .. } in &batch {
            let marks = [
                Mark::Question(wanted.question_id),
                Mark::WireId(wanted.wire_id.as_str()),
            ];
            let traces = self.recent.traces(&marks, &wanted.floor);
            plan.add(wanted, traces);
        }
        let since = batch.iter().map(|wish| wish.since).min();
        if let Some(since) = since
            && let Err(Incomplete { cause, unread }) =
                self.look(client, since + PATIENCE, &mut plan)
        {
            plan.on_trouble(cause, &unread);
        }
        for (wish, recovered) in batch.into_iter().zip(plan.into_recovered()) {
            self.tell(wish, recovered);
        }
    }

    fn look(
        &mut self,
        client: &mut Option<SteadyConsumer>,
        until: Instant,
        plan: &mut Plan,
    ) -> Result<(), Incomplete> {
        if plan.segments().is_empty() {
            return Ok(());
        }
        let nothing_read = |plan: &Plan| Incomplete {
            cause: LostCause::Late,
            unread: plan.segments().partitions().collect(),
        };
        let client = self.client(client).ok_or_else(|| nothing_read(plan))?;
        let topic = &self.reporting.topic;
        ask_lows(client, topic, plan).map_err(|_| nothing_read(plan))?;
        let stop = &self.stop;
        let patience = Patience { until, stop };
        let mut segments = plan.segments();
        let decoding = &mut self.reader;
        let mut topic_reader = TopicReader {
            client,
            topic,
            finder: &mut self.finder,
            events: &self.reporting.events,
        };
        let ended = topic_reader.read(&mut segments, &patience, |at, message| {
            plan.on_read(at);
            let headers = reader::headers(message);
            let Some(decoded) = decoding.decode(message, &headers, &patience)? else {
                return Ok(());
            };
            // One that is no answer was handed to nobody.
            if let Ok(answer) = record::answer(&decoded, &headers.notes, at) {
                plan.on_answer(&answer);
            }
            Ok(())
        });
        // It would go on reading ahead.
        drop(client.unassign());
        // A client that comes too late for a record goes on with the next one and says nothing.
        ask_lows(client, topic, plan).map_err(|_| nothing_read(plan))?;
        ended
    }

    fn tell(&self, mut wish: Wish, recovered: Recovered) {
        let result = match &recovered {
            Recovered::Found(found) if found.is_empty() => "nothing",
            Recovered::Found(_) => "found",
            Recovered::Lost(cause) => cause.as_str(),
        };
        let events = &self.reporting.events;
        events.recovered(result, wish.since.elapsed());
        wish.tell(recovered);
    }
}

/// Has the plan know where each partition that is looked through begins now.
fn ask_lows(client: &SteadyConsumer, topic: &str, plan: &mut Plan) -> Result<(), LostCause> {
    for partition in plan.looked_through() {
        let low = client.fetch_watermarks(topic, partition, ASK);
        let (low, _) = low.map_err(|_| LostCause::Late)?;
        plan.on_low(partition, low);
    }
    Ok(())
}
