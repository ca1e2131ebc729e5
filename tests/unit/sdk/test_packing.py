"""Packing: when events go, and that blocks keep to their limits and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge.buffer import Item
from agentgauge.packing import BACKFILL_AGE_US, SMALL_BLOCK, Pace, Packer
from agentgauge_schemas.block import MAX_BLOCK_BYTES, MAX_BLOCK_EVENTS, BlockHeaders, Resource, decode_block

NOW_US = 1_700_000_000_000_000
ONE = Resource(project="one")
TWO = Resource(project="two")


def item(number: int, resource: Resource = ONE, *, size: int = 0, age_us: int = 0) -> Item:
    text = f"{number}".ljust(size, "x")
    return (NOW_US - age_us, resource, b'{"kind":"log","time_us":1,"name":"%s"}' % text.encode())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ONE, TWO]),
            st.sampled_from([0, 0, 0, 100_000]),
            st.sampled_from([0, 0, BACKFILL_AGE_US + 1]),
        ),
        max_size=60,
    )
)
def test_every_event_is_in_one_block_in_order_and_numbered(
    given_items: list[tuple[Resource, int, int]],
) -> None:
    items = [item(i, r, size=size, age_us=age) for i, (r, size, age) in enumerate(given_items)]
    packer = Packer("p", ONE)
    blocks = packer.pack(items, NOW_US)
    assert [block.seq for block in blocks] == [
        sum(len(block.events) for block in blocks[:i]) for i in range(len(blocks))
    ]
    for block in blocks:
        assert len(block.value()) <= MAX_BLOCK_BYTES
        assert 0 < len(block.events) <= MAX_BLOCK_EVENTS
    for resource in (ONE, TWO):
        for backfill in (False, True):
            packed = [e for b in blocks if (b.resource, b.backfill) == (resource, backfill) for e in b.events]
            assert packed == [
                e for t, r, e in items if (r, t < NOW_US - BACKFILL_AGE_US) == (resource, backfill)
            ]
    assert packer.empty().seq == len(items)


def test_a_block_has_at_most_a_thousand_events() -> None:
    blocks = Packer("p", ONE).pack([item(i) for i in range(2_500)], NOW_US)
    assert [(block.seq, len(block.events)) for block in blocks] == [(0, 1_000), (1_000, 1_000), (2_000, 500)]


def test_a_block_reads_back() -> None:
    [block] = Packer("p", ONE).pack([item(1), item(2)], NOW_US)
    block.dropped = {"queue_full": 3}
    block.queue_depth = 4
    headers = BlockHeaders.decode(block.headers(5))
    value = decode_block(block.value())
    assert (headers.producer, headers.partition, headers.seq, headers.count) == ("p", 5, 0, 2)
    assert (value.resource, value.dropped, value.queue_depth) == (ONE, {"queue_full": 3}, 4)
    assert [event.name for event in value.events] == ["1", "2"]


def test_halves_keep_the_sequences() -> None:
    packer = Packer("p", ONE)
    packer.pack([item(i) for i in range(10)], NOW_US)
    [block] = packer.pack([item(i) for i in range(5)], NOW_US)
    block.final = True
    first, second = block.halves()
    assert [(half.seq, len(half.events), half.final) for half in (first, second)] == [
        (10, 2, False),
        (12, 3, True),
    ]


def test_a_full_batch_or_block_does_not_wait() -> None:
    pace = Pace(1.0, 5.0, batch_size=100)
    assert pace.due_in(100, 10, 0.0) == 0
    assert pace.due_in(1, MAX_BLOCK_BYTES, 0.0) == 0
    assert pace.due_in(1, 10, 0.25) == 0.75


def test_few_events_wait_longer_and_longer_up_to_the_widest() -> None:
    pace = Pace(1.0, 5.0, batch_size=1000)
    waits = []
    for _ in range(5):
        wait_s = pace.due_in(3, 10, 0.0)
        waits.append(wait_s)
        pace.sent(3, wait_s)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_twenty_events_do_not_wait_for_the_wide_interval() -> None:
    pace = Pace(1.0, 5.0, batch_size=1000)
    for wait_s in (1.0, 2.0, 4.0):
        pace.sent(3, wait_s)
    assert pace.wake_at(3) == SMALL_BLOCK
    assert pace.due_in(SMALL_BLOCK, 10, 2.0) == 0
    pace.sent(SMALL_BLOCK, 2.0)
    assert pace.due_in(3, 10, 0.0) == 5.0, "twenty in two seconds are no reason for more and smaller blocks"
    pace.sent(200, 1.0)
    assert pace.due_in(3, 10, 0.0) == 1.0


def test_readers_are_told_the_wait_of_this_block_and_of_the_next() -> None:
    pace = Pace(1.0, 5.0, batch_size=1000)
    assert pace.sent(3, 1.0) == 2_000
    assert pace.sent(3, 2.0) == 4_000
    assert pace.sent(500, 0.5) == 4_000
    assert pace.sent(500, 0.5) == 1_000


def test_an_explicit_interval_is_kept() -> None:
    pace = Pace(0.5, 0.5, batch_size=10)
    assert [pace.sent(1, 0.5) for _ in range(4)] == [500] * 4
    assert pace.wake_at(1) == 10


@pytest.mark.parametrize(("count", "waited_s"), [(0, 30.0), (3, 0.0)])
def test_heartbeats_and_flushes_widen_nothing(count: int, waited_s: float) -> None:
    pace = Pace(1.0, 5.0, batch_size=1000)
    pace.sent(count, waited_s)
    assert pace.due_in(3, 10, 0.0) == 1.0
