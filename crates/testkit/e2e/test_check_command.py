"""`answer-gateway check` names each problem. Every problem here is a real one."""

import json
import subprocess
from collections.abc import Mapping

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from harness import avro_schemas, canaries
from harness.answerer import answer_manually
from harness.gateway import bare_environment, free_port, gateway_binary
from harness.topics import Topics, register_schema

pytestmark = pytest.mark.stack


class CheckRun:
    """Exit code, output and findings of one `answer-gateway check`."""

    def __init__(self, settings: Mapping[str, str], *arguments: str):
        command = [gateway_binary(), "check", "--json", *arguments]
        done = subprocess.run(command, env=bare_environment(settings), capture_output=True, text=True, timeout=60)
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.findings = json.loads(done.stdout)["findings"] if done.stdout else []

    def verdicts(self, check: str) -> set[str]:
        """Returns the verdicts of one check."""
        return {one["verdict"] for one in self.findings if one["check"] == check}

    def expect_finding(self, check: str, verdict: str, words: str) -> None:
        """Fails unless there is such a finding, with advice."""
        found = [one for one in self.findings if (one["check"], one["verdict"]) == (check, verdict)]
        assert any(words in one["seen"] and one["advice"] for one in found), self.text


@pytest.fixture
def settings(access, topics: Topics) -> dict[str, str]:
    """Returns settings under which a gateway becomes ready."""
    return {**access.gateway_settings, **topics.gateway_settings(), "GATEWAY__SESSION__TOKEN_KEY": "k" * 32}


def secured_settings(stack, topics) -> dict[str, str]:
    """Returns settings for the listener with TLS and login."""
    return {**stack.secured_access().gateway_settings, **topics.gateway_settings()}


def test_a_gateway_that_can_work_is_told_so(settings, access, topics):
    register_schema(access, f"{topics.answers}-value", avro_schemas.ANSWER_SCHEMA)
    run = CheckRun(settings)
    assert run.code == 0, run.text
    assert not [one for one in run.findings if one["verdict"] in ("failure", "skipped")], run.text
    for check in ("kafka.connect", "kafka.login", "kafka.brokers", "registry.connect", "schema.question"):
        assert run.verdicts(check) == {"ok"}, run.text
    run.expect_finding("topic.answers", "warning", "one replica")
    assert run.verdicts("schema.answer") == {"ok"}


def test_people_get_lines(settings):
    done = subprocess.run([gateway_binary(), "check"], env=bare_environment(settings), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok       kafka.login" in done.stdout
    assert " 0 failures" in done.stdout.splitlines()[-1]


def test_a_port_nobody_listens_on_is_told(settings):
    nobody = {**settings, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    run = CheckRun(nobody, "--ask", canaries.question())
    assert run.code == 1
    run.expect_finding("kafka.connect", "failure", "nobody listens there")
    assert run.verdicts("topic.answers") == run.verdicts("answer") == {"skipped"}


def test_a_name_that_does_not_resolve_is_told(settings):
    run = CheckRun({**settings, "KAFKA_BOOTSTRAP_SERVERS": "kafka.invalid:9092"})
    run.expect_finding("kafka.connect", "failure", "kafka.invalid:9092 does not resolve")


def test_a_listener_that_wants_tls_is_told(settings, stack):
    run = CheckRun({**settings, "KAFKA_BOOTSTRAP_SERVERS": stack.sasl_bootstrap})
    assert run.code == 1
    run.expect_finding("kafka.login", "failure", "no Kafka answers there")


def test_a_certificate_nobody_trusts_is_told(stack, topics):
    settings = {**secured_settings(stack, topics), "GATEWAY__KAFKA__SSL_CA": "/etc/ssl/certs/ca-certificates.crt"}
    CheckRun(settings).expect_finding("kafka.login", "failure", "no TLS connection")


@pytest.mark.parametrize(
    ("setting", "check"), [("KAFKA_API_SECRET", "kafka.login"), ("SCHEMA_REGISTRY_API_SECRET", "registry.connect")]
)
def test_a_wrong_password_is_told_and_not_shown(stack, topics, setting, check):
    run = CheckRun({**secured_settings(stack, topics), setting: "wrong-canary-51aa"})
    assert run.code == 1
    run.expect_finding(check, "failure", "refuses the login")
    assert "wrong-canary-51aa" not in run.text


def test_a_topic_that_is_not_there_is_told(settings):
    run = CheckRun({**settings, "GATEWAY__KAFKA__ANSWERS_TOPIC": "respostas-nowhere"})
    assert run.code == 1
    run.expect_finding("topic.answers", "failure", "there is no topic `respostas-nowhere`")
    assert "failure" not in run.verdicts("topic.questions")


@pytest.mark.parametrize(
    ("topic", "granted", "lacking"),
    [("questions", AclOperation.READ, "Write"), ("answers", AclOperation.WRITE, "Read")],
)
def test_the_right_that_is_missing_is_named(stack, topics, topic, granted, lacking):
    name = getattr(topics, topic)
    user = f"User:{stack.sasl_user}"
    acl = AclBinding(ResourceType.TOPIC, name, ResourcePatternType.LITERAL, user, "*", granted, AclPermissionType.ALLOW)
    admin = AdminClient({"bootstrap.servers": stack.bootstrap})
    for done in admin.create_acls([acl]).values():
        done.result(20)
    run = CheckRun(secured_settings(stack, topics))
    assert run.code == 1, run.text
    run.expect_finding(f"topic.{topic}", "failure", f"this login lacks {lacking} on the topic `{name}`")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("retention.ms", "60000", "answers are kept for 60 s"),
        ("cleanup.policy", "compact", "cleanup.policy has compact"),
        ("unclean.leader.election.enable", "true", "unclean.leader.election.enable is true"),
        ("retention.bytes", "1000000", "retention.bytes is set"),
    ],
)
def test_a_topic_that_may_lose_answers_is_a_warning(settings, access, topics, setting, value, words):
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ConfigResource.Type.TOPIC, topics.answers, incremental_configs=[entry])
    admin = AdminClient(dict(access.kafka))
    for done in admin.incremental_alter_configs([changed]).values():
        done.result(20)
    run = CheckRun(settings)
    assert run.code == 0, run.text
    run.expect_finding("topic.answers", "warning", words)


def test_a_registry_that_does_not_answer_is_told(settings):
    run = CheckRun({**settings, "KAFKA_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{free_port()}"})
    assert run.code == 1
    run.expect_finding("registry.connect", "failure", "the schema registry does not answer")
    assert run.verdicts("schema.question") == {"skipped"}


def test_a_subject_without_a_schema_is_told(settings):
    run = CheckRun({**settings, "GATEWAY__REGISTRY__QUESTION_SUBJECT": "nobody-value"})
    run.expect_finding("schema.question", "failure", "`nobody-value` has no schema")


def test_schemas_that_lack_a_field_are_told(settings, access, topics):
    register_schema(access, f"{topics.answers}-value", avro_schemas.QUESTION_SCHEMA)
    run = CheckRun({**settings, "GATEWAY__SCHEMA__QUESTION__TEXT": "question"})
    assert run.code == 1
    run.expect_finding("schema.question", "failure", "cannot be used")
    run.expect_finding("schema.answer", "failure", "cannot be used")


def test_settings_that_are_wrong_are_named_before_anything_is_looked_at():
    run = CheckRun({"GATEWAY__WS__PING_INTERVAL": "often"})
    assert run.code == 2
    assert "ws.ping_interval" in run.text
    assert not run.findings


def test_a_question_goes_through_when_asked_for(settings, start_answerer):
    start_answerer()
    run = CheckRun(settings, "--ask", canaries.question())
    assert run.code == 0, run.text
    assert run.verdicts("answer") == {"ok"}


def test_an_answering_side_that_is_silent_is_told(settings, start_answerer):
    start_answerer(answer_manually)
    run = CheckRun({**settings, "GATEWAY__SESSION__ANSWER_TIMEOUT": "2s"}, "--ask", canaries.question())
    assert run.code == 1
    run.expect_finding("answer", "failure", "no answer came back")
