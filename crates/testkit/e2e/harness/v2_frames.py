"""Encodes and decodes the frames of version 2, and validates each against its documented schema."""

import functools
import json
from typing import Any

from jsonschema import Draft202012Validator

from harness.stack import REPOSITORY

Frame = dict[str, Any]

SCHEMA_FOLDER = REPOSITORY / "docs" / "schemas" / "v2"
SERVER_FRAME_TYPES = {"hello", "accepted", "answer", "error", "heartbeat", "closing"}
CLIENT_FRAME_TYPES = {"start", "ask", "cancel", "ack", "renew"}


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads((SCHEMA_FOLDER / f"{kind}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def encode(frame: Frame) -> str:
    """Validates a client's frame and returns it as text."""
    assert frame["type"] in CLIENT_FRAME_TYPES
    _validator(frame["type"]).validate(frame)
    return json.dumps(frame, ensure_ascii=False)


def decode(text: str) -> Frame:
    """Parses and validates a frame of the gateway."""
    frame = json.loads(text)
    assert frame["type"] in SERVER_FRAME_TYPES, frame["type"]
    _validator(frame["type"]).validate(frame)
    return frame
