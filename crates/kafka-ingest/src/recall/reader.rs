//! Reads stretches of the topic, and the answers in them.

use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, DecodeError, DecodedAnswer, SchemaRef, SchemaSet};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use types::RecordPosition;

use super::LostCause;
use super::segments::{Round, Segments};
use crate::native;
use crate::positions;
use crate::record::Headers;
use crate::schema_fetcher::{FetchEvent, SchemaFetcher};
use crate::steady_consumer::SteadyConsumer;
use crate::stop::Stop;

/// How records are decoded, with schemas of its own.
pub(crate) struct Reader {
    pub(crate) decoder: AnswerDecoder,
    pub(crate) schemas: SchemaSet,
    pub(crate) fetcher: SchemaFetcher,
}

/// Until when, and until whom, reading goes on.
pub(super) struct Patience<'a> {
    pub(super) until: Instant,
    pub(super) stop: &'a Stop,
}

impl Patience<'_> {
    const STEP: Duration = Duration::from_millis(50);

    /// Why reading ends now, if it does.
    fn check(&self) -> Result<(), LostCause> {
        if self.stop.is_asked() {
            return Err(LostCause::Stopped);
        }
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(LostCause::Late),
        }
    }
}

/// Reads every record of `segments` and hands it on.
///
/// # Errors
///
/// Why it ended before all was read.
pub(super) fn read(
    client: &SteadyConsumer,
    topic: &str,
    segments: &mut Segments,
    patience: &Patience<'_>,
    mut on_record: impl FnMut(RecordPosition, &BorrowedMessage<'_>) -> Result<(), LostCause>,
) -> Result<(), LostCause> {
    while !segments.is_empty() {
        let round = segments.next_round();
        let starts: Vec<(i32, i64)> = round
            .iter()
            .map(|(partition, segment)| (*partition, segment.from))
            .collect();
        let assigned = positions::offsets(topic, &starts).and_then(|list| client.assign(&list));
        assigned.map_err(|_| LostCause::Late)?;
        let mut round = Round::new(round);
        while !round.is_over() {
            patience.check()?;
            match client.poll(Patience::STEP) {
                None => {}
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    if round.takes(partition, offset) {
                        on_record(RecordPosition { partition, offset }, &message)?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => round.on_end(partition),
                Some(Err(KafkaError::MessageConsumptionFatal(_))) => return Err(LostCause::Late),
                // librdkafka gets over it, or the time runs out.
                Some(Err(_)) => {}
            }
        }
    }
    Ok(())
}

impl Reader {
    /// What a record says; `None` when it is none that anybody would have been handed.
    ///
    /// # Errors
    ///
    /// Why its schema was not to be had in time.
    pub(super) fn decode<'a>(
        &mut self,
        message: &'a BorrowedMessage<'_>,
        headers: &Headers<'_>,
        patience: &Patience<'_>,
    ) -> Result<Option<DecodedAnswer<'a>>, LostCause> {
        let Some(value) = message.payload() else {
            return Ok(None);
        };
        loop {
            match self.decoder.decode(value, headers.schema, &self.schemas) {
                Ok(decoded) => return Ok(Some(decoded)),
                Err(DecodeError::UnknownSchema(schema)) => {
                    if !self.look_up(schema, patience)? {
                        return Ok(None);
                    }
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Waits for a schema. False when there is none.
    fn look_up(&mut self, wanted: SchemaRef, patience: &Patience<'_>) -> Result<bool, LostCause> {
        const STEP: Duration = Duration::from_millis(10);
        self.fetcher.look_up(wanted);
        loop {
            while let Some(event) = self.fetcher.poll() {
                match event {
                    FetchEvent::Found {
                        schema,
                        text,
                        references,
                    } => {
                        let usable = self.schemas.insert(schema, &text, &references).is_ok();
                        if schema == wanted {
                            return Ok(usable);
                        }
                    }
                    FetchEvent::Refused { schema, .. } if schema == wanted => return Ok(false),
                    FetchEvent::Refused { .. }
                    | FetchEvent::Unreachable { .. }
                    | FetchEvent::LoginRefused
                    | FetchEvent::Reachable => {}
                }
            }
            patience.check().map_err(|cause| {
                let late = cause == LostCause::Late;
                if late { LostCause::Registry } else { cause }
            })?;
            if patience.stop.wait(STEP) {
                return Err(LostCause::Stopped);
            }
        }
    }
}

/// A record's headers.
pub(super) fn headers<'a>(message: &'a BorrowedMessage<'_>) -> Headers<'a> {
    Headers::read(native::headers(message))
}
