"""A question that stands twice in Kafka: its second answer is nobody's."""

import pytest

from harness import texts, ws
from harness.answerer import held
from harness.relay import Relay
from harness.wait import eventually

pytestmark = [pytest.mark.stack, pytest.mark.faults]

PUBLISH_DEADLINE = 6.0


@pytest.fixture
def relay(stack):
    """A cable between Kafka and the gateway."""
    with Relay(stack.relay, stack.relayed).running() as running:
        yield running


def test_a_question_that_was_under_way_when_another_timed_out_is_written_twice_and_answered_once(
    stack, relay, start_gateway, topics, start_answerer
):
    relayed = {"KAFKA_BOOTSTRAP_SERVERS": stack.relay, "GATEWAY__KAFKA__PUBLISH_TIMEOUT": f"{PUBLISH_DEADLINE:g}s"}
    gateway = start_gateway(topics, **relayed).wait_ready()
    answerer = start_answerer(held)
    name = texts.session_id()
    given_up, doubled, after = (texts.question(which) for which in ("given up", "doubled", "after"))
    with ws.connect(gateway.url(texts.session_id())) as first, ws.connect(gateway.url(name)) as second:
        # The producer is connected before Kafka cannot be heard any more.
        before = texts.question("before")
        ws.send(first, before)
        answerer.answer(answerer.question(before), texts.answer_to(before))
        assert ws.receive(first) == ws.response(texts.answer_to(before))
        relay.hush()
        ws.send(first, given_up)
        answerer.question(given_up)
        # Its time is not over with that of the first.
        with pytest.raises(TimeoutError):
            first.recv(timeout=PUBLISH_DEADLINE * 0.75)
        ws.send(second, doubled)
        answerer.question(doubled)
        assert ws.receive(first) == ws.FAILED
        relay.speak()

        def copies():
            found = [question for question in answerer.questions if question.text == doubled]
            return len(found) == 2 and found

        once, again = eventually(copies, "librdkafka writes it once more")
        assert once.wire_id == again.wire_id == name
        answerer.answer(once, texts.answer_to(doubled))
        assert ws.receive(second) == ws.response(texts.answer_to(doubled))
        ws.send(second, after)
        asked = answerer.question(after)
        answerer.answer(again, texts.answer_to(doubled))
        answerer.answer(asked, texts.answer_to(after))
        assert ws.receive(second) == ws.response(texts.answer_to(after))
        assert asked.wire_id.startswith(f"{name}~")
