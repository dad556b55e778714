//! Reads stretches of the topic, and the answers in them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, DecodeError, DecodedAnswer, SchemaRef, SchemaSet};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use types::RecordPosition;

use super::LostCause;
use super::segments::{Round, Segments};
use crate::assignment::Start;
use crate::events::{Client, Events};
use crate::native;
use crate::positions;
use crate::record::Headers;
use crate::schema_fetcher::{FetchEvent, SchemaFetcher};
use crate::steady_consumer::SteadyConsumer;
use crate::stop::Stop;
use crate::unreadable::{self, Finder, is_unreadable};

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

/// The reason for which reading ended early.
#[derive(Debug)]
pub(super) struct Incomplete {
    pub(super) cause: LostCause,
    /// The partitions of which something is left to be read; the others are read whole.
    pub(super) unread: BTreeSet<i32>,
}

/// The topic as it is read: with which client, and what finds the batches that cannot be read.
pub(super) struct TopicReader<'a> {
    pub(super) client: &'a SteadyConsumer,
    pub(super) topic: &'a str,
    pub(super) finder: &'a mut Finder,
    pub(super) events: &'a Events,
}

impl TopicReader<'_> {
    /// Reads every record of `segments` that can be read and hands it on. A batch that cannot be read
    /// counts as one without answers: no replica hands anybody a record of it.
    ///
    /// # Errors
    ///
    /// The reason for which it ended before all was read, and the rest.
    pub(super) fn read(
        &mut self,
        segments: &mut Segments,
        patience: &Patience<'_>,
        mut on_record: impl FnMut(RecordPosition, &BorrowedMessage<'_>) -> Result<(), LostCause>,
    ) -> Result<(), Incomplete> {
        while !segments.is_empty() {
            let mut round = Round::new(segments.next_round());
            let ended = self.read_round(&mut round, patience, &mut on_record);
            ended.map_err(|cause| Incomplete {
                cause,
                unread: round.partitions().chain(segments.partitions()).collect(),
            })?;
        }
        Ok(())
    }

    fn read_round(
        &mut self,
        round: &mut Round,
        patience: &Patience<'_>,
        on_record: &mut impl FnMut(RecordPosition, &BorrowedMessage<'_>) -> Result<(), LostCause>,
    ) -> Result<(), LostCause> {
        self.assign(round)?;
        while !round.is_over() {
            patience.check()?;
            match self.client.poll(Patience::STEP) {
                None => {}
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    if round.takes(partition, offset) {
                        on_record(RecordPosition { partition, offset }, &message)?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => round.on_end(partition),
                Some(Err(KafkaError::MessageConsumptionFatal(_))) => return Err(LostCause::Late),
                Some(Err(error)) => self.on_error(&error, round, patience)?,
            }
        }
        Ok(())
    }

    fn assign(&self, round: &Round) -> Result<(), LostCause> {
        let list = positions::offsets(self.topic, &round.positions());
        let assigned = list.and_then(|list| self.client.assign(&list));
        assigned.map_err(|_| LostCause::Late)
    }

    /// Goes on behind what cannot be read. librdkafka gets over all else, or the time runs out.
    fn on_error(
        &mut self,
        error: &KafkaError,
        round: &mut Round,
        patience: &Patience<'_>,
    ) -> Result<(), LostCause> {
        if !error.rdkafka_error_code().is_some_and(is_unreadable) {
            return Ok(());
        }
        let open = round.positions().into_iter();
        let starts: Vec<_> = open.map(|(one, from)| (one, Start::At(from))).collect();
        let looking = unreadable::Patience {
            until: patience.until,
            stop: Some(patience.stop),
        };
        let mut any = false;
        for batch in self.finder.find(&starts, &looking) {
            if round.step_over(&batch) {
                any = true;
                self.events.stepped_over(Client::Recall, self.topic, &batch);
            }
        }
        if any && !round.is_over() {
            self.assign(round)
        } else {
            Ok(())
        }
    }
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
