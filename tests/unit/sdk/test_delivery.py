"""Delivery: whatever the endpoint does, a block keeps its sequence, and one line is said about it."""

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence

import pytest

from agentgauge.buffer import Buffer
from agentgauge.delivery import PAUSE_S, Delivery, retry_delay_s
from agentgauge.errors import NetworkError
from agentgauge.hurry import Hurry
from agentgauge.outage import Outage
from agentgauge.packing import BACKFILL_AGE_US, PackedBlock, Packer
from agentgauge.testing import ManualClock
from agentgauge.transports.base import Outgoing, TooLarge
from agentgauge_schemas.block import BlockHeaders, Resource

Answer = Callable[[Outgoing], int | NetworkError]


class Endpoint:
    """Does with each record what `answers_with` says; raises what is in `refusals` first."""

    name = "kafka://broker:9092"

    def __init__(self) -> None:
        self.refusals: list[NetworkError] = []
        self.answer: Answer = lambda record: 0
        self.received: list[list[BlockHeaders]] = []
        self.alive = True
        self.silent = False

    async def partitions(self) -> int:
        return 8

    async def send(self, records: Sequence[Outgoing]) -> list[int | NetworkError]:
        self.received.append([BlockHeaders.decode(record.headers) for record in records])
        if self.silent:
            await asyncio.Event().wait()
        if self.refusals:
            raise self.refusals.pop(0)
        return [self.answer(record) for record in records]

    async def answers(self) -> bool:
        return self.alive

    async def close(self) -> None:
        pass


class Bench:
    """A delivery with its surroundings; rests pass at once, in the clock's time."""

    def __init__(self, retries: int = 3) -> None:
        self.endpoint = Endpoint()
        self.clock = ManualClock()
        self.hurry = Hurry(self.clock)
        self.buffer = Buffer(1_000, 1 << 20, lambda: None)
        self.rests: list[float] = []
        self.errors: list[Exception] = []
        self.packer = Packer("producer-1", Resource())
        self.delivery = Delivery(
            self.endpoint,
            self.buffer,
            self.clock,
            retries=retries,
            rest=self._rest,
            hurry=self.hurry,
            outage=Outage(lambda: self.buffer.pending),
            on_error=self.errors.append,
        )

    async def _rest(self, delay_s: float) -> None:
        self.rests.append(delay_s)
        self.clock.advance(self.hurry.shorten(delay_s))

    def blocks(self, count: int = 1) -> list[PackedBlock]:
        now_us = self.clock.time_ns() // 1000
        for _ in range(count):
            self.buffer.put((now_us, Resource(), b'{"kind":"log","time_us":1}'))
        return [block for item in self.buffer.take() for block in self.packer.pack([item], now_us)]


REFUSED = NetworkError("nothing answers at kafka://broker:9092", "Start one with 'agentgauge up'.")


async def test_blocks_go_to_the_producers_partition() -> None:
    bench = Bench()
    assert await bench.delivery.deliver(bench.blocks(2))
    partition = zlib.crc32(b"producer-1") % 8
    assert [(h.partition, h.seq, h.count) for h in bench.endpoint.received[0]] == [
        (partition, 0, 1),
        (partition, 1, 1),
    ]
    assert bench.buffer.result() == (2, 0, 0, ())


async def test_a_failed_block_is_sent_again_with_its_sequence() -> None:
    bench = Bench()
    bench.endpoint.refusals = [REFUSED, REFUSED]
    assert await bench.delivery.deliver(bench.blocks(2))
    assert [[h.seq for h in sent] for sent in bench.endpoint.received] == [[0, 1]] * 3
    assert bench.buffer.result().sent == 2
    assert bench.buffer.result().failures == (str(REFUSED),)


async def test_only_what_failed_is_sent_again() -> None:
    bench = Bench()
    once = [REFUSED]
    bench.endpoint.answer = lambda record: (
        once.pop() if once and BlockHeaders.decode(record.headers).seq == 1 else 0
    )
    assert await bench.delivery.deliver(bench.blocks(3))
    assert [[h.seq for h in sent] for sent in bench.endpoint.received] == [[0, 1, 2], [1]]


async def test_retries_at_one_two_and_four_seconds_then_a_pause_and_one_report() -> None:
    bench = Bench(retries=3)
    bench.endpoint.refusals = [REFUSED] * 5
    assert await bench.delivery.deliver(bench.blocks())
    for rest, expected in zip(bench.rests, (1, 2, 4, PAUSE_S, 1), strict=True):
        assert 0.8 * expected <= rest <= expected
    assert bench.errors == [REFUSED]


def test_jitter_goes_down_only() -> None:
    delays = [retry_delay_s(2, 3) for _ in range(200)]
    assert all(1.6 <= delay <= 2.0 for delay in delays)
    assert max(delays) - min(delays) > 0.1


async def test_one_warning_for_each_outage(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for _ in range(2):
        bench.endpoint.refusals = [REFUSED] * 3
        assert await bench.delivery.deliver(bench.blocks(3))
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert (
        warnings
        == [
            "agentgauge: 3 events not delivered: nothing answers at kafka://broker:9092."
            " Start one with 'agentgauge up'."
        ]
        * 2
    )


async def test_one_event_is_said_in_the_singular(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.endpoint.refusals = [NetworkError("kafka://broker:9092 did not take them: X")]
    await bench.delivery.deliver(bench.blocks())
    assert (
        caplog.messages[0] == "agentgauge: 1 event not delivered: kafka://broker:9092 did not take them: X."
    )


async def test_a_block_that_is_too_large_is_split() -> None:
    bench = Bench()
    now_us = bench.clock.time_ns() // 1000
    for _ in range(8):
        bench.buffer.put((now_us, Resource(), b'{"kind":"log","time_us":1}'))
    blocks = bench.packer.pack(bench.buffer.take(), now_us)
    bench.endpoint.answer = lambda record: (
        TooLarge("too large") if BlockHeaders.decode(record.headers).count > 2 else 0
    )
    assert await bench.delivery.deliver(blocks)
    assert [(h.seq, h.count) for h in bench.endpoint.received[-1]] == [(0, 2), (2, 2), (4, 2), (6, 2)]
    assert bench.buffer.result().sent == 8


async def test_an_event_that_is_too_large_alone_is_dropped_and_counted() -> None:
    bench = Bench()
    bench.endpoint.answer = lambda _: TooLarge("too large")
    assert await bench.delivery.deliver(bench.blocks())
    assert bench.buffer.dropped == {"too_large": 1}
    assert len(bench.errors) == 1


async def test_a_closing_sender_gives_up_after_a_second_where_nothing_answers() -> None:
    bench = Bench()
    bench.endpoint.alive = False
    bench.endpoint.refusals = [REFUSED] * 100
    bench.hurry.begin_closing(5.0)
    started = bench.clock.monotonic()
    assert not await bench.delivery.deliver(bench.blocks())
    assert 1.0 <= bench.clock.monotonic() - started <= 1.5
    assert bench.buffer.pending == 1


async def test_a_closing_sender_goes_on_to_its_deadline_where_something_answers() -> None:
    bench = Bench()
    bench.endpoint.refusals = [NetworkError("not the leader")] * 100
    bench.hurry.begin_closing(5.0)
    started = bench.clock.monotonic()
    assert not await bench.delivery.deliver(bench.blocks())
    assert 5.0 <= bench.clock.monotonic() - started <= 5.5


async def test_a_closing_sender_does_not_wait_for_a_dead_connection(caplog: pytest.LogCaptureFixture) -> None:
    """aiokafka goes on trying for two minutes; a program's end does not."""
    bench = Bench()
    bench.endpoint.silent = True
    delivering = asyncio.create_task(bench.delivery.deliver(bench.blocks()))
    await asyncio.sleep(0)
    bench.hurry.begin_closing(5.0)
    bench.endpoint.alive = False
    bench.clock.advance(1.1)
    assert not await asyncio.wait_for(delivering, 5)
    assert caplog.messages[0].startswith("agentgauge: 1 event not delivered: nothing answers")


async def test_silence_is_an_outage_after_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.endpoint.silent = True
    delivering = asyncio.create_task(bench.delivery.deliver(bench.blocks()))
    await asyncio.sleep(0)
    bench.clock.advance(6)
    async with asyncio.timeout(5):
        while not caplog.messages:
            await asyncio.sleep(0.01)
    assert caplog.messages == [
        "agentgauge: 1 event not delivered: kafka://broker:9092 does not acknowledge them."
    ]
    delivering.cancel()
    await asyncio.wait([delivering])


async def test_what_waited_through_a_long_outage_is_backfill() -> None:
    bench = Bench()
    blocks = bench.blocks()
    bench.clock.advance(BACKFILL_AGE_US / 1e6 + 1)
    assert await bench.delivery.deliver(blocks)
    assert [h.backfill for h in bench.endpoint.received[0]] == [True]
