"""Every record comes back as it went out, and may have fields that only a later version knows."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.strategies import T0, hot_events

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate, PackedAggregate
from agentgauge_schemas.block import Block, Resource, decode_block, encode_block
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.partials import (
    Entry,
    PaneAggregate,
    Partials,
    Progress,
    decode_partials,
    encode_partials,
)

PRICES = PriceBook()
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
text = st.text(max_size=20)
amount = st.integers(0, 1 << 53)
big = st.integers(0, (1 << 63) - 1)
counts = st.dictionaries(text, amount, max_size=4)


@st.composite
def packed(draw: st.DrawFn) -> PackedAggregate:
    total = PackedAggregate()
    for event in draw(st.lists(hot_events(), max_size=3)):
        total.add(measure([event], PRICES, T0))
    return total


accounts = st.builds(
    Account,
    producer=text,
    project=text,
    partition=st.integers(0, 1_000),
    next=big,
    open=st.lists(st.tuples(big, big), max_size=5),
    accepted=amount,
    duplicates=amount,
    rejected=amount,
    lost=amount,
    dropped=counts,
    queue_depth=amount,
    final=st.booleans(),
    repeatable=st.booleans(),
    first_seen_us=amount,
    last_seen_us=amount,
    version=amount,
)
services = st.builds(
    ServiceTotals,
    project=text,
    service=text,
    partition=st.integers(0, 9),
    folded=st.lists(text, max_size=3),
    accepted=amount,
    dropped=counts,
)
progress = st.builds(Progress, st.integers(0, 9), st.integers(0, 9), big, amount, st.booleans())
entries = st.builds(
    Entry,
    st.integers(0, 9),
    st.integers(0, 9),
    big,
    st.booleans(),
    st.lists(st.builds(PaneAggregate, text, st.integers(0, 10**11), packed()), max_size=3),
)


@quick
@given(packed())
def test_an_aggregate_survives_both_encodings(total: PackedAggregate) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(total), type=PackedAggregate) == total
    named = total.named()
    assert msgspec.json.decode(msgspec.json.encode(named), type=Aggregate) == named
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(named), type=Aggregate) == named


@quick
@given(st.lists(entries, max_size=3), st.lists(progress, max_size=3))
def test_partials_survive(found: list[Entry], items: list[Progress]) -> None:
    partials = Partials(1, 8, found, items)
    assert decode_partials(encode_partials(partials)) == partials


@quick
@given(st.one_of(accounts, services))
def test_accounts_and_totals_of_services_survive_both_encodings(record: Account | ServiceTotals) -> None:
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=type(record)) == record


@quick
@given(
    st.builds(Resource, project=text, agent=text, user=text),
    st.lists(hot_events(), max_size=4),
    counts,
    amount,
)
def test_a_block_survives(
    resource: Resource, events: list[HotEvent], dropped: dict[str, int], depth: int
) -> None:
    value = encode_block(
        resource,
        [msgspec.json.encode(event) for event in events],
        dropped=dropped,
        queue_depth=depth,
        final=True,
        repeatable=True,
    )
    block = decode_block(value)
    assert (block.resource, block.dropped, block.queue_depth) == (resource, dropped, depth)
    assert block.final
    assert block.repeatable
    assert [msgspec.convert(msgspec.to_builtins(event), HotEvent) for event in block.events] == events


def test_an_empty_block_is_short() -> None:
    assert encode_block(Resource(), []) == b'{"resource":{},"events":[]}'
    assert decode_block(b"{}") == Block()


@pytest.mark.parametrize("record", [Aggregate(count=1), Account(producer="p", partition=1)])
def test_a_field_of_a_later_version_is_no_error(record: msgspec.Struct) -> None:
    fields: dict[str, Any] = {**msgspec.to_builtins(record), "later": {"any": ["thing"]}}
    assert msgspec.json.decode(json.dumps(fields).encode(), type=type(record)) == record
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields), type=type(record)) == record


def test_a_packed_aggregate_may_grow_at_its_end() -> None:
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(PackedAggregate(count=3)))
    later = msgspec.msgpack.encode([*fields, {"any": "thing"}])
    assert msgspec.msgpack.decode(later, type=PackedAggregate) == PackedAggregate(count=3)
    earlier = msgspec.msgpack.encode(fields[:1])
    assert msgspec.msgpack.decode(earlier, type=PackedAggregate) == PackedAggregate(count=3)


def test_a_group_of_any_size_can_be_written() -> None:
    """18,446 USD of one class of tokens are more than 2^64 femto-dollars."""
    total = PackedAggregate(count=10**9, cost_nanousd=10**6 * 10**9, input_cost_nanousd=10**6 * 10**9)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(total), type=PackedAggregate) == total
