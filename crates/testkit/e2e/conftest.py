"""Fixtures of the end-to-end tests. Without a stack the tests fail and say how to start one; they are never skipped."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.answerer import Answerer
from harness.gateway import Gateway
from harness.stack import Access, Stack, StackNotRunningError
from harness.topics import Topics, create_topics_with_schema


@pytest.fixture(scope="session")
def stack() -> Stack:
    """Returns addresses and credentials of the running stack."""
    try:
        return Stack.from_environment()
    except StackNotRunningError as away:
        pytest.fail(str(away), pytrace=False)


@pytest.fixture
def access(stack: Stack) -> Access:
    """Returns the access to Kafka and registry: plaintext unless a module overrides this fixture."""
    return stack.plaintext_access()


@pytest.fixture
def topics(access: Access) -> Topics:
    """Creates topics with random names and registers the minimal question schema."""
    return create_topics_with_schema(access)


@pytest.fixture
def new_log_path(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Path]:
    """Returns a function that names a new log file for each process."""
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    numbers = iter(range(1000))
    return lambda: tmp_path / f"{name}-{next(numbers)}.log"


@pytest.fixture
def start_gateway(access: Access, new_log_path: Callable[[], Path]) -> Iterator[Callable[..., Gateway]]:
    """Returns a function that starts gateways: `start_gateway(topics, SETTING=value)`; None unsets a setting.

    `open_files` is the soft and the hard limit of open files of the process. When the test ends, each gateway is
    stopped and its exit status and log are checked.
    """
    with ExitStack() as ending:

        def start(topics: Topics, open_files: tuple[int, int] | None = None, **settings: str | None) -> Gateway:
            every = {**access.gateway_settings, **topics.gateway_settings(), **settings}
            given = {name: value for name, value in every.items() if value is not None}
            gateway = Gateway(given, new_log_path(), secrets=access.secrets, open_files=open_files)
            ending.callback(gateway.kill)
            ending.callback(gateway.stop)
            return gateway

        yield start


@pytest.fixture
def gateway(start_gateway: Callable[..., Gateway], topics: Topics) -> Gateway:
    """Starts one gateway with default settings and waits until it is ready."""
    return start_gateway(topics).wait_ready()


@pytest.fixture
def start_answerer(access: Access, topics: Topics) -> Iterator[Callable[..., Answerer]]:
    """Returns a function that starts answering sides: `start_answerer(answer_manually, keyed=True)`."""
    with ExitStack() as ending:
        yield lambda *policy, **options: ending.enter_context(Answerer(access, topics, *policy, **options).running())
