"""An answering side built on confluent-kafka and its Avro (de)serializers.

It depends on the topics only, not on the gateway.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness.avro_schemas import ANSWER_SCHEMA
from harness.canaries import answer_to
from harness.polling import eventually
from harness.stack import Access
from harness.topics import PARTITIONS, Topics

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class QuestionRecord:
    """One record of the questions' topic."""

    key: bytes | None
    headers: Headers
    fields: dict[str, Any]
    partition: int
    offset: int

    @property
    def wire_id(self) -> str:
        """Returns the wire id, which an answer has to carry as `session_id`."""
        return self.fields["session_id"]

    @property
    def text(self) -> str:
        """Returns the text of the question."""
        return self.fields["pergunta"]

    def header(self, name: str) -> str | None:
        """Returns the value of a header, None without one; fails when the header occurs more than once."""
        values = [value.decode() for key, value in self.headers if key == name]
        assert len(values) <= 1, f"header {name} is there {len(values)} times"
        return values[0] if values else None


# Returns the answer texts for a question, an empty list for none. Called in the answerer's thread.
AnswerPolicy = Callable[[QuestionRecord], list[str]]


def answer_once(question: QuestionRecord) -> list[str]:
    """Answers with the right text, once."""
    return [answer_to(question.text)]


def answer_twice(question: QuestionRecord) -> list[str]:
    """Answers with the right text, twice."""
    return [answer_to(question.text)] * 2


def answer_manually(_: QuestionRecord) -> list[str]:
    """Answers nothing by itself: the test calls `Answerer.answer`."""
    return []


class Answerer:
    """Reads and keeps every question, and answers as `policy` says."""

    def __init__(
        self,
        access: Access,
        topics: Topics,
        policy: AnswerPolicy = answer_once,
        *,
        keyed: bool = False,
        key_of: Callable[[QuestionRecord], bytes | None] | None = None,
        echo_headers: bool = False,
        headers_of: Callable[[QuestionRecord], Headers | None] | None = None,
        schema: str = ANSWER_SCHEMA,
        compression: str = "none",
    ):
        self.topics = topics
        self.policy = policy
        self.key_of = key_of or (lambda question: question.key if keyed else None)
        self.headers_of = headers_of or (lambda question: question.headers if echo_headers else None)
        self._registry = SchemaRegistryClient(dict(access.registry))
        self._deserialize = AvroDeserializer(self._registry)
        self._serialize = AvroSerializer(self._registry, schema)
        settings = {"linger.ms": 0, "enable.idempotence": True, "compression.type": compression}
        self._producer = Producer({**access.kafka, **settings})
        self._consumer = Consumer(
            {**access.kafka, "group.id": "answerer", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
        )
        self._consumer.assign(
            [TopicPartition(topics.questions, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
        )
        self._questions: list[QuestionRecord] = []
        self._failure: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answerer")

    @contextmanager
    def running(self) -> Iterator["Answerer"]:
        """Reads and answers until the block ends, then fails if an error occurred meanwhile."""
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
    def questions(self) -> list[QuestionRecord]:
        """Returns every question read so far."""
        return list(self._questions)

    def wait_question(self, text: str) -> QuestionRecord:
        """Waits for the question with this text; fails when it was published more than once."""
        found = eventually(
            lambda: [question for question in self.questions if question.text == text],
            f"the question reaches {self.topics.questions}",
        )
        assert len(found) == 1, f"one question was published {len(found)} times"
        return found[0]

    def answer(self, question: QuestionRecord, text: str, *, headers: Headers | None = None, **fields: Any) -> None:
        """Writes an answer now; `fields` change or add to the fields of the record."""
        record = {"session_id": question.wire_id, "resposta": text, **fields}
        key = self.key_of(question)
        self.write_record(record, key=key, headers=headers if headers is not None else self.headers_of(question))
        self.flush()

    def write_record(
        self,
        record: dict[str, Any],
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
        schema: str | None = None,
    ) -> None:
        """Writes any record to the answers' topic, serialized by confluent-kafka."""
        write = AvroSerializer(self._registry, schema) if schema else self._serialize
        value = write(record, SerializationContext(self.topics.answers, MessageField.VALUE))
        self.write_value(value, key=key, headers=headers, partition=partition)

    def serialize(self, record: dict[str, Any], schema: str) -> bytes:
        """Returns the bytes that `write_record` would write."""
        write = AvroSerializer(self._registry, schema)
        return write(record, SerializationContext(self.topics.answers, MessageField.VALUE))

    def write_value(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
    ) -> None:
        """Writes these bytes unchanged as the value of a record."""
        options = {} if partition is None else {"partition": partition}
        self._producer.produce(
            self.topics.answers, value=value, key=key, headers=headers, on_delivery=self._on_delivery_report, **options
        )

    def flush(self) -> None:
        """Waits until Kafka has confirmed everything written so far."""
        left = self._producer.flush(60)
        assert left == 0, f"{left} answers are not in Kafka"

    def _on_delivery_report(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = AssertionError(f"an answer was not written: {error}")

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                for record in self._consumer.consume(num_messages=200, timeout=0.02):
                    self._on_question(record)
                self._producer.poll(0)
            self.flush()
        except BaseException as failure:
            self._failure = failure

    def _on_question(self, record: Message) -> None:
        if record.error():
            return  # A broker is unreachable; librdkafka reconnects by itself.
        context = SerializationContext(self.topics.questions, MessageField.VALUE)
        question = QuestionRecord(
            key=record.key(),
            headers=record.headers() or [],
            fields=self._deserialize(record.value(), context),
            partition=record.partition(),
            offset=record.offset(),
        )
        self._questions.append(question)
        for text in self.policy(question):
            self.write_record(
                {"session_id": question.wire_id, "resposta": text},
                key=self.key_of(question),
                headers=self.headers_of(question),
            )
