"""What every test gets: a real broker where one can be had, and a check that it leaves nothing behind.

A test that needs more than Python says so: by a marker (`kafka`, `docker`, `servers`), or by taking
one of the broker fixtures. Where that need cannot be met the test is skipped and named at the end;
`--require-kafka`, `--require-docker` and `--require-servers` turn such skips into failures.
"""

import os
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.broker import Broker, start_broker
from tests.support.needs import BROKER_FIXTURES, NEEDS, Needs

_needs_key = pytest.StashKey[Needs]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agentgauge")
    for need in NEEDS:
        group.addoption(
            f"--require-{need}", action="store_true", help=f"fail, do not skip, tests that need: {need}"
        )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_needs_key] = Needs()


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and BROKER_FIXTURES.intersection(item.fixturenames):
            item.add_marker("kafka")


@pytest.hookimpl(tryfirst=True)  # before fixtures are made
def pytest_runtest_setup(item: pytest.Item) -> None:
    for need in NEEDS:
        if item.get_closest_marker(need) is None:
            continue
        fixtures = frozenset(item.fixturenames) if isinstance(item, pytest.Function) else frozenset[str]()
        reason = item.config.stash[_needs_key].unmet(need, fixtures)
        if reason is not None and item.config.getoption(f"--require-{need}"):
            pytest.fail(f"--require-{need}: {reason}", pytrace=False)
        elif reason is not None:
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[_needs_key].summary()
    if lines:
        terminalreporter.section("not run here")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_needs_key].close()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """The address of a real Kafka broker that all tests share: use topic names of your own."""
    return request.config.stash[_needs_key].kafka()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Broker:
    """The shared broker, to be stopped and started; leave it running."""
    return request.config.stash[_needs_key].broker()


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A fresh broker for one test, to be killed and started at will."""
    broker = start_broker()
    yield broker
    broker.remove()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves one of our threads running or the environment changed."""
    environment = dict(os.environ)
    threads = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    left = [t for t in threading.enumerate() if t.name.startswith("agentgauge") and t not in threads]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    alive = sorted(thread.name for thread in left if thread.is_alive())
    changed = {
        name
        for name, _ in set(environment.items()) ^ set(os.environ.items())
        if name != "PYTEST_CURRENT_TEST"  # pytest's own
    }
    os.environ.clear()
    os.environ.update(environment)
    assert not alive, f"threads still running after the test: {alive}"
    assert not changed, f"environment variables changed by the test: {sorted(changed)}"
