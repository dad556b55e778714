"""Test texts with a canary: a word that must never appear in a log, a metric or a span."""

import hashlib
import uuid

QUESTION_CANARY = "quetzal7f3a"
ANSWER_CANARY = "axolotl51be"
NAME_CANARY = "ocelote90d2"
TEXT_CANARIES = (QUESTION_CANARY, ANSWER_CANARY, NAME_CANARY)


def question(note: str = "") -> str:
    """Returns a question text that is unique."""
    return f"{QUESTION_CANARY} onde fica a estação? {note} {uuid.uuid4().hex}"


def answer_to(asked: str) -> str:
    """Returns the one right answer to a question.

    It contains a hash of the question: any party can compute it and none can guess it.
    """
    return f"{ANSWER_CANARY} não é longe: {hashlib.sha256(asked.encode()).hexdigest()}"


def user_name() -> str:
    """Returns a user name that is unique."""
    return f"{NAME_CANARY} Inês {uuid.uuid4().hex}"


def session_id() -> str:
    """Returns a session id in the form that the known clients use."""
    return str(uuid.uuid4())
