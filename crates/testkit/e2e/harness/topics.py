"""Topics with random names, so that tests do not share any."""

import uuid
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from harness.avro_schemas import QUESTION_SCHEMA
from harness.stack import Access

PARTITIONS = 6


@dataclass(frozen=True)
class Topics:
    """Names of the questions' and the answers' topic of one test."""

    questions: str
    answers: str

    @classmethod
    def with_random_names(cls) -> "Topics":
        """Returns names that no other test uses."""
        mark = uuid.uuid4().hex[:10]
        return cls(questions=f"perguntas-{mark}", answers=f"respostas-{mark}")

    def gateway_settings(self) -> dict[str, str]:
        """Returns the gateway's settings for these topics."""
        return {
            "GATEWAY__KAFKA__QUESTIONS_TOPIC": self.questions,
            "GATEWAY__KAFKA__ANSWERS_TOPIC": self.answers,
        }


def create_topics(access: Access, *names: str, partitions: int = PARTITIONS, replication: int = 1) -> None:
    """Creates topics and waits until the broker has them."""
    admin = AdminClient(dict(access.kafka))
    wanted = [NewTopic(name, num_partitions=partitions, replication_factor=replication) for name in names]
    for done in admin.create_topics(wanted, operation_timeout=20).values():
        done.result(30)


def register_schema(access: Access, subject: str, schema: str) -> int:
    """Registers an Avro schema and returns its id."""
    return SchemaRegistryClient(dict(access.registry)).register_schema(subject, Schema(schema, "AVRO"))


def create_topics_with_schema(
    access: Access, question_schema: str = QUESTION_SCHEMA, *, replication: int = 1
) -> Topics:
    """Creates topics with random names and registers the question schema: the state that the gateway expects."""
    topics = Topics.with_random_names()
    create_topics(access, topics.questions, topics.answers, replication=replication)
    register_schema(access, f"{topics.questions}-value", question_schema)
    return topics
