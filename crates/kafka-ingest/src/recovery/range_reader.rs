//! Reads stretches of the topic, and the answers in them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, DecodeError, DecodedAnswer, SchemaRef, SchemaSet};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use types::RecordPosition;

use super::UnavailableReason;
use super::offset_ranges::{RangeQueue, ReadRound};
use crate::answer_record::RecordHeaders;
use crate::assignment::StartPosition;
use crate::events::{ClientRole, Events};
use crate::librdkafka;
use crate::monotonic_consumer::MonotonicConsumer;
use crate::schema_fetcher::{SchemaFetchEvent, SchemaFetcher};
use crate::stop_signal::StopSignal;
use crate::topic_offsets;
use crate::unreadable::{self, UnreadableBatchFinder, is_unreadable_batch};

/// Decodes records with schemas of its own.
pub(crate) struct AnswerReader {
    pub(crate) decoder: AnswerDecoder,
    pub(crate) schemas: SchemaSet,
    pub(crate) fetcher: SchemaFetcher,
}

/// Until when, and until whom, reading goes on.
pub(super) struct ReadDeadline<'a> {
    pub(super) until: Instant,
    pub(super) stop: &'a StopSignal,
}

impl ReadDeadline<'_> {
    const STEP: Duration = Duration::from_millis(50);

    /// Returns the reason for which reading ends now, if it does.
    fn check_deadline(&self) -> Result<(), UnavailableReason> {
        if self.stop.is_requested() {
            return Err(UnavailableReason::Stopped);
        }
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(UnavailableReason::TimedOut),
        }
    }
}

/// The reason for which reading ended early.
#[derive(Debug)]
pub(super) struct IncompleteRead {
    pub(super) cause: UnavailableReason,
    /// The partitions of which something is left to be read; the others are read whole.
    pub(super) unread: BTreeSet<i32>,
}

/// The topic as it is read: with which client, and what finds the batches that cannot be read.
pub(super) struct RangeReader<'a> {
    pub(super) client: &'a MonotonicConsumer,
    pub(super) topic: &'a str,
    pub(super) finder: &'a mut UnreadableBatchFinder,
    pub(super) events: &'a Events,
}

impl RangeReader<'_> {
    /// Reads every record of `segments` that can be read and hands it on. A batch that cannot be read
    /// counts as one without answers: no replica hands anybody a record of it.
    ///
    /// # Errors
    ///
    /// The reason for which it ended before all was read, and the rest.
    pub(super) fn read(
        &mut self,
        segments: &mut RangeQueue,
        patience: &ReadDeadline<'_>,
        mut on_record: impl FnMut(RecordPosition, &BorrowedMessage<'_>) -> Result<(), UnavailableReason>,
    ) -> Result<(), IncompleteRead> {
        while !segments.is_empty() {
            let mut round = ReadRound::new(segments.next_round());
            let ended = self.read_round(&mut round, patience, &mut on_record);
            ended.map_err(|cause| IncompleteRead {
                cause,
                unread: round.partitions().chain(segments.partitions()).collect(),
            })?;
        }
        Ok(())
    }

    fn read_round(
        &mut self,
        round: &mut ReadRound,
        patience: &ReadDeadline<'_>,
        on_record: &mut impl FnMut(
            RecordPosition,
            &BorrowedMessage<'_>,
        ) -> Result<(), UnavailableReason>,
    ) -> Result<(), UnavailableReason> {
        self.assign(round)?;
        while !round.is_done() {
            patience.check_deadline()?;
            match self.client.poll(ReadDeadline::STEP) {
                None => {}
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    if round.on_record(partition, offset) {
                        on_record(RecordPosition { partition, offset }, &message)?;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => round.on_end(partition),
                Some(Err(KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(UnavailableReason::TimedOut);
                }
                Some(Err(error)) => self.on_error(&error, round, patience)?,
            }
        }
        Ok(())
    }

    fn assign(&self, round: &ReadRound) -> Result<(), UnavailableReason> {
        let list = topic_offsets::offset_list(self.topic, &round.positions());
        let assigned = list.and_then(|list| self.client.assign(&list));
        assigned.map_err(|_| UnavailableReason::TimedOut)
    }

    /// Goes on behind what cannot be read. librdkafka gets over all else, or the time runs out.
    fn on_error(
        &mut self,
        error: &KafkaError,
        round: &mut ReadRound,
        patience: &ReadDeadline<'_>,
    ) -> Result<(), UnavailableReason> {
        if !error.rdkafka_error_code().is_some_and(is_unreadable_batch) {
            return Ok(());
        }
        let open = round.positions().into_iter();
        let starts: Vec<_> = open
            .map(|(one, from)| (one, StartPosition::At(from)))
            .collect();
        let looking = unreadable::SearchDeadline {
            until: patience.until,
            stop: Some(patience.stop),
        };
        let mut any = false;
        for batch in self.finder.find(&starts, &looking) {
            if round.skip_batch(&batch) {
                any = true;
                self.events
                    .batch_skipped(ClientRole::Recall, self.topic, &batch);
            }
        }
        if any && !round.is_done() {
            self.assign(round)
        } else {
            Ok(())
        }
    }
}

impl AnswerReader {
    /// Decodes a record; `None` when it is none that any session would have been handed.
    ///
    /// # Errors
    ///
    /// Why its schema was not to be had in time.
    pub(super) fn decode<'a>(
        &mut self,
        message: &'a BorrowedMessage<'_>,
        headers: &RecordHeaders<'_>,
        patience: &ReadDeadline<'_>,
    ) -> Result<Option<DecodedAnswer<'a>>, UnavailableReason> {
        let Some(value) = message.payload() else {
            return Ok(None);
        };
        loop {
            match self.decoder.decode(value, headers.schema_id, &self.schemas) {
                Ok(decoded) => return Ok(Some(decoded)),
                Err(DecodeError::UnknownSchema(schema)) => {
                    if !self.fetch_schema(schema, patience)? {
                        return Ok(None);
                    }
                }
                Err(_) => return Ok(None),
            }
        }
    }

    /// Waits for a schema. False when there is none.
    fn fetch_schema(
        &mut self,
        wanted: SchemaRef,
        patience: &ReadDeadline<'_>,
    ) -> Result<bool, UnavailableReason> {
        const STEP: Duration = Duration::from_millis(10);
        self.fetcher.fetch(wanted);
        loop {
            while let Some(event) = self.fetcher.poll() {
                match event {
                    SchemaFetchEvent::Found {
                        schema,
                        text,
                        references,
                    } => {
                        let usable = self.schemas.insert(schema, &text, &references).is_ok();
                        if schema == wanted {
                            return Ok(usable);
                        }
                    }
                    SchemaFetchEvent::Refused { schema, .. } if schema == wanted => {
                        return Ok(false);
                    }
                    SchemaFetchEvent::Refused { .. }
                    | SchemaFetchEvent::Unreachable { .. }
                    | SchemaFetchEvent::LoginRefused
                    | SchemaFetchEvent::Reachable => {}
                }
            }
            patience.check_deadline().map_err(|cause| {
                let late = cause == UnavailableReason::TimedOut;
                if late {
                    UnavailableReason::Registry
                } else {
                    cause
                }
            })?;
            if patience.stop.wait(STEP) {
                return Err(UnavailableReason::Stopped);
            }
        }
    }
}

/// A record's headers.
pub(super) fn record_headers<'a>(message: &'a BorrowedMessage<'_>) -> RecordHeaders<'a> {
    RecordHeaders::read(librdkafka::headers(message))
}
