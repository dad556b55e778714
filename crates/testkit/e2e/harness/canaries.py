"""Texts that must never be seen in a log or a metric: each carries a canary."""

import hashlib
import uuid

QUESTION_CANARY = "quetzal7f3a"
ANSWER_CANARY = "axolotl51be"
NAME_CANARY = "ocelote90d2"
TEXT_CANARIES = (QUESTION_CANARY, ANSWER_CANARY, NAME_CANARY)


def question(note: str = "") -> str:
    """A question nobody has asked before."""
    return f"{QUESTION_CANARY} onde fica a estação? {note} {uuid.uuid4().hex}"


def answer_to(asked: str) -> str:
    """The one right answer to a question: anyone can compute it, nobody can guess it."""
    return f"{ANSWER_CANARY} não é longe: {hashlib.sha256(asked.encode()).hexdigest()}"


def user_name() -> str:
    """A name nobody has used before."""
    return f"{NAME_CANARY} Inês {uuid.uuid4().hex}"


def session_id() -> str:
    """What the known clients use as their session id."""
    return str(uuid.uuid4())
