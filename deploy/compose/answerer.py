"""An answering side to begin with: reads questions, writes an answer to each, carries the headers on.

What a job has to do and no more: `session_id` goes back as it stood in the question, whatever it looks like. The
headers go back too, so that an answer is told by its `question-id` and the trace goes on.

    KAFKA_BOOTSTRAP_SERVERS=kafka:9092 KAFKA_SCHEMA_REGISTRY_URL=http://registry:8081 python answerer.py
"""

import json
import os
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

ANSWER = json.dumps(
    {
        "type": "record",
        "name": "Resposta",
        "fields": [
            {"name": "session_id", "type": "string"},
            {"name": "resposta", "type": "string"},
        ],
    }
)


def answer_to(question: str) -> str:
    """Where your model comes in."""
    return f"You asked: {question}"


def main() -> None:
    """Answers until it is stopped."""
    questions = os.environ.get("QUESTIONS_TOPIC", "perguntas")
    answers = os.environ.get("ANSWERS_TOPIC", "respostas")
    kafka = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]}
    registry = SchemaRegistryClient({"url": os.environ["KAFKA_SCHEMA_REGISTRY_URL"]})
    read, write = AvroDeserializer(registry), AvroSerializer(registry, ANSWER)
    producer = Producer({**kafka, "enable.idempotence": True, "linger.ms": 0})
    consumer = Consumer({**kafka, "group.id": "answerer", "auto.offset.reset": "earliest"})
    consumer.subscribe([questions])
    print(f"answering what comes to {questions}", flush=True)
    while True:
        record = consumer.poll(0.5)
        producer.poll(0)
        if record is None:
            continue
        if record.error():
            print(f"cannot read: {record.error()}", flush=True)
            time.sleep(1)
            continue
        question = read(record.value(), SerializationContext(questions, MessageField.VALUE))
        answer = {
            "session_id": question["session_id"],
            "resposta": answer_to(question["pergunta"]),
        }
        value = write(answer, SerializationContext(answers, MessageField.VALUE))
        producer.produce(answers, key=record.key(), value=value, headers=record.headers())


if __name__ == "__main__":
    main()
