"""A broker behind SASL_SSL and a registry behind basic authentication."""

import pytest

from harness import canaries, v1_client
from harness.stack import Access

pytestmark = pytest.mark.stack


@pytest.fixture
def access(stack) -> Access:
    return stack.secured_access()


def test_a_question_is_answered_through_a_secured_broker_and_registry(gateway, start_answerer):
    start_answerer()
    question = canaries.question()
    assert v1_client.ask_once(gateway.url(canaries.session_id()), question) == v1_client.answer_frame(
        canaries.answer_to(question)
    )


def test_secrets_come_from_files(start_gateway, topics, start_answerer, access, tmp_path):
    start_answerer()
    settings = {}
    for name in ("KAFKA_API_SECRET", "SCHEMA_REGISTRY_API_SECRET"):
        path = tmp_path / name
        path.write_text(access.gateway_settings[name] + "\n")
        settings[f"{name}_FILE"] = str(path)
    gateway = start_gateway(topics, **settings, KAFKA_API_SECRET=None, SCHEMA_REGISTRY_API_SECRET=None).wait_ready()
    question = canaries.question()
    assert v1_client.ask_once(gateway.url(canaries.session_id()), question) == v1_client.answer_frame(
        canaries.answer_to(question)
    )


@pytest.mark.parametrize(
    ("setting", "named"), [("KAFKA_API_SECRET", "kafka"), ("SCHEMA_REGISTRY_API_SECRET", "registry")]
)
def test_a_wrong_password_is_not_ready_and_says_which(start_gateway, topics, setting, named):
    gateway = start_gateway(topics, **{setting: "wrong-canary-39c1"})
    gateway.secrets += ("wrong-canary-39c1",)
    reply = gateway.wait_readyz(503, naming=named)
    assert "wrong-canary-39c1" not in reply.body
