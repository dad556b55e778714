"""A question that librdkafka writes to Kafka twice: its second answer is not shown under another question."""

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually
from harness.polling import eventually
from harness.reply_dropping_relay import ReplyDroppingRelay

pytestmark = [pytest.mark.stack, pytest.mark.faults]

PUBLISH_DEADLINE = 6.0


@pytest.fixture
def relay(stack):
    """Runs a relay between Kafka and the gateway."""
    with ReplyDroppingRelay(stack.relay_address, stack.relayed_listener).running() as running:
        yield running


def test_a_question_that_was_under_way_when_another_timed_out_is_written_twice_and_answered_once(
    stack, relay, start_gateway, topics, start_answerer
):
    relayed = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.relay_address,
        "GATEWAY__KAFKA__PUBLISH_TIMEOUT": f"{PUBLISH_DEADLINE:g}s",
    }
    gateway = start_gateway(topics, **relayed).wait_ready()
    answerer = start_answerer(answer_manually)
    name = canaries.session_id()
    given_up, doubled, after = (canaries.question(which) for which in ("given up", "doubled", "after"))
    with v1_client.connect(gateway.url(canaries.session_id())) as first, v1_client.connect(gateway.url(name)) as second:
        # The producer connects before replies are dropped.
        before = canaries.question("before")
        v1_client.send(first, before)
        answerer.answer(answerer.wait_question(before), canaries.answer_to(before))
        assert v1_client.receive(first) == v1_client.answer_frame(canaries.answer_to(before))
        relay.drop_replies()
        v1_client.send(first, given_up)
        answerer.wait_question(given_up)
        # The publish deadline of the second question is later than that of the first.
        with pytest.raises(TimeoutError):
            first.recv(timeout=PUBLISH_DEADLINE * 0.75)
        v1_client.send(second, doubled)
        answerer.wait_question(doubled)
        assert v1_client.receive(first) == v1_client.PUBLISH_ERROR
        relay.pass_replies()

        def copies():
            found = [question for question in answerer.questions if question.text == doubled]
            return len(found) == 2 and found

        once, again = eventually(copies, "librdkafka writes it once more")
        assert once.wire_id == again.wire_id == name
        answerer.answer(once, canaries.answer_to(doubled))
        assert v1_client.receive(second) == v1_client.answer_frame(canaries.answer_to(doubled))
        v1_client.send(second, after)
        asked = answerer.wait_question(after)
        answerer.answer(again, canaries.answer_to(doubled))
        answerer.answer(asked, canaries.answer_to(after))
        assert v1_client.receive(second) == v1_client.answer_frame(canaries.answer_to(after))
        assert asked.wire_id.startswith(f"{name}~")
