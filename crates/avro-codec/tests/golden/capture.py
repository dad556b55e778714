"""Writes answers.json and questions.json: records as confluent-kafka's AvroSerializer writes them.

    python -m pip install "confluent-kafka[avro,schemaregistry]"
    python crates/avro-codec/tests/golden/capture.py            # writes the files anew
    python crates/avro-codec/tests/golden/capture.py --check    # fails if they would change

Needs no registry: schemas get fixed ids and GUIDs. The files are committed; the Rust tests read only them.
"""

import argparse
import json
import sys
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import confluent_kafka
from confluent_kafka.schema_registry import (
    RegisteredSchema,
    Schema,
    SchemaReference,
    header_schema_id_serializer,
    topic_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

FOLDER = Path(__file__).resolve().parent
FIRST_ID = 258  # 0x0102: the order of its bytes shows


class Registry:
    """As much of a registry's client as the serializer asks: every schema has been registered already."""

    def __init__(self, schema_id: int, references: dict[str, str]):
        self.schema_id = schema_id
        self.guid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"answer-gateway:{schema_id}"))
        self.references = references

    def config(self):
        return {}

    def register_schema_full_response(self, subject, schema, normalize_schemas=False):
        return self._registered(subject, schema)

    def get_version(self, subject, version, deleted=False, fmt=None):
        return self._registered(subject, Schema(self.references[subject], "AVRO"))

    def _registered(self, subject, schema):
        return RegisteredSchema(
            schema_id=self.schema_id,
            guid=self.guid,
            schema=schema,
            subject=subject,
            version=1,
        )


def record(name, *fields, **more):
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


def nullable(name, kind="string"):
    return field(name, ["null", kind], default=None)


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


MINIMAL_ANSWER = record(
    "Resposta", field("session_id", "string"), field("resposta", "string")
)
JAVA_STRING = {"type": "string", "avro.java.string": "String"}
EVERY_TYPE = record(
    "Everything",
    field("nothing", "null"),
    field("flag", "boolean"),
    field("small", "int"),
    field("large", "long"),
    field("score", "float"),
    field("exact_score", "double"),
    field("raw", "bytes"),
    field("session_id", "string"),
    field("hash", {"type": "fixed", "name": "Hash", "size": 3}),
    field("mood", {"type": "enum", "name": "Mood", "symbols": ["GOOD", "BAD"]}),
    field("sources", {"type": "array", "items": "string"}),
    field("scores", {"type": "map", "values": "double"}),
    field("other_hash", "Hash"),
    field("resposta", "string"),
    field(
        "model", record("Model", field("name", "string"), nullable("version", "int"))
    ),
    field("models", {"type": "array", "items": "Model"}),
    field(
        "tree",
        ["null", record("Tree", field("label", "string"), nullable("left", "Tree"))],
    ),
    field("price", logical("bytes", "decimal", precision=9, scale=2)),
    field("day", logical("int", "date")),
    field("clock", logical("int", "time-millis")),
    field("at", logical("long", "timestamp-millis")),
    field("at_micros", logical("long", "timestamp-micros")),
    field("id", logical("string", "uuid")),
    field(
        "one_of",
        [
            "null",
            "boolean",
            "long",
            "string",
            "Model",
            {"type": "array", "items": "int"},
        ],
    ),
    field("question_id", ["null", "string"]),
)
MODEL = {"name": "m", "version": 3}
EVERY_VALUE = {
    "nothing": None,
    "flag": True,
    "small": -(2**31),
    "large": 2**63 - 1,
    "score": 0.5,
    "exact_score": -1e300,
    "raw": b"\x00\xff",
    "session_id": "s",
    "hash": b"abc",
    "mood": "BAD",
    "sources": ["a.pdf", "b.pdf"],
    "scores": {"x": 1.0, "y": 2.0},
    "other_hash": b"xyz",
    "resposta": "tudo",
    "model": MODEL,
    "models": [MODEL, {"name": "n", "version": None}],
    "tree": {"label": "root", "left": {"label": "leaf", "left": None}},
    "price": Decimal("12.34"),
    "day": date(2024, 2, 29),
    "clock": time(23, 59, 59),
    "at": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "at_micros": datetime(1969, 12, 31, tzinfo=UTC),
    "id": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "one_of": MODEL,
    "question_id": "q",
}
FLINK = record(
    "record",
    nullable("user_name"),
    nullable("resposta"),
    nullable("rowtime", logical("long", "timestamp-millis")),
    nullable("session_id"),
    nullable("tags", {"type": "array", "items": ["null", "string"]}),
    nullable(
        "details",
        record("record_details", nullable("model"), nullable("tokens", "int")),
    ),
    nullable("error"),
    nullable("question_id"),
    namespace="org.apache.flink.avro.generated",
)
ACCENTED = record(
    "Reação",
    field("usuário", record("Usuário", nullable("nome"))),
    field("ânimo", {"type": "enum", "name": "Ânimo", "symbols": ["OTIMO", "MAU"]}),
    field("session_id", "string"),
    field("resposta", "string"),
    field("revisor", ["null", "Usuário"]),
    namespace="br.atenção",
)
SHARED = json.dumps(record("Place", field("x", "int"), namespace="shared"))
REFERRING = record(
    "Resposta",
    field("place", "shared.Place"),
    field("session_id", "string"),
    field("resposta", "string"),
)

# name, schema, what confluent-kafka is given, texts of the referenced schemas
ANSWERS = [
    ("minimal", MINIMAL_ANSWER, {"session_id": "s-1", "resposta": "Fica no Recife."}),
    (
        "minimal, accents and emoji",
        MINIMAL_ANSWER,
        {"session_id": "s", "resposta": "Não há ação 🚀"},
    ),
    ("minimal, empty text", MINIMAL_ANSWER, {"session_id": "s", "resposta": ""}),
    (
        "minimal, a length of two bytes",
        MINIMAL_ANSWER,
        {"session_id": "s" * 128, "resposta": "é" * 100},
    ),
    (
        "suffixed wire id",
        MINIMAL_ANSWER,
        {"session_id": "s~aaaaaaaaaaaaaaaa", "resposta": "sim"},
    ),
    (
        "another record name, fields in another order",
        record(
            "rag_output",
            field("resposta", "string"),
            field("session_id", "string"),
            namespace="a.b",
        ),
        {"session_id": "s", "resposta": "sim"},
    ),
    ("added fields of every type", EVERY_TYPE, EVERY_VALUE),
    (
        "numbers where readers have wider ones",
        record(
            "Resposta",
            field("part", "int"),
            field("session_id", "string"),
            field("attempt", "long"),
            field("resposta", "string"),
            field("score", "float"),
        ),
        {"part": 1, "session_id": "s", "attempt": -1, "resposta": "sim", "score": 0.25},
    ),
    (
        "bytes where readers have strings",
        record(
            "Resposta",
            field("session_id", "bytes"),
            field("resposta", ["bytes", "null"]),
        ),
        {"session_id": b"s", "resposta": "maçã".encode()},
    ),
    (
        "strings as Java's tools register them",
        record(
            "Resposta",
            field("session_id", JAVA_STRING),
            field("resposta", ["null", JAVA_STRING]),
        ),
        {"session_id": "s", "resposta": "sim"},
    ),
    (
        "a uuid for the session, null as the second branch",
        record(
            "Resposta",
            field("session_id", logical("string", "uuid")),
            field("resposta", ["string", "null"]),
        ),
        {"session_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "resposta": "sim"},
    ),
    (
        "null as the second branch, null",
        record(
            "Resposta",
            field("session_id", "string"),
            field("resposta", ["string", "null"]),
        ),
        {"session_id": "s", "resposta": None},
    ),
    (
        "flink, all set",
        FLINK,
        {
            "user_name": "Ana",
            "resposta": "sim",
            "rowtime": datetime(2024, 2, 29, tzinfo=UTC),
            "session_id": "s",
            "tags": ["a", None],
            "details": {"model": "m", "tokens": 7},
            "error": None,
            "question_id": "q",
        },
    ),
    ("flink, all null but the session", FLINK, {"session_id": "s"}),
    (
        "flink, a failure",
        FLINK,
        {"session_id": "s", "error": "sem contexto", "question_id": "q"},
    ),
    (
        "names with accents",
        ACCENTED,
        {
            "usuário": {"nome": "Ana"},
            "ânimo": "OTIMO",
            "session_id": "s",
            "resposta": "sim",
            "revisor": {"nome": "Rui"},
        },
    ),
    (
        "a schema that names another",
        REFERRING,
        {"place": {"x": -5}, "session_id": "s", "resposta": "sim"},
        [SHARED],
    ),
]

QUESTION = {
    "session": "s-1",
    "wire_id": "s-1~aaaaaaaaaaaaaaaa",
    "question_id": "07070707070707070707070707070707",
    "text": "Onde fica o coração? 🚀",
    "user_name": "Ana",
    "asked_at_ms": 1_709_164_800_123,
}
FULL_QUESTION = record(
    "Pergunta",
    nullable("user_name"),
    field("lang", "string", default="pt"),
    field("pergunta", ["string", "null"]),
    field("asked_at", logical("long", "timestamp-millis")),
    nullable("note"),
    field("session_id", "string"),
    field(
        "limits", record("Limits", field("top", "int", default=5)), default={"top": 3}
    ),
    field("tags", {"type": "array", "items": "string"}, default=["web"]),
    nullable("question_id"),
    field("conversation_id", "string"),
)
QUESTIONS = [
    (
        "minimal",
        record("Pergunta", field("session_id", "string"), field("pergunta", "string")),
        {},
    ),
    ("every field", FULL_QUESTION, {}),
    ("every field, nobody gave a name", FULL_QUESTION, {"user_name": None}),
    (
        "a plain wire id, a length of two bytes",
        FULL_QUESTION,
        {"wire_id": "s-1", "text": "é" * 100},
    ),
    (
        "names with accents",
        record(
            "Questão",
            nullable("usuário"),
            field("pergunta", "string"),
            field("session_id", "string"),
            field("número", "int", default=7),
        ),
        {},
    ),
    (
        "the time as a bare nullable long",
        record(
            "Pergunta",
            field("pergunta", JAVA_STRING),
            nullable("asked_at", "long"),
            nullable("session_id"),
        ),
        {},
    ),
]


def written(schema_id, schema, value, references=(), header=False):
    """The record's header `__value_schema_id` (or None) and its value."""
    named = {
        json.loads(text)["namespace"] + "." + json.loads(text)["name"]: text
        for text in references
    }
    given = Schema(
        json.dumps(schema), "AVRO", [SchemaReference(name, name, 1) for name in named]
    )
    settings = {
        "subject.name.strategy.type": None,
        "subject.name.strategy": topic_subject_name_strategy,
    }
    if header:
        settings["schema.id.serializer"] = header_schema_id_serializer
    registry = Registry(schema_id, named)
    serializer = AvroSerializer(registry, given, conf=settings)
    context = SerializationContext("respostas", MessageField.VALUE, headers=[])
    value = serializer(value, context)
    headers = dict(context.headers)
    return headers.get("__value_schema_id"), value, registry.guid


def answers():
    """Every answer in the prefix form and in the header form."""
    for number, (name, schema, value, *references) in enumerate(ANSWERS):
        texts = references[0] if references else []
        _, prefixed, guid = written(FIRST_ID + number, schema, value, texts)
        header, bare, _ = written(FIRST_ID + number, schema, value, texts, header=True)
        said = {
            key: value.get(key)
            for key in (
                "session_id",
                "question_id",
                "resposta",
                "error",
                "part",
                "final",
                "attempt",
            )
        }
        yield {
            "name": name,
            "id": FIRST_ID + number,
            "guid": guid,
            "schema": json.dumps(schema),
            "references": list(texts),
            "prefixed": prefixed.hex(),
            "header": header.hex(),
            "bare": bare.hex(),
            "says": {
                key: text.decode() if isinstance(text, bytes) else text
                for key, text in said.items()
            },
        }


def questions():
    """Every question as confluent-kafka would have written it."""
    for number, (name, schema, changes) in enumerate(QUESTIONS):
        question = QUESTION | changes
        known = {
            "session_id": question["wire_id"],
            "pergunta": question["text"],
            "question_id": question["question_id"],
            "conversation_id": question["session"],
            "user_name": question["user_name"],
            "asked_at": question["asked_at_ms"],
        }
        names = {each["name"] for each in schema["fields"]}
        _, value, _ = written(
            FIRST_ID + number,
            schema,
            {key: known[key] for key in known if key in names},
        )
        yield {
            "name": name,
            "id": FIRST_ID + number,
            "schema": json.dumps(schema),
            "question": question,
            "value": value.hex(),
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="example: python capture.py --check"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a file would change",
    )
    wanted = parser.parse_args()
    for name, cases in (("answers.json", answers()), ("questions.json", questions())):
        document = {
            "written_by": f"confluent-kafka {confluent_kafka.__version__}",
            "cases": list(cases),
        }
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        if not wanted.check:
            (FOLDER / name).write_text(text)
        elif (FOLDER / name).read_text() != text:
            sys.exit(f"{name} would change")


if __name__ == "__main__":
    main()
