"""The command line starts fast, is lazy, and ends wrong usage with one clear sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.support.cli import assert_one_sentence, run

from agentgauge_cli.settings import kafka_address, storage_url, topic_prefix

HEAVY = (
    "faust",
    "aiokafka",
    "confluent_kafka",
    "sqlalchemy",
    "alembic",
    "prometheus_client",
    "genai_prices",
    "yaml",
)


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "--version")
    assert (ran.code, ran.out.split()[0]) == (0, "agentgauge")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["events", "tail", "--kind", "nonsense"],
        ["events", "tail", "--kafka", "localhost"],
        ["events", "tail", "--prefix", "a b"],
        ["dlq", "show", "17"],
        ["topics", "create", "--merge-partitions", "0"],
        ["worker", "everything"],
    ],
)
def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    ran = run(capsys, *arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "Error" in ran.err


def test_dlq_replay_wants_to_know_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_sentence(run(capsys, "dlq", "replay"))
    assert_one_sentence(run(capsys, "dlq", "replay", "--all", "1:2"))


def test_help_loads_nothing_that_a_command_needs() -> None:
    program = (
        "import sys; sys.argv = ['agentgauge', '--help']\n"
        "from agentgauge_cli.main import main; main()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "worker" in done.stdout


@pytest.mark.parametrize(
    ("package", "extra"), [("typer", "cli"), ("yaml", "cli"), ("genai_prices", "processors")]
)
def test_a_missing_extra_is_named(tmp_path: Path, package: str, extra: str) -> None:
    (tmp_path / "prices.yaml").write_text("{}")
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "sys.argv = ['agentgauge', 'prices', 'publish', 'prices.yaml']\n"
        "from agentgauge_cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == f"agentgauge: this needs the package {package!r}: run pip install 'agentgauge[{extra}]'\n"
    )


@pytest.mark.parametrize(
    "address", ["localhost:9092", "a:1,b-c.example:65535", "[::1]:9092", "127.0.0.1:9092"]
)
def test_addresses_that_are_ones(address: str) -> None:
    assert kafka_address(address) == address


@pytest.mark.parametrize(
    "address", ["", "localhost", "a:0", "a:65536", "a:1,", "kafka://a:1", "::1:9092", "a b:1"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(typer.BadParameter, match="HOST:PORT"):
        kafka_address(address)


def test_a_prefix_is_what_kafka_allows() -> None:
    assert topic_prefix("team-1.agents_x") == "team-1.agents_x"
    with pytest.raises(typer.BadParameter):
        topic_prefix("team/agents")


def test_storage_is_in_the_data_directory_unless_it_is_named() -> None:
    assert storage_url(None, Path("data")) == "sqlite:///data/storage.sqlite"
    assert storage_url("postgresql://db/x", Path("data")) == "postgresql://db/x"
