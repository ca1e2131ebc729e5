"""The client on a real broker: everything arrives, once by its account, whatever happens to the broker."""

import asyncio
import subprocess
import sys
import textwrap
import time
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from tests.support.broker import Broker
from tests.support.events_topic import PARTITIONS, accounts, make_topics, read_blocks

from agentgauge import Client
from agentgauge.transports.kafka import KafkaTransport
from agentgauge_schemas.topics import Topic


@pytest.fixture
def prefix() -> str:
    return f"sdk-{uuid.uuid4().hex[:8]}"


async def test_a_burst_of_20_000_calls_arrives_exactly(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)

    def burst() -> None:
        with Client(f"kafka://{kafka}", prefix=prefix, agent="planner") as client:

            @client.observe
            def work(number: int) -> dict[str, int]:
                return {"number": number}

            for number in range(20_000):
                work(number)
            assert client.flush(30) == (20_000, 0, 0, ())

    await asyncio.to_thread(burst)
    blocks = await read_blocks(kafka, prefix)
    numbers = [event.output["number"] for sent in blocks for event in sent.block.events]
    assert numbers == list(range(20_000))
    [account] = accounts(blocks).values()
    assert (account.accepted, account.duplicates, account.open, account.final) == (20_000, 0, [], True)


async def test_many_tasks_and_threads_share_one_connection(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)
    clients = [Client(f"kafka://{kafka}", prefix=prefix, project=f"p{number % 2}") for number in range(8)]

    async def task(client: Client) -> None:
        for _ in range(50):
            async with client.span("s"):
                await asyncio.sleep(0)

    await asyncio.gather(*(task(client) for client in clients))
    await asyncio.gather(*(asyncio.to_thread(client.close) for client in clients))
    blocks = await read_blocks(kafka, prefix)
    [account] = accounts(blocks).values()
    assert (account.accepted, account.duplicates, account.open) == (400, 0, [])
    assert {sent.block.resource.project for sent in blocks if sent.block.events} == {"p0", "p1"}


async def test_a_missing_topic_is_said_and_events_wait_for_it(
    kafka: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(f"kafka://{kafka}", prefix=prefix)
    try:
        client.event("x")
        result = await asyncio.to_thread(client.flush, 7)
        assert result.pending == 1
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            f"agentgauge: 1 event not delivered: there is no topic '{prefix}.events' at kafka://{kafka}."
            " Create it with 'agentgauge topics create'."
        ]
        await make_topics(kafka, prefix)
        assert (await asyncio.to_thread(client.flush, 15)).sent == 1
    finally:
        await asyncio.to_thread(client.close)
    assert len(await read_blocks(kafka, prefix)) == 2


async def test_a_topic_that_grows_moves_no_producer(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)
    client = Client(f"kafka://{kafka}", prefix=prefix)
    client.event("x")
    await asyncio.to_thread(client.flush, 15)
    topic = Topic.EVENTS.name_with(prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_partitions({topic: NewPartitions(PARTITIONS + 9)})
    await admin.close()
    transport = KafkaTransport([kafka], topic)
    assert await transport.partitions() == PARTITIONS + 9
    await transport.close()
    client.event("y")
    await asyncio.to_thread(client.close)
    blocks = await read_blocks(kafka, prefix)
    assert len({sent.headers.partition for sent in blocks}) == 1
    assert sum(sent.headers.count for sent in blocks) == 2


async def test_a_broker_that_is_killed_and_comes_back_costs_nothing(
    own_broker: Broker, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = own_broker.bootstrap
    await make_topics(kafka, prefix)
    with_errors: list[Exception] = []
    client = Client(f"kafka://{kafka}", prefix=prefix, flush_interval=0.05, on_error=with_errors.append)
    stop = asyncio.Event()
    made = 0

    async def produce() -> None:
        nonlocal made
        while not stop.is_set():
            client.event("x", {"number": made})
            made += 1
            await asyncio.sleep(0.002)

    producing = asyncio.create_task(produce())
    try:
        await asyncio.sleep(1)
        await asyncio.to_thread(own_broker.kill)
        await asyncio.sleep(8)
        await asyncio.to_thread(own_broker.start)
        await asyncio.sleep(2)
    finally:
        stop.set()
        await producing
    result = await asyncio.to_thread(client.flush, 60)
    await asyncio.to_thread(client.close)
    assert (result.sent, result.pending, result.dropped) == (made, 0, 0)
    [account] = accounts(await read_blocks(kafka, prefix)).values()
    assert (account.accepted, account.open, account.final) == (made, [], True)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1, warnings
    assert "not delivered" in warnings[0]


async def test_a_program_that_ends_while_its_broker_is_dead_ends_soon(
    own_broker: Broker, prefix: str
) -> None:
    await make_topics(own_broker.bootstrap, prefix)
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(
            """
            import sys, agentgauge
            client = agentgauge.init(sys.argv[1], prefix=sys.argv[2])
            client.event("delivered")
            print(client.flush(20).sent, flush=True)
            sys.stdin.readline()
            client.event("too late")
            """
        ),
        f"kafka://{own_broker.bootstrap}",
        prefix,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    assert await program.stdout.readline() == b"1\n"
    await asyncio.to_thread(own_broker.kill)
    started = time.monotonic()
    program.stdin.write(b"\n")
    _, errors = await program.communicate()
    assert program.returncode == 0
    assert time.monotonic() - started < 4.0
    assert errors.decode().splitlines() == [
        f"agentgauge: 1 event not delivered: nothing answers at kafka://{own_broker.bootstrap}."
        " Start one with 'agentgauge up'."
    ]


async def test_a_forked_child_delivers_as_another_producer(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        textwrap.dedent(
            """
            import os, sys, agentgauge
            client = agentgauge.init(sys.argv[1], prefix=sys.argv[2])
            client.event("parent")
            client.flush(20)
            client.event("parent, queued")
            children = []
            for _ in range(3):
                child = os.fork()
                if child == 0:
                    for _ in range(100):
                        client.event("child")
                    sys.exit(0)
                children.append(child)
            for child in children:
                os.waitpid(child, 0)
            client.event("parent, after")
            """
        ),
        f"kafka://{kafka}",
        prefix,
        stderr=subprocess.PIPE,
    )
    _, errors = await done.communicate()
    assert (done.returncode, errors) == (0, b"")
    found = accounts(await read_blocks(kafka, prefix)).values()
    assert sorted(account.accepted for account in found) == [3, 100, 100, 100]
    assert all(account.final and not account.open and not account.duplicates for account in found)
