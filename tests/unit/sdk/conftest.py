"""A client whose events stay in memory, at a time that stands still."""

from collections.abc import Iterator

import pytest

from agentgauge import Client
from agentgauge.testing import CountingIds, ManualClock, MemoryTransport


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(transport: MemoryTransport, clock: ManualClock) -> Iterator[Client]:
    with Client(
        transport=transport, clock=clock, ids=CountingIds(), agent="planner", redact_keys=["password"]
    ) as client:
        yield client
