"""Third-party WebSocket and Kafka clients that behave like the known clients and answering sides."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import canaries, v1_client

pytestmark = pytest.mark.stack

E2E_FOLDER = Path(__file__).resolve().parent


def ask_with_npm_ws(url: str, content: str) -> list[dict]:
    """Runs the old client, written with npm `ws`, and returns every frame that it received."""
    assert (E2E_FOLDER / "node_modules" / "ws").is_dir(), (
        f"npm `ws` is not installed; run: npm ci --prefix {E2E_FOLDER}"
    )
    node = shutil.which("node")
    assert node, "node is not installed; scripts/setup says where it comes from"
    done = subprocess.run(
        [node, E2E_FOLDER / "clients" / "ask.mjs", url, v1_client.question_frame(content)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=[False, True], ids=["unkeyed", "keyed"])
def keyed(request):
    return request.param


def test_a_websockets_client_gets_its_answer_in_one_frame(gateway, start_answerer, keyed):
    start_answerer(keyed=keyed)
    question = canaries.question()
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
        v1_client.assert_nothing_more(socket)


def test_an_npm_ws_client_gets_its_answer_in_one_frame(gateway, start_answerer, keyed):
    start_answerer(keyed=keyed)
    question = canaries.question()
    frames = ask_with_npm_ws(gateway.url(canaries.session_id()), question)
    assert frames == [v1_client.answer_frame(canaries.answer_to(question))]


def test_a_session_asks_one_question_after_the_other(gateway, start_answerer, keyed):
    start_answerer(keyed=keyed)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        for number in range(20):
            question = canaries.question(f"número {number}")
            assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
        v1_client.assert_nothing_more(socket)


def test_an_answer_reaches_its_own_session_and_no_other(gateway, start_answerer, keyed):
    answerer = start_answerer(lambda _: [], keyed=keyed)
    with (
        v1_client.connect(gateway.url(canaries.session_id())) as first,
        v1_client.connect(gateway.url(canaries.session_id())) as second,
    ):
        asked_first, asked_second = canaries.question("primeira"), canaries.question("segunda")
        v1_client.send(first, asked_first)
        v1_client.send(second, asked_second)
        for asked in (asked_second, asked_first):
            answerer.answer(answerer.wait_question(asked), canaries.answer_to(asked))
        assert v1_client.receive(second) == v1_client.answer_frame(canaries.answer_to(asked_second))
        assert v1_client.receive(first) == v1_client.answer_frame(canaries.answer_to(asked_first))
        v1_client.assert_nothing_more(first)
        v1_client.assert_nothing_more(second)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 900_000])
def test_answers_of_every_frame_length_arrive_whole(gateway, start_answerer, size):
    text = "ã" * (size // 2) + "x" * (size % 2)
    start_answerer(lambda _: [text])
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.ask(socket, canaries.question()) == v1_client.answer_frame(text)


def test_text_of_every_script_survives_both_ways(gateway, start_answerer):
    text = 'aspas " barra \\ nova\nlinha \t nulo \u0000 emoji 🚆 日本語 עברית \u2028 fim'
    answerer = start_answerer(lambda question: [question.text])
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.ask(socket, text) == v1_client.answer_frame(text)
    assert [question.text for question in answerer.questions] == [text]
