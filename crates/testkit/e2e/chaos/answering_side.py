"""The answering side of the fault suite: switches from one answer mode to the next."""

import heapq
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from chaos.answer_modes import ANSWER_MODES, AnswerMode
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


class AnsweringSide:
    """Reads every question once and answers it in the mode that is active at that moment."""

    def __init__(
        self, bootstrap: str, registry_url: str, topics: Topics, partitions: int, seed: int, mode_seconds: float
    ):
        self.topics = topics
        self.mode_seconds = mode_seconds
        # The mode in which each question was answered, by its text, and the wire ids under which it was never answered.
        self.modes: dict[str, AnswerMode] = {}
        self._unanswered: dict[str, set[str]] = defaultdict(set)
        # Positions of each question's record and of the records of its answers: partition, offset, seconds since the
        # start.
        self.question_positions: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        self.answer_positions: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        self._random = random.Random(seed)
        registry = SchemaRegistryClient({"url": registry_url})
        self._deserialize = AvroDeserializer(registry)
        self._serialize = AvroSerializer(registry, ANSWER_SCHEMA)
        # Unreachable brokers are part of the run, so librdkafka does not log them.
        quiet = {"log_level": 0}
        kafka = {"bootstrap.servers": bootstrap, "linger.ms": 5, "enable.idempotence": True, **quiet}
        self._producers = {
            name: Producer({**kafka, "partitioner": name}) for name in ("consistent_random", "murmur2_random")
        }
        self._transactional = Producer({**kafka, "transactional.id": f"answering-{topics.answers}"})
        self._open_since: float | None = None
        reading = {"bootstrap.servers": bootstrap, "group.id": "answering", "enable.auto.commit": False, **quiet}
        self._consumer = Consumer({**reading, "fetch.wait.max.ms": 20, "isolation.level": "read_committed"})
        starts = [TopicPartition(topics.questions, number, OFFSET_BEGINNING) for number in range(partitions)]
        self._consumer.assign(starts)
        self._scheduled: list[ScheduledRecord] = []
        self._written = 0
        self._began = time.monotonic()
        self._failure: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answering")

    @contextmanager
    def running(self) -> Iterator["AnsweringSide"]:
        """Answers questions until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._thread.join()
            self._consumer.close()
        if self._failure:
            raise self._failure

    @property
    def unanswered(self) -> set[str]:
        """Returns the questions that were published under at least one wire id and never answered under it."""
        return {text for text, wire_ids in self._unanswered.items() if wire_ids}

    @property
    def read_repeatedly(self) -> set[str]:
        """Returns the questions that were read more than once, and so answered more than once."""
        return {text for text, places in self.question_positions.items() if len(places) > 1}

    @property
    def current_mode(self) -> AnswerMode:
        """Returns the mode that is active now."""
        return ANSWER_MODES[int((time.monotonic() - self._began) / self.mode_seconds) % len(ANSWER_MODES)]

    def _run(self) -> None:
        try:
            self._transactional.init_transactions(60)
            while not self._ending.is_set():
                for record in self._consumer.consume(num_messages=200, timeout=0.02):
                    if not record.error():
                        self._on_question(record)
                self._write_due_records()
                for producer in self._producers.values():
                    producer.poll(0)
                self._commit_transaction(open_for=0.3)
        except BaseException as failure:
            self._failure = failure

    def _on_question(self, record: Message) -> None:
        context = SerializationContext(self.topics.questions, MessageField.VALUE)
        fields = self._deserialize(record.value(), context)
        text, wire_id, mode = fields["pergunta"], fields["session_id"], self.current_mode
        self.question_positions[text].append((record.partition(), record.offset(), self._elapsed()))
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
            options["on_delivery"] = partial(self._on_delivery_report, due.question)
            try:
                producer.produce(self.topics.answers, value=due.value, key=due.key, headers=due.headers, **options)
            except BufferError:
                heapq.heappush(self._scheduled, due)
                producer.poll(0.05)
                return

    def _on_delivery_report(self, question: str, error: object, record: Message) -> None:
        if error is None:
            self.answer_positions[question].append((record.partition(), record.offset(), self._elapsed()))

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 2)

    def describe_question(self, question: str) -> str:
        """Describes where a question was read and where its answers were written, for the report."""
        places = {"read": self.question_positions.get(question, []), "answers": self.answer_positions.get(question, [])}
        where = [
            f"{what} at {', '.join(f'{partition}/{offset} ({at} s)' for partition, offset, at in places[what])}"
            for what in places
            if places[what]
        ]
        return "; ".join(where) or "never read"

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
