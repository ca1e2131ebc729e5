import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, create_engine, text
from tests.support.pipeline import T0, FakeClock, Pipeline, llm_call, tool_call
from tests.support.sinks import pending, read_all, store

from agentgauge_processors.engine.contract import Append, Batch, Message
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.block import Resource
from agentgauge_schemas.event import Event
from agentgauge_schemas.rules import PRICES_KEY, PriceOverride, PriceTable
from agentgauge_schemas.topics import Topic
from agentgauge_sinks import Displaced
from agentgauge_sinks.storage import StorageSink, build_report

TABLES = ("events", "runs", "windows", "series", "producers", "dead_letters", "deliveries", "offsets")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/storage.sqlite"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


def rows(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    engine = create_engine(url)
    try:
        return {table: sorted(rows(engine, f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    finally:
        engine.dispose()


def traffic(seed: int, count: int = 120) -> list[Event]:
    """Calls of models and tools of two agents in ten traces, over half an hour."""
    rng = random.Random(seed)
    events = []
    for number in range(count):
        where = {
            "trace_id": f"t{number // 12}",
            "span_id": f"s{number}",
            "parent_id": None if number % 12 == 0 else f"s{number // 12 * 12}",
            "agent": rng.choice(["planner", "writer"]),
            "status": rng.choice(["ok", "ok", "ok", "error"]),
            "duration_us": rng.randrange(5_000_000),
        }
        time_us = T0 - rng.randrange(1_800_000_000)
        make = rng.choice([llm_call, tool_call])
        events.append(make(time_us, **where))
    return events


async def publish_all(pipeline: Pipeline, events: Sequence[Event], size: int = 10) -> None:
    for start in range(0, len(events), size):
        partition = start // size % 2
        await pipeline.publish(
            f"p{partition}", start // (2 * size) * size, events[start : start + size], partition=partition
        )
    await pipeline.settle()


async def test_events_are_stored_with_what_they_cost(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    await pipeline.publish("p", 0, [llm_call(), tool_call(status="error", error_type="exit 1")])
    await store(StorageSink(url), log)
    assert rows(
        engine, "SELECT producer, seq, operation, model, status, cost_nanousd FROM events ORDER BY seq"
    ) == [
        ("p", 0, "chat", "claude-haiku-4-5-20251001", "ok", 1_500_000),
        ("p", 1, "execute_tool", "", "error", None),
    ]


async def test_the_body_is_all_that_was_sent_and_who_sent_it(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    event = b'{"kind":"span","time_us":1760000000000000,"input":{"q":"caf\xc3\xa9"},"of_the_future":[1]}'
    await pipeline.publish("p", 0, [event], resource=Resource(project="shop", host="web-1", agent="seller"))
    await store(StorageSink(url), log)
    ((project, agent, body),) = rows(engine, "SELECT project, agent, body FROM events")
    assert (project, agent) == ("shop", "seller")
    assert msgspec.json.decode(str(body)) == {
        "resource": {"project": "shop", "host": "web-1", "agent": "seller"},
        "kind": "span",
        "time_us": T0,
        "input": {"q": "café"},
        "of_the_future": [1],
    }


async def test_sums_over_events_and_over_the_windows_of_each_size_equal_the_totals(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    await publish_all(pipeline, traffic(1))
    roll_up = llm_call(operation="invoke_agent", cost_nanousd=10**9, rollup=True)
    await pipeline.publish(
        "p9", 0, [roll_up, llm_call(model="unheard-of"), llm_call(T0 - 10**14)], backfill=True
    )
    for _ in range(2):
        # The clock of a source that is idle goes on by progress alone, and closes the day's window.
        clock.advance(2 * 86_400)
        await pipeline.settle()
    await store(StorageSink(url), log)
    sums = "SUM(input_tokens), SUM(output_tokens), SUM(cost_nanousd)"
    over_events = rows(engine, f"SELECT COUNT(*), {sums} FROM events")
    assert rows(engine, f"SELECT SUM(count), {sums} FROM series WHERE view = 'agent'") == over_events
    for size_s in (10, 60, 300, 3_600, 86_400):
        windows = f"SELECT SUM(count), {sums} FROM windows WHERE view = 'agent' AND size_s = {size_s}"
        assert rows(engine, windows) == over_events, size_s
    assert over_events[0][0] == 123
    totals = build_report(url, clock.now_us).totals
    assert (
        rows(engine, f"SELECT COUNT(*), {sums} FROM events WHERE operation = 'chat'")[0][0]
        == totals.llm_calls
    )


async def test_a_run_sums_up_its_trace(pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine) -> None:
    where = {"trace_id": "t1", "session_id": "s1"}
    child = {**where, "parent_id": "root"}
    root = llm_call(
        T0 + 3_000_000, operation="invoke_agent", name="plan a trip", input_tokens=0, output_tokens=0, **where
    )
    await pipeline.publish(
        "p", 0, [tool_call(T0, status="error", **child), llm_call(T0 + 1_000_000, **child)]
    )
    await store(StorageSink(url), log)
    query = "SELECT status, name, agent, session_id, start_us, end_us, events, errors, llm_calls, tool_calls FROM runs"
    assert rows(engine, query) == [("open", "", "", "s1", T0 - 500_000, T0 + 1_000_000, 2, 1, 1, 1)]
    await pipeline.publish("q", 0, [root], partition=1)
    await store(StorageSink(url), log)
    assert rows(engine, query) == [
        ("ok", "plan a trip", "planner", "s1", T0 - 500_000, T0 + 3_000_000, 3, 1, 1, 1)
    ]


async def test_blocks_that_come_twice_late_or_in_part_are_stored_once(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    events = [llm_call(trace_id="t", span_id=str(n)) for n in range(30)]
    for first, last in ((0, 10), (20, 30), (0, 10), (5, 25), (20, 30), (0, 30)):
        await pipeline.publish("p", first, events[first:last])
    await pipeline.settle()
    await store(StorageSink(url), log)
    assert rows(engine, "SELECT COUNT(*), MIN(seq), MAX(seq) FROM events") == [(30, 0, 29)]
    assert rows(engine, "SELECT events, llm_calls, input_tokens FROM runs") == [(30, 30, 30_000)]
    assert build_report(url, clock.now_us).totals.events == 30


async def test_what_reduce_rejects_is_not_stored(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    await pipeline.append(b"{", (("kind", b"x"),))
    await pipeline.append(None)
    bad: list[Event | bytes] = [
        b'{"kind":"span","time_us":-1}',
        b'{"kind":"span","time_us":1,"cost_nanousd":NaN}',
        b'{"kind":"span","time_us":1,"name":"\\ud800"}',
        b"[]",
        b'{"kind":"span","time_us":1,"content":"' + b"x" * 300_000 + b'"}',
    ]
    await pipeline.publish("p", 0, [*bad, llm_call()])
    await pipeline.settle()
    await store(StorageSink(url), log)
    report = build_report(url, clock.now_us)
    (stored,) = rows(engine, "SELECT COUNT(*) FROM events")
    assert stored == (report.totals.events,)
    assert report.producers.rejected == sum(report.dead_letters.values())
    assert rows(
        engine, "SELECT reason, COUNT(*) FROM dead_letters GROUP BY reason ORDER BY reason"
    ) == sorted(report.dead_letters.items())


async def test_odd_text_is_stored_as_far_as_a_database_takes_it(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    odd = b'{"kind":"span","time_us":1,"agent":"a\\u0000b","trace_id":7,"name":"' + b"n" * 5_000 + b'"}'
    broken = b'{"kind":"span","time_us":1,"content":"\xff\xfe"}'
    await pipeline.publish("p", 0, [odd, broken])
    await store(StorageSink(url), log)
    stored = rows(engine, "SELECT agent, trace_id, length(name) FROM events ORDER BY seq")
    assert stored[0] == ("a\ufffdb", "", 256)


async def test_an_event_of_the_future_counts_when_the_broker_had_it(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    await pipeline.publish("p", 0, [llm_call(clock.now_us + 3 * 86_400_000_000)])
    await store(StorageSink(url), log)
    assert rows(engine, "SELECT time_us FROM events") == [(clock.now_us,)]


async def test_prices_in_force_are_those_of_reduce(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    override = PriceOverride(model="claude-haiku-4-5-20251001", input=7 * 10**9, output=0)
    table = msgspec.json.encode(PriceTable(overrides=[override]))
    await log.append([Append(0, Message(Topic.RULES, PRICES_KEY.encode(), value)) for value in (b"{", table)])
    sink = StorageSink(url)
    await pipeline.publish("p", 0, [llm_call()])
    await read_all(sink, log)
    clock.advance(61)
    await pipeline.publish("p", 1, [llm_call()])
    await read_all(sink, log)
    await sink.stop()
    assert rows(engine, "SELECT cost_nanousd FROM events ORDER BY seq") == [(1_500_000,), (7_000_000,)]


async def test_any_batching_and_any_restart_gives_the_same_tables(
    pipeline: Pipeline, log: SqliteLog, tmp_path: Path
) -> None:
    await publish_all(pipeline, traffic(2))
    await publish_all(pipeline, traffic(2), size=30)  # most of it again, cut otherwise
    at_once = f"sqlite:///{tmp_path}/at-once.sqlite"
    await store(StorageSink(at_once), log)

    piecemeal = f"sqlite:///{tmp_path}/piecemeal.sqlite"
    rng = random.Random(3)
    sink = StorageSink(piecemeal)
    batches = [piece for batch in await pending(sink, log) for piece in _cut(batch, rng)]
    for batch in batches:
        await sink.apply([batch])
        if rng.random() < 0.2:
            await sink.stop()
            sink = StorageSink(piecemeal)
            await sink.start(log)
    await sink.stop()
    assert contents(piecemeal) == contents(at_once)


def _cut(batch: Batch, rng: random.Random) -> Iterator[Batch]:
    rest = batch.records
    while rest:
        size = rng.randrange(1, 4)
        piece, rest = rest[:size], rest[size:]
        yield Batch(batch.topic, batch.partition, piece, rest[0].offset if rest else batch.next)


async def test_a_failure_inside_the_transaction_leaves_nothing_behind(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    await publish_all(pipeline, traffic(4, count=20))
    sink = StorageSink(url)
    batches = await pending(sink, log)
    before = contents(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE runs RENAME TO hidden"))
    with pytest.raises(Exception, match="no such table: runs"):
        await sink.apply(batches)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO runs"))
    assert contents(url) == before
    await sink.apply(batches)
    await sink.stop()
    assert rows(engine, "SELECT COUNT(*) FROM events") == [(20,)]


async def test_the_second_of_two_writers_displaces_the_first(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    first, second = StorageSink(url), StorageSink(url)
    await read_all(first, log)
    await read_all(second, log)
    await publish_all(pipeline, traffic(5, count=20))
    batches = await pending(second, log)
    await second.apply(batches)
    before = contents(url)
    with pytest.raises(Displaced):
        await first.apply(batches)
    assert contents(url) == before
    await first.stop()
    await second.stop()


async def test_a_log_that_was_replaced_is_read_from_its_beginning(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine, clock: FakeClock
) -> None:
    await publish_all(pipeline, traffic(6, count=60))
    await store(StorageSink(url), log)
    with SqliteLog(":memory:", events_partitions=2, merge_partitions=2, now_us=clock) as other:
        clock.advance(1)
        await Pipeline(other, clock).publish("of the new log", 0, [llm_call(), llm_call()])
        again = Pipeline(other, clock)
        await again.settle()
        await store(StorageSink(url), other)
    report = build_report(url, clock.now_us)
    assert report.totals.llm_calls == 2
    assert report.producers.accepted == 2
    assert rows(engine, "SELECT COUNT(*) FROM events") == [(62,)]


async def test_expired_records_are_counted(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    await store(StorageSink(url), log)
    for seq in range(5):
        await pipeline.publish("p", seq, [llm_call()])
    await log.trim(Topic.EVENTS, 0, 4)
    await store(StorageSink(url), log)
    assert rows(engine, "SELECT next, expired FROM offsets WHERE topic = 'events' AND partition = 0") == [
        (5, 3)
    ]


def test_what_cannot_be_a_storage_is_one_sentence(tmp_path: Path) -> None:
    for url, reason in (
        ("mysql://localhost/x", "SQLite or PostgreSQL"),
        ("sqlite://", "needs a file"),
        ("nonsense", "no storage URL"),
        ("what+ever://x", "no storage URL"),
    ):
        with pytest.raises(StartupProblem, match=reason):
            StorageSink(url)
    (tmp_path / "file").touch()
    with pytest.raises(StartupProblem, match="folder cannot be made"):
        StorageSink(f"sqlite:///{tmp_path}/file/storage.sqlite")


async def test_a_database_of_a_later_version_is_left_alone(log: SqliteLog, url: str, engine: Engine) -> None:
    await store(StorageSink(url), log)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartupProblem, match="9999 of a later version"):
        await store(StorageSink(url), log)
