"""Avro schemas of questions and answers, in the variants that other teams may register."""

import json

QUESTION_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Pergunta",
        "fields": [{"name": "session_id", "type": "string"}, {"name": "pergunta", "type": "string"}],
    }
)

QUESTION_WITH_ALL_FIELDS_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Pergunta",
        "namespace": "com.example.rag",
        "fields": [
            {"name": "asked_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "pergunta", "type": "string"},
            {"name": "user_name", "type": ["null", "string"], "default": None},
            {"name": "question_id", "type": "string"},
            {"name": "conversation_id", "type": ["null", "string"], "default": None},
            {"name": "session_id", "type": "string"},
            {"name": "channel", "type": "string", "default": "web"},
        ],
    }
)

ANSWER_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Resposta",
        "fields": [{"name": "session_id", "type": "string"}, {"name": "resposta", "type": "string"}],
    }
)

ANSWER_WITH_QUESTION_ID_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Resposta",
        "fields": [
            {"name": "session_id", "type": "string"},
            {"name": "resposta", "type": ["null", "string"], "default": None},
            {"name": "question_id", "type": ["null", "string"], "default": None},
            {"name": "error", "type": ["null", "string"], "default": None},
        ],
    }
)

REORDERED_ANSWER_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "RespostaV2",
        "namespace": "com.example.rag",
        "fields": [
            {"name": "resposta", "type": "string"},
            {"name": "tokens", "type": "int"},
            {"name": "session_id", "type": "string"},
        ],
    }
)

ANSWER_WITH_MORE_FIELDS_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Resposta",
        "fields": [
            {"name": "model", "type": {"type": "enum", "name": "Model", "symbols": ["SMALL", "LARGE"]}},
            {"name": "sources", "type": {"type": "array", "items": {"type": "map", "values": "string"}}},
            {"name": "session_id", "type": "string"},
            {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 4}},
            {"name": "score", "type": ["null", "double"]},
            {"name": "resposta", "type": "string"},
            {"name": "inner", "type": ["null", {"type": "record", "name": "Inner", "fields": []}]},
        ],
    }
)

# As registered by Flink SQL: a generated name, every column nullable.
FLINK_ANSWER_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "respostas_value",
        "namespace": "org.apache.flink.avro.generated.record",
        "fields": [
            {"name": "session_id", "type": ["null", "string"], "default": None},
            {"name": "resposta", "type": ["null", "string"], "default": None},
        ],
    }
)
