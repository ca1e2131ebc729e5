"""What keeps a service from starting is one sentence and exit code 2: real processes, real causes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.support.broker import free_ports
from tests.support.cli import assert_one_sentence, run_process
from tests.support.up import until

from agentgauge_schemas.topics import Topic

WORKER_STARTS_WITHIN_S = 30.0


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Something listens there and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def prefix() -> str:
    return f"start-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def with_topics(kafka: str, prefix: str) -> list[str]:
    """The options of a pipeline whose topics exist."""
    options = ["--kafka", kafka, "--prefix", prefix]
    created = run_process("topics", "create", "--events-partitions", "1", "--merge-partitions", "1", *options)
    assert created.code == 0, created
    return options


SERVICES = [["worker", "all"], ["sink", "prometheus"], ["sink", "storage"], ["up"]]


@pytest.mark.parametrize("service", SERVICES, ids=" ".join)
def test_no_broker(service: list[str], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    ran = run_process(*service, "--kafka", f"127.0.0.1:{port}", cwd=tmp_path)
    assert_one_sentence(ran)
    assert f"127.0.0.1:{port}" in ran.err
    assert "--kafka" in ran.err


@pytest.mark.parametrize("service", SERVICES[:3], ids=" ".join)
def test_a_port_that_is_no_broker(service: list[str], taken_port: int, tmp_path: Path) -> None:
    ran = run_process(*service, "--kafka", f"127.0.0.1:{taken_port}", cwd=tmp_path)
    assert_one_sentence(ran)
    assert f"127.0.0.1:{taken_port}" in ran.err


def test_a_host_that_does_not_exist(tmp_path: Path) -> None:
    ran = run_process("worker", "reduce", "--kafka", "nowhere.invalid:9092", cwd=tmp_path)
    assert_one_sentence(ran)
    assert "nowhere.invalid" in ran.err


@pytest.mark.parametrize("service", SERVICES[:3], ids=" ".join)
def test_missing_topics(service: list[str], kafka: str, prefix: str, tmp_path: Path) -> None:
    ran = run_process(*service, "--kafka", kafka, "--prefix", prefix, cwd=tmp_path)
    assert_one_sentence(ran)
    assert f"'agentgauge topics create --kafka {kafka} --prefix {prefix}'" in ran.err


def test_a_wrongly_configured_topic(with_topics: list[str], kafka: str, prefix: str, tmp_path: Path) -> None:
    async def by_the_producers_clock() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        name = Topic.PARTIALS.name_with(prefix)
        configs = {"message.timestamp.type": "CreateTime", "max.message.bytes": "8388608"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])
        await admin.close()

    asyncio.run(by_the_producers_clock())
    ran = run_process("worker", "merge", *with_topics, cwd=tmp_path)
    assert_one_sentence(ran)
    assert f"{prefix}.partials has message.timestamp.type=CreateTime" in ran.err
    assert "LogAppendTime" in ran.err


@pytest.mark.parametrize(
    "service", [["worker", "all"], ["sink", "storage"], ["up"], ["report"]], ids=" ".join
)
def test_a_directory_that_cannot_be(service: list[str], with_topics: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = [] if service in (["up"], ["report"]) else with_topics
    ran = run_process(*service, *options, "--data-dir", str(tmp_path / "file" / "data"), cwd=tmp_path)
    assert_one_sentence(ran)
    assert str(tmp_path / "file") in ran.err


def test_a_directory_that_may_not_be_written(with_topics: list[str], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Not even root may make a folder in /proc.
    folder = tmp_path / "data" if os.geteuid() else Path("/proc/agentgauge")
    assert_one_sentence(run_process("worker", "all", *with_topics, "--data-dir", str(folder)))


def test_a_taken_port(with_topics: list[str], taken_port: int, tmp_path: Path) -> None:
    ran = run_process("sink", "prometheus", *with_topics, "--port", str(taken_port), cwd=tmp_path)
    assert_one_sentence(ran)
    assert "--port" in ran.err


def test_a_taken_slot(with_topics: list[str], tmp_path: Path) -> None:
    arguments = ["worker", "reduce", "--slot", "3", *with_topics, "--data-dir", str(tmp_path)]
    first = subprocess.Popen(
        [sys.executable, "-c", "from agentgauge_cli.main import run; run()", *arguments],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: any(tmp_path.iterdir()), WORKER_STARTS_WITHIN_S)
        ran = run_process(*arguments)
        assert_one_sentence(ran)
        assert "slot 3" in ran.err
        first.send_signal(signal.SIGTERM)
        assert first.wait(WORKER_STARTS_WITHIN_S) == 0
    finally:
        first.kill()
        first.wait()
