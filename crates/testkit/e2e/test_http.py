"""The HTTP interface of both ports, for people, orchestrators and metric scrapers."""

import pytest

from harness import canaries, v1_client, v2_client
from harness.answerer import answer_manually
from harness.polling import eventually

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("path", ["/", "/health"])
def test_the_public_port_says_that_the_process_lives(gateway, path):
    reply = gateway.get(path)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    assert body.pop("version")
    assert body == {"status": "ok", "service": "answer-gateway"}


def test_probes_answer_200_once_it_serves(gateway):
    assert gateway.get_admin("/livez").status == 200
    assert gateway.get_admin("/readyz").status == 200


def test_a_fresh_process_that_lacks_nothing_says_so(gateway):
    expected = {"status": "ready", "missing": [], "degraded": []}
    eventually(lambda: gateway.get_admin("/readyz").json() == expected, "nothing is missing, and nothing degraded")


def test_unknown_paths_are_404(gateway):
    assert gateway.get("/nowhere").status == 404
    assert gateway.get_admin("/nowhere").status == 404


def test_the_admin_surface_is_not_on_the_public_port(gateway):
    for path in ("/metrics", "/readyz", "/livez", "/sessions"):
        assert gateway.get(path).status == 404, path


def test_a_plain_get_of_a_socket_path_is_refused(gateway):
    assert gateway.get(f"/ws/{canaries.session_id()}").status in (400, 426)


def test_the_chat_page_is_off_unless_it_is_switched_on(gateway, start_gateway, topics):
    assert gateway.get("/chat").status == 404
    with_page = start_gateway(topics, GATEWAY__CHAT__ENABLED="true").wait_ready()
    page = with_page.get("/chat")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")


def test_the_four_metrics_of_the_old_document_follow_what_happens(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with (
        v1_client.connect(gateway.url(canaries.session_id())) as socket,
        v1_client.connect(gateway.url(canaries.session_id())),
    ):
        question = canaries.question()
        v1_client.send(socket, question)
        waiting = answerer.wait_question(question)
        eventually(
            lambda: gateway.metrics().value("answer_gateway_sessions", state="waiting") == 1, "one session waits"
        )
        assert gateway.metrics().value("answer_gateway_sessions", state="idle") == 1
        answerer.write_value(b"no avro")
        answerer.answer(waiting, canaries.answer_to(question))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question))
        eventually(
            lambda: gateway.metrics().value("answer_gateway_records_total", result="error") == 1,
            "the invalid record is counted",
        )
        metrics = gateway.metrics()
        assert metrics.value("answer_gateway_records_total", result="ok") == 1
        assert metrics.value("answer_gateway_errors_total") >= 1
        assert metrics.value("answer_gateway_deliveries_total", result="success") == 1
        assert metrics.value("answer_gateway_sessions", state="idle") == 2
    gateway.wait_sessions(0)


def test_the_ledger_adds_up(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__SESSION__ANSWER_TIMEOUT="1s").wait_ready()
    answerer = start_answerer(lambda question: [] if "held" in question.text else [canaries.answer_to(question.text)])
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        for _ in range(5):
            assert v1_client.ask(socket, canaries.question())["type"] == "response"
        assert v1_client.ask(socket, canaries.question("held")) == v1_client.TIMEOUT_ERROR
        gone = canaries.question("held")
        v1_client.send(socket, gone)
        answerer.wait_question(gone)
    gateway.wait_sessions(0)
    metrics = gateway.metrics()
    assert metrics.value("answer_gateway_questions_accepted_total") == 7
    assert metrics.value("answer_gateway_questions_total", outcome="answered") == 5
    assert metrics.value("answer_gateway_questions_total", outcome="expired") == 1
    assert metrics.value("answer_gateway_questions_total", outcome="undeliverable") == 1
    assert metrics.value("answer_gateway_questions_pending") == 0


def test_nothing_is_changed_from_the_admin_port_unless_that_is_allowed(gateway):
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        gateway.wait_sessions(1)
        refused = gateway.request_admin("DELETE", "/sessions?all=true")
        assert refused.status == 403
        assert "admin.allow_changes" in refused.body
        assert gateway.request_admin("PUT", "/log-level", "debug").status == 403
        v1_client.assert_nothing_more(socket)


def test_an_operator_ends_every_session_and_changes_the_log_level(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__ADMIN__ALLOW_CHANGES="true", RUST_LOG="warn").wait_ready()
    assert gateway.request_admin("PUT", "/log-level", "nonsense=nonsense").status == 400
    assert gateway.request_admin("PUT", "/log-level", "info").json() == {"status": "ok"}
    with v1_client.connect(gateway.url(canaries.session_id())) as old, v2_client.connect(gateway) as new:
        new.start()
        gateway.wait_sessions(2)
        for unclear in ("", "?subject=", "?all=false", "?all=true&subject=somebody"):
            assert gateway.request_admin("DELETE", f"/sessions{unclear}").status == 400, unclear
        assert gateway.request_admin("DELETE", "/sessions?subject=somebody").json() == {"closed": 0}
        assert gateway.request_admin("DELETE", "/sessions?all=true").json() == {"closed": 2}
        assert v1_client.wait_close_code(old) == 4503
        assert new.wait_close_code() == 4503
    gateway.wait_sessions(0)
    assert "sessions ended by an operator" in gateway.log.read_text()
