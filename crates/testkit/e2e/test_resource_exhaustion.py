"""Connections and open files are used up: probes are still answered, and the process recovers by itself."""

import os
import resource

import pytest

from harness import canaries, http, idle_connections, v1_client
from harness.gateway import Gateway
from harness.polling import eventually

pytestmark = pytest.mark.stack

# The timeout of the chart's readiness probe; `/metrics` gets the same here.
PROBE_TIMEOUT = 2.0


def assert_probes_answer(gateway: Gateway) -> None:
    """Fails unless the admin port answers within the timeout of a probe."""
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        assert gateway.get_admin(path, timeout=PROBE_TIMEOUT).status == 200, path


def sessions(count: int) -> list[str]:
    """Returns that many new session ids."""
    return [canaries.session_id() for _ in range(count)]


@pytest.mark.parametrize("allow_changes", ["false", "true"])
@pytest.mark.parametrize(
    "first_bytes",
    [idle_connections.PUT_WITHOUT_BODY, idle_connections.PARTIAL_REQUEST_HEAD, idle_connections.NO_REQUEST],
)
def test_probes_answer_while_64_connections_hold_the_admin_port(start_gateway, topics, first_bytes, allow_changes):
    gateway = start_gateway(topics, GATEWAY__ADMIN__ALLOW_CHANGES=allow_changes).wait_ready()
    with idle_connections.hold_connections(gateway.admin_port, 64, first_bytes):
        for _ in range(3):
            assert_probes_answer(gateway)


def test_probes_answer_while_a_thousand_connections_hold_the_admin_port(gateway):
    with idle_connections.hold_connections(gateway.admin_port, 1000):
        assert_probes_answer(gateway)
        assert gateway.metrics().value("answer_gateway_connections_evicted_total", port="admin") >= 900


def test_a_body_is_refused_before_it_is_sent_unless_changes_are_allowed(gateway):
    with idle_connections.hold_connections(gateway.admin_port, 1, idle_connections.PUT_WITHOUT_BODY) as (connection,):
        assert connection.recv(64).startswith(b"HTTP/1.1 403 ")


def test_a_soft_limit_of_open_files_is_raised_to_the_hard_one(start_gateway, topics):
    gateway = start_gateway(topics, open_files=(256, 4096)).wait_ready()
    with idle_connections.open_websockets(gateway.port, sessions(400)) as tried:
        assert {one.status for one in tried} == {101}
        assert_probes_answer(gateway)
        assert gateway.metrics().value("process_max_fds") == 4096
    log = gateway.log.read_text()
    assert log.count("limit of open files raised") == 1
    assert "`limits.connections` is 15000 and `server.max_connections` is 16000" in log
    assert "raise the hard limit of open files to 16256" in log


def test_sockets_beyond_the_open_files_get_503_and_later_ones_connect_again(start_gateway, topics, start_answerer):
    start_answerer()
    gateway = start_gateway(topics, open_files=(256, 256)).wait_ready()
    question = canaries.question()
    with v1_client.connect(gateway.url(canaries.session_id())) as asking:
        with idle_connections.open_websockets(gateway.port, sessions(400)) as tried:
            refused = [one for one in tried if not one.is_open]
            assert {one.status for one in refused} == {503}
            assert all("retry-after: " in one.head for one in refused)
            assert len(tried) - len(refused) >= 100
            assert_probes_answer(gateway)
            metrics = gateway.metrics()
            assert metrics.value("answer_gateway_connections_refused_total", reason="open_files") == len(refused)
            assert metrics.value("answer_gateway_errors_total", kind="accept_failed") == 0
            assert metrics.value("process_open_fds") <= 256 - 16
            assert v1_client.ask(asking, question) == v1_client.answer_frame(canaries.answer_to(question))
        gateway.wait_sessions(1)
        with idle_connections.open_websockets(gateway.port, sessions(100)) as again:
            assert {one.status for one in again} == {101}


def test_a_process_without_any_descriptor_left_answers_probes_and_recovers(start_gateway, topics):
    gateway = start_gateway(topics).wait_ready()
    pid = gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with idle_connections.open_websockets(gateway.port, sessions(20)):
        gateway.wait_sessions(20)
        # Simulates that all descriptors are taken: no number below the limit is free.
        used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
        with idle_connections.open_websockets(gateway.port, sessions(30)) as tried:
            assert tried[-1].status == 503
            for _ in range(5):
                assert_probes_answer(gateway)
        metrics = gateway.metrics()
        assert metrics.value("answer_gateway_errors_total", kind="accept_failed") >= 1
        assert metrics.value("answer_gateway_connections_refused_total", reason="open_files") >= 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    gateway.wait_sessions(0)
    with idle_connections.open_websockets(gateway.port, sessions(100)) as again:
        assert {one.status for one in again} == {101}


def test_idle_connections_keep_no_websocket_out(start_gateway, topics):
    gateway = start_gateway(
        topics, GATEWAY__SERVER__MAX_CONNECTIONS="40", GATEWAY__LIMITS__CONNECTIONS="40"
    ).wait_ready()
    with (
        idle_connections.hold_connections(gateway.port, 20),
        idle_connections.hold_connections(gateway.port, 20, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Half:"),
        idle_connections.open_websockets(gateway.port, sessions(40)) as tried,
    ):
        assert {one.status for one in tried} == {101}
        gateway.wait_sessions(40)
        assert gateway.metrics().value("answer_gateway_connections_evicted_total", port="public") == 40


def test_a_newcomer_to_a_full_port_gets_503_and_is_not_left_waiting(start_gateway, topics):
    gateway = start_gateway(
        topics, GATEWAY__SERVER__MAX_CONNECTIONS="20", GATEWAY__LIMITS__CONNECTIONS="20"
    ).wait_ready()
    with idle_connections.open_websockets(gateway.port, sessions(20)) as tried:
        assert {one.status for one in tried} == {101}
        for _ in range(100):
            reply = http.request(gateway.port, "GET", "/health", timeout=PROBE_TIMEOUT)
            assert reply.status == 503
            assert int(reply.headers["retry-after"]) > 0
            assert "server.max_connections" in reply.json()["error"]
        assert gateway.metrics().value("answer_gateway_connections_refused_total", reason="max_connections") == 100
    gateway.wait_sessions(0)
    eventually(lambda: gateway.get("/health").status == 200, "the places are free again")


def test_the_admin_port_serves_addresses_and_named_hosts_and_no_pages(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__ADMIN__ALLOWED_HOSTS="gateway.internal").wait_ready()

    def status(**headers: str) -> int:
        return gateway.get_admin("/livez", headers=headers).status

    for host in ("localhost", "10.1.2.3:9090", "[::1]:9090", "gateway.internal:9090"):
        assert status(Host=host) == 200, host
    refused = gateway.get_admin("/metrics", headers={"Host": "attacker.example"})
    assert refused.status == 403
    assert "admin.allowed_hosts" in refused.body
    assert status(Origin="http://127.0.0.1:9090") == 403
    metrics = gateway.metrics()
    assert metrics.value("answer_gateway_admin_refused_total", reason="host") == 1
    assert metrics.value("answer_gateway_admin_refused_total", reason="origin") == 1


def test_a_change_needs_the_token_if_one_is_set(start_gateway, topics):
    token = "t" * 32
    gateway = start_gateway(
        topics, GATEWAY__ADMIN__ALLOW_CHANGES="true", GATEWAY__ADMIN__TOKEN=token, RUST_LOG="info"
    ).wait_ready()
    assert gateway.request_admin("DELETE", "/sessions?all=true").status == 401
    wrong = {"Authorization": f"Bearer {'u' * 32}"}
    assert gateway.request_admin("PUT", "/log-level", "debug", headers=wrong).status == 401
    right = {"Authorization": f"Bearer {token}"}
    assert gateway.request_admin("DELETE", "/sessions?all=true", headers=right).json() == {"closed": 0}
    assert token not in gateway.log.read_text()
