"""The answering side of the fault suite: switches from one answer mode to the next."""

import heapq
import json
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from chaos.answer_modes import ANSWER_MODES, AnswerMode
from chaos.answering_log import AnsweringLog, RecordPosition
from chaos.run_clock import RunClock
from harness.avro_schemas import ANSWER_SCHEMA
from harness.canaries import answer_to
from harness.topics import Topics

Headers = list[tuple[str, bytes]]


@dataclass(order=True)
class ScheduledRecord:
    """An answer record and the time at which it is to be written."""

    at: float
    number: int
    question: str = field(compare=False)
    mode: AnswerMode = field(compare=False)
    value: bytes = field(compare=False)
    key: bytes | None = field(compare=False)
    headers: Headers = field(compare=False)
    timestamp: int = field(compare=False)


def alternative_answer(text: str) -> str:
    """Returns a second text that is also a right answer to a question."""
    return f"{answer_to(text)} (outra)"


# librdkafka's level for warnings. A reset of an offset is one.
LOG_LEVEL_WARNING = 4


def _open_log(path: Path) -> logging.Logger:
    """Returns a logger that writes to a file of its own, with times in UTC."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(formatter)
    logger = logging.Logger("answering-side")
    logger.addHandler(handler)
    return logger


class AnsweringSide:
    """Reads every question once and answers it in the mode that is active at that moment.

    `failure` is what ended it before the run did: from then on no question is answered, and losses say nothing of the
    product.
    """

    def __init__(
        self,
        bootstrap: str,
        registry_url: str,
        topics: Topics,
        partitions: int,
        seed: int,
        mode_seconds: float,
        *,
        clock: RunClock,
        folder: Path,
    ):
        self.topics = topics
        self.failure: BaseException | None = None
        self.log = AnsweringLog()
        self._clock = clock
        self._logger = _open_log(folder / "answering-side.log")
        self.mode_seconds = mode_seconds
        # The mode in which each question was answered, by its text, and the wire ids under which it was never answered.
        self.modes: dict[str, AnswerMode] = {}
        self._unanswered: dict[str, set[str]] = defaultdict(set)
        self._random = random.Random(seed)
        registry = SchemaRegistryClient({"url": registry_url})
        self._deserialize = AvroDeserializer(registry)
        self._serialize = AvroSerializer(registry, ANSWER_SCHEMA)
        # Unreachable brokers are part of the run, so the producers do not log them.
        kafka = {"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True, "log_level": 0}
        self._producers = {
            name: Producer({**kafka, "partitioner": name}) for name in ("consistent_random", "murmur2_random")
        }
        self._transactional = Producer({**kafka, "transactional.id": f"answering-{topics.answers}"})
        self._open_since: float | None = None
        # The answers of the open transaction that are written and that no reader sees yet, by question.
        self._uncommitted: list[tuple[str, RecordPosition]] = []
        reading = {
            "bootstrap.servers": bootstrap,
            "group.id": "answering",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            "isolation.level": "read_committed",
            # The default would go on at the end of a partition and lose the questions before it without a word.
            "auto.offset.reset": "error",
            "log_level": LOG_LEVEL_WARNING,
        }
        self._consumer = Consumer(reading, logger=self._logger)
        starts = [TopicPartition(topics.questions, number, OFFSET_BEGINNING) for number in range(partitions)]
        self._consumer.assign(starts)
        self._scheduled: list[ScheduledRecord] = []
        self._written = 0
        self._began = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answering")

    @contextmanager
    def running(self) -> Iterator["AnsweringSide"]:
        """Answers questions until the block ends, or until `failure` is set."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._thread.join()
            self._consumer.close()

    @property
    def unanswered(self) -> set[str]:
        """Returns the questions that were published under at least one wire id and never answered under it."""
        return {text for text, wire_ids in self._unanswered.items() if wire_ids}

    @property
    def read_repeatedly(self) -> set[str]:
        """Returns the questions that were read more than once, and so answered more than once."""
        return {text for text, places in self.log.questions.items() if len(places) > 1}

    @property
    def current_mode(self) -> AnswerMode:
        """Returns the mode that is active now."""
        return ANSWER_MODES[int((time.monotonic() - self._began) / self.mode_seconds) % len(ANSWER_MODES)]

    def _run(self) -> None:
        try:
            self._transactional.init_transactions(60)
            last_read = self._clock.elapsed()
            while not self._ending.is_set():
                records = self._consumer.consume(num_messages=200, timeout=0.02)
                now = self._clock.elapsed()
                self.log.on_pause(now - last_read, now)
                last_read = now
                for record in records:
                    error = record.error()
                    if error is None:
                        self._on_question(record)
                    else:
                        self._on_consumer_error(error)
                self._write_due_records()
                for producer in self._producers.values():
                    producer.poll(0)
                self._commit_transaction(open_for=0.3)
        except BaseException as failure:
            self._logger.exception("the answering side has ended")
            self.failure = failure

    def _on_consumer_error(self, error: KafkaError) -> None:
        """Counts and logs an error; raises it when the consumer does not go on by itself."""
        self.log.consumer_errors[error.name()] += 1
        self._logger.warning("consumer error %s: %s", error.name(), error.str())
        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)

    def _on_question(self, record: Message) -> None:
        context = SerializationContext(self.topics.questions, MessageField.VALUE)
        fields = self._deserialize(record.value(), context)
        text, wire_id, mode = fields["pergunta"], fields["session_id"], self.current_mode
        position = RecordPosition(record.partition(), record.offset(), self._clock.elapsed())
        self.log.questions[text].append(position)
        jump = self.log.on_read(position)
        if jump:
            self._logger.warning("the consumer's position has jumped: %s", jump)
        self.modes[text] = mode
        if mode.silent_one_in and self._random.randrange(mode.silent_one_in) == 0:
            self._unanswered[text].add(wire_id)
            return
        # A question that is asked again under another wire id has to be answered under that one too.
        self._unanswered[text].discard(wire_id)
        written_id = wire_id
        if mode.strips_one_in and "~" in wire_id and self._random.randrange(mode.strips_one_in) == 0:
            # Without its suffix the answer cannot be matched to its question.
            self._unanswered[text].add(wire_id)
            written_id = wire_id.partition("~")[0]
        headers = list(record.headers() or []) if mode.echoes_headers else []
        keys = {None: None, "wire_id": wire_id.encode(), "json": json.dumps({"session_id": wire_id}).encode()}
        timestamp = record.timestamp()[1] if mode.copies_timestamp else 0
        if mode.parts:
            self.log.in_parts.add(text)
        answers = [answer_to(text)]
        if mode.repeats:
            answers.append(alternative_answer(text) if mode.repeats_differ else answer_to(text))
        for answer in answers:
            at = time.monotonic() + self._random.random() * mode.longest_delay
            for piece, more in self._split_into_parts(mode, answer):
                self._written += 1
                context = SerializationContext(self.topics.answers, MessageField.VALUE)
                value = self._serialize({"session_id": written_id, "resposta": piece}, context)
                due = ScheduledRecord(at, self._written, text, mode, value, keys[mode.key], headers + more, timestamp)
                heapq.heappush(self._scheduled, due)
                self.log.due[text] += 1
                at += 0.02

    def _split_into_parts(self, mode: AnswerMode, answer: str) -> Iterator[tuple[str, Headers]]:
        if not mode.parts:
            yield answer, []
            return
        third = len(answer) // 3
        pieces = [answer[:third], answer[third : 2 * third], answer[2 * third :]]
        crashes = self._random.randrange(4) == 0
        for attempt in range(1 + crashes):
            for number, piece in enumerate(pieces):
                final = number == len(pieces) - 1
                yield (
                    piece,
                    [
                        ("answer-part", str(number).encode()),
                        ("answer-final", str(final).lower().encode()),
                        ("answer-attempt", str(attempt).encode()),
                    ],
                )
                if crashes and attempt == 0:
                    break

    def _write_due_records(self) -> None:
        while self._scheduled and self._scheduled[0].at <= time.monotonic():
            due = heapq.heappop(self._scheduled)
            if due.mode.transactions:
                self._begin_transaction()
                producer = self._transactional
            else:
                producer = self._producers[due.mode.partitioner]
            options = {"timestamp": due.timestamp} if due.timestamp else {}
            options["on_delivery"] = partial(self._on_delivery_report, due, self._clock.elapsed())
            try:
                producer.produce(self.topics.answers, value=due.value, key=due.key, headers=due.headers, **options)
            except BufferError:
                heapq.heappush(self._scheduled, due)
                producer.poll(0.05)
                return

    def _on_delivery_report(
        self, due: ScheduledRecord, produced_at: float, error: KafkaError | None, record: Message
    ) -> None:
        if error is None:
            # Not the time of this call: a transaction may have kept the thread from polling for long.
            acknowledged_at = produced_at + (record.latency() or 0.0)
            position = RecordPosition(record.partition(), record.offset(), acknowledged_at)
            if due.mode.transactions:
                self._uncommitted.append((due.question, position))
            else:
                self.log.answers[due.question].append(position)
        else:
            self.log.write_errors[due.question].append(error.name())
            self._logger.warning("an answer was not written: %s", error.str())

    def _begin_transaction(self) -> None:
        if self._open_since is None:
            self._transactional.begin_transaction()
            # One transaction in five stays open for 2 s longer: records behind it are not visible until then.
            self._open_since = time.monotonic() + (2.0 if self._random.randrange(5) == 0 else 0.0)

    def _commit_transaction(self, open_for: float) -> None:
        if self._open_since is None or time.monotonic() < self._open_since + open_for:
            return
        self._open_since = None
        try:
            self._transactional.commit_transaction(30)
        except KafkaException as problem:
            if not problem.args[0].retriable():
                raise
            self._transactional.commit_transaction(30)
        committed_at = self._clock.elapsed()
        for question, position in self._uncommitted:
            self.log.answers[question].append(replace(position, at=committed_at))
        self._uncommitted.clear()
