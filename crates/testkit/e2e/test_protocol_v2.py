"""Version 2 on a real Kafka: answers in parts, repeated questions, and sessions resumed at another replica."""

import pytest

from harness import canaries, v1_client, v2_client
from harness.answerer import answer_manually
from harness.ledger import assert_ledger_balanced, read_ledger
from harness.polling import eventually

pytestmark = pytest.mark.stack

TOKEN_KEY_SETTINGS = {"GATEWAY__SESSION__TOKEN_KEY": "the-key-of-all-replicas-of-a-test"}


def test_a_question_is_accepted_and_answered_and_its_record_carries_its_name(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with v2_client.connect(gateway) as session:
        session.start()
        asked = canaries.question()
        session.ask("q-1", asked)
        question = answerer.wait_question(asked)
        assert "~" in question.wire_id
        assert len(question.header("question-id")) == 32
        answerer.answer(question, canaries.answer_to(asked))
        assert session.receive_answer("q-1") == canaries.answer_to(asked)
        session.send("ack", seq=session.seq)
        session.send("ask", id="q-1", content=asked)
        session.expect("error", id="q-1", code="already_answered", retryable=False)
    assert_ledger_balanced(gateway)


@pytest.mark.parametrize("echo", [True, False], ids=["echoes-question-id", "echoes-session-id"])
def test_a_page_that_is_loaded_again_is_not_shown_the_answer_to_its_question_of_the_same_id(
    start_gateway, topics, start_answerer, echo
):
    first, second = (start_gateway(topics, **TOKEN_KEY_SETTINGS).wait_ready() for _ in range(2))
    answerer = start_answerer(answer_manually)
    name = canaries.session_id()
    with v2_client.connect(first, name) as before:
        before.start()
        asked = canaries.question("before")
        before.ask("q1", asked)
        older = answerer.wait_question(asked)
    first.wait_sessions(0)
    for gateway in (first, second):
        with v2_client.connect(gateway, name) as after:
            assert after.start()["session_id"] == name
            again = canaries.question("after")
            after.ask("q1", again)
            newer = answerer.wait_question(again)
            assert newer.header("question-id") != older.header("question-id")
            for question in (older, newer):
                headers = [("question-id", question.header("question-id").encode())] if echo else []
                answerer.answer(question, canaries.answer_to(question.text), headers=headers)
            assert after.receive_answer("q1") == canaries.answer_to(again)
        gateway.wait_sessions(0)
        # Read while the session is not there, the answers given at the first replica are foreign at the second.
        second.wait_metric("answer_gateway_answers_total", 2, outcome="foreign")
    assert second.metrics().value("answer_gateway_answers_total", outcome="late") == 1


def test_a_newcomer_without_the_token_does_not_throw_the_owner_of_a_live_session_out(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    name = canaries.session_id()
    with v2_client.connect(gateway, name) as owner, v2_client.connect(gateway, name) as newcomer:
        assert owner.start()["session_id"] == name
        asked = canaries.question()
        owner.ask("q1", asked)
        assert newcomer.start()["session_id"] != name
        with v1_client.connect(gateway.url(name)) as old_page:
            assert v1_client.wait_close_code(old_page) == 4509
        answerer.answer(answerer.wait_question(asked), canaries.answer_to(asked))
        assert owner.receive_answer("q1") == canaries.answer_to(asked)


def test_a_long_answer_comes_in_parts(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    long = canaries.ANSWER_CANARY + "ção " * 60_000
    with v2_client.connect(gateway) as session:
        session.start()
        asked = canaries.question()
        session.ask("q-1", asked)
        answerer.answer(answerer.wait_question(asked), long)
        assert session.receive_answer("q-1") == long
        assert session.seq > 3


def test_parts_of_the_answering_side_leave_as_they_come(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with v2_client.connect(gateway) as session:
        session.start()
        asked = canaries.question()
        session.ask("q-1", asked)
        question = answerer.wait_question(asked)
        for number, text in enumerate(["um ", "dois ", "três"]):
            headers = [("answer-part", str(number).encode()), ("answer-final", str(number == 2).lower().encode())]
            answerer.answer(question, text, headers=headers)
            part = session.expect("answer", part=number, data=text, final=number == 2)
            assert ("resume_token" in part) == part["final"]


def test_what_was_written_while_the_client_was_away_is_shown_at_another_replica(start_gateway, topics, start_answerer):
    first, second = (start_gateway(topics, **TOKEN_KEY_SETTINGS).wait_ready() for _ in range(2))
    answerer = start_answerer(answer_manually)
    with v2_client.connect(first) as before, v2_client.connect(second) as after:
        name = before.start()["session_id"]
        asked = canaries.question()
        before.ask("q-1", asked)
        before.drop_connection()
        first.wait_sessions(0)
        answerer.answer(answerer.wait_question(asked), canaries.answer_to(asked))
        second.wait_metric("answer_gateway_answers_total", 1, outcome="foreign")
        hello = after.resume(before)
        assert (hello["resumed"], hello["session_id"], hello["pending"]) == (True, name, "q-1")
        assert after.receive_answer("q-1") == canaries.answer_to(asked)
        again = canaries.question()
        after.ask("q-2", again)
        answerer.answer(answerer.wait_question(again), canaries.answer_to(again))
        assert after.receive_answer("q-2") == canaries.answer_to(again)
    assert read_ledger(first)["handed_off"] == 1
    assert read_ledger(second)["adopted"] == 1
    assert_ledger_balanced(first)
    assert_ledger_balanced(second)


def test_what_was_written_before_a_replica_started_is_found_by_it(start_gateway, topics, start_answerer):
    first = start_gateway(topics, **TOKEN_KEY_SETTINGS).wait_ready()
    answerer = start_answerer(answer_manually)
    with v2_client.connect(first) as before:
        before.start()
        asked = canaries.question()
        before.ask("q-1", asked)
        question = answerer.wait_question(asked)
        first.crash()
        answerer.answer(question, canaries.answer_to(asked))
        for _ in range(500):
            answerer.write_record({"session_id": canaries.session_id(), "resposta": "x"})
        answerer.flush()
        later = start_gateway(topics, **TOKEN_KEY_SETTINGS).wait_ready()
        with v2_client.connect(later) as after:
            assert after.resume(before)["pending"] == "q-1"
            assert after.receive_answer("q-1") == canaries.answer_to(asked)
    records = later.wait_metric("answer_gateway_recent_records", 501, kind="records")
    assert later.metrics().value("answer_gateway_recent_records_size_bytes", kind="index") < 64 * max(records, 4096)


def test_parts_the_client_has_are_not_sent_again(start_gateway, topics, start_answerer):
    first, second = (start_gateway(topics, **TOKEN_KEY_SETTINGS).wait_ready() for _ in range(2))
    answerer = start_answerer(answer_manually)
    with v2_client.connect(first) as before, v2_client.connect(second) as after:
        before.start()
        asked = canaries.question()
        before.ask("q-1", asked)
        question = answerer.wait_question(asked)
        part = lambda number, final: [("answer-part", b"%d" % number), ("answer-final", final)]  # noqa: E731
        answerer.answer(question, "um ", headers=part(0, b"false"))
        before.expect("answer", data="um ", final=False)
        before.drop_connection()
        answerer.answer(question, "dois ", headers=part(1, b"false"))
        second.wait_metric("answer_gateway_answers_total", 2, outcome="foreign")
        assert after.resume(before)["pending"] == "q-1"
        after.expect("answer", data="dois ", seq=2, part=1)
        answerer.answer(question, "três", headers=part(2, b"true"))
        after.expect("answer", data="três", seq=3, part=2, final=True)


def test_a_session_that_nobody_can_resume_begins_anew(start_gateway, topics):
    first, stranger = (start_gateway(topics).wait_ready() for _ in range(2))
    with v2_client.connect(first) as before, v2_client.connect(stranger) as after:
        name = before.start()["session_id"]
        hello = after.resume(before)
        assert not hello["resumed"]
        assert hello["session_id"] != name
    metrics = stranger.metrics()
    assert metrics.value("answer_gateway_resumptions_total", result="stale_token") == 1


def test_version_1_and_version_2_live_side_by_side(gateway, start_answerer):
    start_answerer()
    with v2_client.connect(gateway) as session, v1_client.connect(gateway.url(canaries.session_id())) as old:
        session.start()
        for number in range(5):
            asked = canaries.question()
            session.send("ask", id=f"q-{number}", content=asked)
            other = canaries.question()
            assert v1_client.ask(old, other) == v1_client.answer_frame(canaries.answer_to(other))
            session.expect("accepted", id=f"q-{number}")
            assert session.receive_answer(f"q-{number}") == canaries.answer_to(asked)
    eventually(lambda: gateway.metrics().value("answer_gateway_sessions") == 0, "both are gone")
    assert_ledger_balanced(gateway)
