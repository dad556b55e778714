"""The files of deploy/compose and the guides, without a container engine.

Each program accepts its file, and the example answering side answers.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness import canaries, collector, http, v1_client
from harness.gateway import bare_environment, free_port, gateway_binary
from harness.polling import eventually
from harness.stack import REPOSITORY

COMPOSE = REPOSITORY / "deploy" / "compose"


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    """Returns the services of compose.yaml."""
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def test_every_mounted_file_is_there_and_every_service_that_is_waited_for(services):
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = COMPOSE / volume.split(":")[0]
            assert source.exists(), f"{name} mounts {source}"
        assert set(service.get("depends_on", {})) <= set(services), name


def test_the_gateways_settings_are_settings(services):
    environment = {
        name: value.split(":-")[-1].rstrip("}") for name, value in services["gateway"]["environment"].items()
    }
    done = subprocess.run(
        [gateway_binary(), "config"], env=bare_environment(environment), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_collector_takes_its_configuration():
    command = [collector.collector_binary(), "validate", "--config", COMPOSE / "collector.yaml"]
    done = subprocess.run(command, env=bare_environment({}), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_prometheus_takes_its_configuration(tmp_path):
    rules = REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml"
    text = (COMPOSE / "prometheus.yaml").read_text()
    assert "/etc/prometheus/answer-gateway.yaml" in text
    copy = tmp_path / "prometheus.yaml"
    copy.write_text(text.replace("/etc/prometheus/answer-gateway.yaml", str(rules)))
    done = subprocess.run(["promtool", "check", "config", copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.stack
def test_the_answering_side_to_begin_with_answers(access, topics, tmp_path):
    settings = {**access.gateway_settings, **topics.gateway_settings()}
    answerer = {
        **access.gateway_settings,
        "QUESTIONS_TOPIC": topics.questions,
        "ANSWERS_TOPIC": topics.answers,
    }
    log = tmp_path / "answerer.log"
    command = [sys.executable, "-u", COMPOSE / "answerer.py"]
    with log.open("wb") as sink:
        running = subprocess.Popen(command, env=bare_environment(answerer), stdout=sink, stderr=sink)
    try:
        eventually(lambda: "answering what comes to" in log.read_text(), "the answering side has begun")
        command = [gateway_binary(), "check", "--ask", canaries.question()]
        checked = subprocess.run(command, env=bare_environment(settings), capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stdout + checked.stderr + log.read_text()
        assert running.poll() is None, log.read_text()
    finally:
        running.kill()
        running.wait()


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.mark.stack
def test_the_proxy_of_the_guide_hands_sockets_on(start_gateway, topics, start_answerer, tmp_path):
    guide = (REPOSITORY / "docs" / "deployment.md").read_text()
    location = re.search(r"```nginx\n(.*?)```", guide, re.DOTALL)[1]
    assert "127.0.0.1:8080" in location
    gateway, port = start_gateway(topics).wait_ready(), free_port()
    start_answerer()
    location = location.replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path, port=port, location=location))
    nginx = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"
    with subprocess.Popen([nginx, "-c", configuration, "-e", "stderr"]) as proxy:
        try:
            eventually(lambda: http.get(port, "/").body == http.get(gateway.port, "/").body, "the proxy hands on")
            url = gateway.url(canaries.session_id()).replace(f":{gateway.port}/", f":{port}/")
            with v1_client.connect(url) as socket:
                asked = canaries.question()
                assert v1_client.ask(socket, asked) == v1_client.answer_frame(canaries.answer_to(asked))
        finally:
            proxy.terminate()


def test_the_guides_name_files_that_are_there():
    for page in sorted((REPOSITORY / "docs").glob("*.md")):
        text = page.read_text()
        for word in text.replace("`", " ").replace("(", " ").replace(")", " ").split():
            if word.startswith(("deploy/", "scripts/")):
                name = word.rstrip(".,:;")
                assert Path(REPOSITORY / name).exists(), f"{page.name} names {name}"
