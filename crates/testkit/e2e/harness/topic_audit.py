"""Audits a load run from outside: joins the clients' log with both topics as kcat has read them."""

from collections import Counter
from collections.abc import Sequence

from harness import avro_schemas
from harness.canaries import answer_to
from harness.kcat import KcatRecord
from harness.load_clients import Exchange


def assert_each_question_answered_once(
    exchanges: Sequence[Exchange], questions: Sequence[KcatRecord], answers: Sequence[KcatRecord]
) -> None:
    """Fails unless each question was published once and answered once, in its session and under that question."""
    asked = {(one.session, one.question) for one in exchanges}
    assert len(asked) == len(exchanges), "the clients asked one question twice; the test is broken"
    published = Counter(_decode_question(record) for record in questions)
    written = Counter(_decode_answer(record) for record in answers)
    shown = Counter((one.session, one.frame.get("data")) for one in exchanges if one.frame)

    unlike = Counter(str(one.frame)[:60] for one in exchanges if not one.answered)
    told = f"questions asked (told otherwise than an answer: {dict(unlike)})"
    _assert_same(Counter(asked), published, told, "questions in the topic")
    _assert_same(
        Counter({(session, answer_to(text)): 1 for session, text in asked}), shown, "answers due", "answers shown"
    )
    _assert_same(written, shown, "answers in the topic", "answers shown")
    wrong = [one for one in exchanges if not one.answered]
    assert not wrong, f"{len(wrong)} questions without their own answer, such as {wrong[0]}"


def _decode_question(record: KcatRecord) -> tuple[str, str]:
    fields = record.decode_value(avro_schemas.QUESTION_SCHEMA)
    wire_id = fields["session_id"]
    session_id = wire_id.partition("~")[0]
    assert record.key == session_id.encode(), f"key {record.key!r} of wire id {wire_id!r}"
    return session_id, fields["pergunta"]


def _decode_answer(record: KcatRecord) -> tuple[str, str]:
    fields = record.decode_value(avro_schemas.ANSWER_SCHEMA)
    return fields["session_id"].partition("~")[0], fields["resposta"]


def _assert_same(left: Counter, right: Counter, left_name: str, right_name: str) -> None:
    only_left, only_right = left - right, right - left
    assert not only_left + only_right, (
        f"{sum(only_left.values())} {left_name} have no match in {right_name}, such as {list(only_left)[:2]}; "
        f"{sum(only_right.values())} {right_name} have none in {left_name}, such as {list(only_right)[:2]}"
    )
