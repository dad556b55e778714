"""The demo from a newcomer's view: one process, its page in a real browser, and the `ask` command that it prints."""

import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import canaries, chat_page, v1_client
from harness.gateway import Gateway, bare_environment, free_port, gateway_binary
from harness.polling import WAIT_TIMEOUT, eventually

pytestmark = pytest.mark.demo

QUESTION = "Which topics does the gateway use?"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Runs a demo for all tests of this module."""
    gateway = Gateway({"RUST_LOG": "info"}, tmp_path_factory.mktemp("demo") / "demo.log", command="demo")
    try:
        yield gateway.wait_ready()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def chat(demo: Gateway) -> Iterator[chat_page.ChatPage]:
    """Opens the demo's page in a browser; fails when its console shows an error."""
    with chat_page.open_chat_page(f"http://127.0.0.1:{demo.port}/chat") as opened:
        yield opened
        assert opened.console_errors() == []


@pytest.mark.browser
def test_a_question_typed_into_the_page_is_answered_with_its_source(chat):
    chat.ask(QUESTION)
    answer = chat.wait_message("answer")
    assert "respostas" in answer
    assert "— " in answer, "the passage's source is named"
    assert chat.messages("question") == [QUESTION]
    assert chat.messages("waiting") == []
    assert chat.messages("error") == []


@pytest.mark.browser
def test_the_page_shows_that_it_waits(chat):
    assert chat.ask_without_waiting(QUESTION) == ["question", "waiting"]
    chat.wait_message("answer")
    assert chat.messages("waiting") == []


@pytest.mark.browser
def test_a_question_asked_while_one_waits_is_refused_and_the_first_one_answered(chat):
    chat.ask_without_waiting(QUESTION, "And this one?")
    assert chat.wait_message("error") == v1_client.BUSY_ERROR["message"]
    assert "respostas" in chat.wait_message("answer")
    chat.ask("How does a session wait for its answer?")
    eventually(lambda: len(chat.messages("answer")) == 2, "the next question is answered")


def test_a_client_nobody_here_wrote_is_answered(demo):
    answer = v1_client.ask_once(demo.url(canaries.session_id()), QUESTION)
    assert answer["type"] == "response"
    assert "respostas" in answer["data"]


def test_the_ask_line_it_prints_works(demo):
    line = eventually(
        lambda: next((line for line in demo.log.read_text().splitlines() if " ask " in line), None),
        "the demo prints an ask line",
    )
    words = shlex.split(line)
    arguments = words[words.index("ask") :]
    asked = subprocess.run(
        [gateway_binary(), *arguments],
        env=bare_environment({}),
        capture_output=True,
        text=True,
        timeout=WAIT_TIMEOUT,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip()


def test_it_warns_of_nothing_but_open_origins(demo):
    assert v1_client.ask_once(demo.url(canaries.session_id()), QUESTION)["type"] == "response"
    lines = demo.log.read_text().splitlines()
    warnings = [line for line in lines if '"level":"WARN"' in line or '"level":"ERROR"' in line]
    assert len(warnings) == 1, warnings
    assert "security.allowed_origins" in warnings[0]


@pytest.mark.parametrize(("setting", "other"), [("PORT", "GATEWAY__ADMIN__PORT"), ("GATEWAY__ADMIN__PORT", "PORT")])
def test_a_port_that_is_taken_is_named_with_the_setting_that_moves_it(setting, other):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [gateway_binary(), "demo"],
            env=bare_environment({setting: str(port), other: str(free_port())}),
            capture_output=True,
            text=True,
            timeout=WAIT_TIMEOUT,
            check=False,
        )
    assert ended.returncode != 0
    assert str(port) in ended.stderr
    assert setting in ended.stderr
    assert "panicked" not in ended.stderr


def test_it_starts_again_on_the_same_ports_right_after_its_end(run_demo: Callable[[dict[str, str]], None]):
    ports = {"PORT": str(free_port()), "GATEWAY__ADMIN__PORT": str(free_port())}
    run_demo(ports)
    run_demo(ports)


@pytest.fixture
def run_demo(tmp_path: Path) -> Callable[[dict[str, str]], None]:
    """Returns a function that starts a demo on given ports, waits until it is ready and stops it."""

    def start(ports: dict[str, str]) -> None:
        gateway = Gateway(ports, tmp_path / "demo.log", command="demo")
        gateway.port, gateway.admin_port = int(ports["PORT"]), int(ports["GATEWAY__ADMIN__PORT"])
        try:
            gateway.wait_ready()
            gateway.stop()
        finally:
            gateway.kill()

    return start
