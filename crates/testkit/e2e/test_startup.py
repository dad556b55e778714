"""A start before topics or schema exist: not ready, naming what is missing, and ready once it exists."""

import pytest

from harness import canaries, v1_client
from harness.avro_schemas import QUESTION_SCHEMA
from harness.topics import Topics, create_topics, register_schema

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("missing", ["questions", "answers"])
def test_a_missing_topic_is_named_until_it_appears(start_gateway, access, missing):
    topics = Topics.with_random_names()
    register_schema(access, f"{topics.questions}-value", QUESTION_SCHEMA)
    absent = getattr(topics, missing)
    create_topics(access, ({topics.questions, topics.answers} - {absent}).pop())
    gateway = start_gateway(topics)
    gateway.wait_readyz(503, naming=absent)
    assert gateway.get_admin("/livez").status == 200
    startup = gateway.get_admin("/startupz")
    assert startup.status == 503
    assert absent in startup.body
    assert v1_client.expect_refused_upgrade(gateway.url(canaries.session_id())).response.status_code == 503
    create_topics(access, absent)
    gateway.wait_readyz(200)
    assert gateway.get_admin("/startupz").status == 200


def test_a_topic_that_appears_after_the_start_brings_its_answers(start_gateway, access, topics, start_answerer):
    start_answerer()
    late = Topics(questions=topics.questions, answers=Topics.with_random_names().answers)
    gateway = start_gateway(late)
    gateway.wait_readyz(503, naming=late.answers)
    create_topics(access, late.answers)
    gateway.wait_ready()


def test_a_missing_question_schema_is_named_until_it_is_registered(start_gateway, access, start_answerer):
    topics = Topics.with_random_names()
    create_topics(access, topics.questions, topics.answers)
    subject = f"{topics.questions}-value"
    gateway = start_gateway(topics)
    gateway.wait_readyz(503, naming=subject)
    register_schema(access, subject, QUESTION_SCHEMA)
    gateway.wait_ready()


def test_the_minimal_schema_is_registered_when_that_is_switched_on(start_gateway, access):
    topics = Topics.with_random_names()
    create_topics(access, topics.questions, topics.answers)
    start_gateway(topics, GATEWAY__REGISTRY__AUTO_REGISTER="true").wait_ready()
    assert register_schema(access, f"{topics.questions}-value", QUESTION_SCHEMA) > 0
