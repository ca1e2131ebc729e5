"""The commands that read and write a Kafka broker, on a real one."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.support.cli import Ran, assert_one_sentence, run
from tests.support.dead_letters import append_letters, block_letter, event_letter

from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.kafka import KafkaLog
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.topics import Topic


class Cli:
    """Commands with the address and a prefix of their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], kafka: str) -> None:
        self._capsys = capsys
        self.kafka = kafka
        self.prefix = f"cli-{uuid.uuid4().hex[:8]}"

    def __call__(self, *arguments: str) -> Ran:
        return run(self._capsys, *arguments, "--kafka", self.kafka, "--prefix", self.prefix)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], kafka: str) -> Cli:
    return Cli(capsys, kafka)


@pytest.fixture
def cli_with_topics(cli: Cli) -> Cli:
    assert cli("topics", "create", "--events-partitions", "2", "--merge-partitions", "3").code == 0
    return cli


def test_topics_are_created_grown_and_checked(cli: Cli) -> None:
    missing = cli("topics", "check")
    assert (missing.code, missing.out.count("is missing")) == (1, 10)

    created = cli("topics", "create", "--events-partitions", "2", "--merge-partitions", "3", "--json")
    assert len(json.loads(created.out)["changes"]) == 10
    assert cli("topics", "check").code == 0
    assert (
        "nothing to do" in cli("topics", "create", "--events-partitions", "2", "--merge-partitions", "3").out
    )

    grown = cli("topics", "create", "--events-partitions", "3", "--merge-partitions", "3")
    assert (grown.code, grown.out.count("grown")) == (0, 4)
    assert_one_sentence(cli("topics", "create", "--merge-partitions", "4"))


def test_a_wrongly_configured_topic_is_found_with_its_cure(cli_with_topics: Cli) -> None:
    async def producers_time() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=cli_with_topics.kafka)
        await admin.start()
        name = Topic.EVENTS.name_with(cli_with_topics.prefix)
        configs = {"message.timestamp.type": "CreateTime", "max.message.bytes": "8388608"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])
        await admin.close()

    asyncio.run(producers_time())
    checked = cli_with_topics("topics", "check", "--json")
    assert checked.code == 1
    [problem] = json.loads(checked.out)["problems"]
    assert "message.timestamp.type=CreateTime" in problem["wrong"]
    assert "LogAppendTime" in problem["cure"]


@pytest.mark.parametrize(
    "arguments",
    [("events", "tail"), ("dlq", "list"), ("dlq", "show", "0:0"), ("prices", "show", "m")],
)
def test_missing_topics_are_one_sentence_with_the_cure(cli: Cli, arguments: tuple[str, ...]) -> None:
    ran = cli(*arguments)
    assert_one_sentence(ran)
    assert f"topics create --kafka {cli.kafka} --prefix {cli.prefix}" in ran.err


def test_events_are_read_from_the_beginning(cli_with_topics: Cli) -> None:
    cli = cli_with_topics

    async def produce() -> None:
        async with KafkaLog(cli.kafka, cli.prefix) as log:
            for seq in range(3):
                headers = BlockHeaders("p-1", 1, seq, 1)
                value = encode_block(Resource(agent="planner"), [b'{"kind":"log","time_us":%d}' % seq])
                await log.append([Append(1, Message(Topic.EVENTS, None, value, tuple(headers.encode())))])

    asyncio.run(produce())
    ran = cli("events", "tail", "--from-beginning", "--limit", "3", "--json")
    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [0, 1, 2]


def test_ctrl_c_ends_a_tail_quietly(cli_with_topics: Cli) -> None:
    cli = cli_with_topics

    async def produce() -> None:
        async with KafkaLog(cli.kafka, cli.prefix) as log:
            headers = BlockHeaders("p-1", 0, 0, 1)
            value = encode_block(Resource(), [b'{"kind":"log","time_us":5}'])
            await log.append([Append(0, Message(Topic.EVENTS, None, value, tuple(headers.encode())))])

    asyncio.run(produce())
    options = ["--from-beginning", "--kafka", cli.kafka, "--prefix", cli.prefix]
    tail = subprocess.Popen(
        [sys.executable, "-c", "from agentgauge_cli.main import run; run()", "events", "tail", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with tail:
        assert tail.stdout is not None
        assert tail.stdout.readline().startswith("1970-01-01")
        tail.send_signal(signal.SIGINT)
        out, err = tail.communicate(timeout=20)
    assert (tail.returncode, out, err) == (130, "", "")


def test_dead_letters_are_listed_and_shown(cli_with_topics: Cli) -> None:
    cli = cli_with_topics

    async def produce() -> None:
        async with KafkaLog(cli.kafka, cli.prefix) as log:
            await append_letters(
                log, 1, [event_letter(b'{"kind":"log"}', error="no time"), block_letter(b"\xff\0")]
            )

    assert cli("dlq", "list").out == "No dead letters.\n"
    asyncio.run(produce())
    assert [letter["letter"] for letter in json.loads(cli("dlq", "list", "--json").out)] == ["1:1", "1:0"]
    assert "invalid_event: no time" in cli("dlq", "show", "1:0").out
    assert json.loads(cli("dlq", "show", "1:1", "--json").out)["hex"] == "ff00"
    assert_one_sentence(cli("dlq", "show", "1:2"))


def test_dead_letters_are_replayed_under_an_identity_that_stays(cli_with_topics: Cli) -> None:
    cli = cli_with_topics

    async def produce() -> None:
        async with KafkaLog(cli.kafka, cli.prefix) as log:
            await append_letters(
                log, 1, [event_letter(b'{"kind":"log"}', offset=7), block_letter(b"{", offset=8)]
            )

    asyncio.run(produce())
    assert cli("dlq", "replay", "--all").code == 1
    for _ in range(2):
        replayed = cli("dlq", "replay", "1:0", "--set", "time_us=5", "--json")
        assert (replayed.code, json.loads(replayed.out)["replayed"]) == (0, ["1:0"])
    partly = cli("dlq", "replay", "--all", "--set", "time_us=5")
    assert (partly.code, "1:1" in partly.out) == (1, True)

    ran = cli("events", "tail", "--from-beginning", "--limit", "3", "--json")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert {(each["producer"], each["seq"]) for each in found} == {
        (f"replay:{cli.prefix}:2", (7 << 20) + 100)
    }
    assert found[0]["event"] == {"kind": "log", "time_us": 5}
    assert found[0]["resource"]["service"] == "checkout"


def test_a_price_table_is_published(cli_with_topics: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    cli = cli_with_topics
    file = tmp_path_factory.mktemp("prices") / "prices.yaml"
    file.write_text("overrides: [{model: acme-*, input: 1.25, output: 10}]")
    published = cli("prices", "publish", str(file))
    assert (published.code, published.err) == (0, "")
    unknown = cli("prices", "show", "acme-1")
    assert (unknown.code, "No price is known" in unknown.out) == (1, True), "it is in force in 60 s"
    assert cli("prices", "show", "claude-opus-4-6").code == 0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something listens, and never answers: no broker."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_nothing_listening_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for command in (["topics", "check"], ["events", "tail"], ["dlq", "list"], ["prices", "show", "m"]):
        ran = run(capsys, *command, "--kafka", f"127.0.0.1:{port}")
        assert_one_sentence(ran)
        assert f"127.0.0.1:{port}" in ran.err


def test_a_port_that_is_no_broker_is_one_sentence(
    capsys: pytest.CaptureFixture[str], silent_port: int
) -> None:
    ran = run(capsys, "topics", "check", "--kafka", f"127.0.0.1:{silent_port}")
    assert_one_sentence(ran)
    assert f"127.0.0.1:{silent_port}" in ran.err
