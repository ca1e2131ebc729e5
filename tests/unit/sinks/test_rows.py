from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine
from tests.support.strategies import T0, hot_events

from agentgauge_processors.engine.contract import Record
from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.grouping import group_events
from agentgauge_processors.validation import decode
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.group import parse_key
from agentgauge_sinks.storage.deliveries import Deliveries
from agentgauge_sinks.storage.rows import rows_of
from agentgauge_sinks.storage.tables import TOKENS, metadata


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@given(events=st.lists(hot_events(), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_rows_sum_up_to_what_reduce_counts(engine: Engine, events: list[HotEvent]) -> None:
    headers = tuple(BlockHeaders("p", 0, 0, len(events)).encode())
    value = encode_block(Resource(), [msgspec.json.encode(event) for event in events])
    record = Record(0, 0, T0 - 2_000_000, None, value, headers)  # some events are of its future
    with engine.connect() as connection:
        rows = rows_of(record, Deliveries(connection, 0), PriceBook())

    block = decode(headers, value)
    counted = Aggregate()
    for group in group_events(block.events, block.resource, PriceBook(), record.timestamp_us):
        if parse_key(group.key)[0] == "agent":
            counted.add(group.aggregate)
    assert len(rows) == counted.count + sum(counted.kinds.values())
    for name in TOKENS:
        assert sum(getattr(row, name) for row in rows) == getattr(counted, name), name
    assert sum(row.cost_nanousd or 0 for row in rows) == counted.cost_nanousd
    assert sum(row.unpriced for row in rows) == counted.flags.get("unpriced", 0)
    assert sum(row.failed for row in rows) == counted.error_count
    assert max(row.time_us for row in rows) == counted.last_us
