"""The shipped sessions, imported by the command into the embedded pipeline, are the same everywhere:
in the storage, on /metrics and in the report. The truth is summed from the raw files alone.
"""

import asyncio
import json
import os
import time
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from tests.support.cli import Ran, assert_one_sentence, run_process
from tests.support.session_truth import ARCHIVE, Truth, session_truth

from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings

ITEMS = 591 + 765
Models = dict[str, tuple[int, int, int, int]]
"""Model -> responses, input tokens, output tokens, nano-dollars."""


@pytest.fixture(scope="module")
def truth() -> Truth:
    return session_truth()


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """The raw files, still since an hour."""
    folder = tmp_path / "projects"
    with ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    still = time.time() - 3_600
    for file in folder.rglob("*.jsonl"):
        os.utime(file, (still, still))
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*.jsonl")}


def settings(data_dir: Path) -> EmbeddedSettings:
    return EmbeddedSettings(data_dir=data_dir, kafka_port=0, metrics_port=0, status_port=0)


async def import_(pipeline: EmbeddedPipeline, folder: Path, *options: str) -> Ran:
    arguments = ("import", "claude-code", str(folder), "--kafka", pipeline.kafka, *options)
    ran = await asyncio.to_thread(run_process, *arguments)
    assert ran.code == 0, ran
    await pipeline.drained()
    return ran


def expected(truth: Truth) -> Models:
    return {
        model: (of.responses, of.input, of.output, round(of.cost_usd(model) * 1e9))
        for model, of in truth.models.items()
    }


def in_storage(pipeline: EmbeddedPipeline) -> tuple[Models, Counter[str], Counter[str]]:
    engine = create_engine(pipeline.storage_url)
    with engine.connect() as connection:
        models = connection.execute(
            text(
                "SELECT model, count(*), sum(input_tokens), sum(output_tokens), sum(cost_nanousd)"
                " FROM events WHERE operation = 'chat' GROUP BY model"
            )
        ).all()
        tools = connection.execute(
            text(
                "SELECT tool, count(*), sum(status = 'error')"
                " FROM events WHERE operation = 'execute_tool' GROUP BY tool"
            )
        ).all()
    engine.dispose()
    found = {model: (count, read, written, cost) for model, count, read, written, cost in models}
    calls = Counter({tool: count for tool, count, _ in tools})
    failed = Counter({tool: errors for tool, _, errors in tools if errors})
    return found, calls, failed


async def on_metrics(pipeline: EmbeddedPipeline) -> tuple[Models, Counter[str], Counter[str]]:
    async with aiohttp.ClientSession() as session, session.get(pipeline.metrics_url) as response:
        page = await response.text()
    sums: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            kind = sample.labels.get("gen_ai_token_type", "")
            name = sample.labels.get("gen_ai_request_model") or sample.labels.get("gen_ai_tool_name", "")
            sums[f"{sample.name}/{kind}" if kind else sample.name, name] += round(sample.value * 1e9)

    def of(metric: str) -> dict[str, int]:
        return {name: value for (found, name), value in sums.items() if found == metric and value}

    cost = of("agentgauge_cost_usd_total")
    count = of("agentgauge_operations_total")
    read = of("gen_ai_client_token_usage_total/input")
    written = of("gen_ai_client_token_usage_total/output")
    models = {
        model: (count[model] // 10**9, read[model] // 10**9, written[model] // 10**9, cost[model])
        for model in count
    }
    calls = {tool: value // 10**9 for tool, value in of("agentgauge_tool_calls_total").items()}
    failed = {tool: value // 10**9 for tool, value in of("agentgauge_tool_errors_total").items()}
    return models, Counter(calls), Counter(failed)


async def check(pipeline: EmbeddedPipeline, truth: Truth) -> None:
    wanted = expected(truth), truth.calls, truth.failed
    assert in_storage(pipeline) == wanted
    assert await on_metrics(pipeline) == wanted


@pytest.mark.parametrize("options", [[], ["--shift-to-now"], ["--no-content"]])
async def test_an_import_is_the_truth_in_every_sink(
    tmp_path: Path, sessions: Path, truth: Truth, options: list[str]
) -> None:
    async with EmbeddedPipeline(settings(tmp_path / "data")) as pipeline:
        ran = await import_(pipeline, sessions, "--json", *options)
        report = json.loads(ran.out)
        assert report["total"] == {"files": 14, "responses": 591, "tool_calls": 765, "errors": 39, "open": 0}
        await check(pipeline, truth)


async def test_importing_again_and_after_growth_and_a_restart_counts_once(
    tmp_path: Path, sessions: Path, truth: Truth
) -> None:
    whole = contents(sessions)
    for file, data in whole.items():
        file.write_bytes(data[: len(data) * 2 // 3])  # torn, and written to just now
    async with EmbeddedPipeline(settings(tmp_path / "data")) as pipeline:
        part = json.loads((await import_(pipeline, sessions, "--json")).out)["total"]
        assert part["open"] > 0
        assert part["responses"] < 591
    for file, data in whole.items():
        file.write_bytes(data)
        os.utime(file, (time.time() - 3_600,) * 2)
    async with EmbeddedPipeline(settings(tmp_path / "data")) as pipeline:
        for _ in range(2):
            await import_(pipeline, sessions)
        await check(pipeline, truth)


async def test_a_terminal_gets_a_table_and_a_sentence(tmp_path: Path, sessions: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path / "data")) as pipeline:
        ran = await import_(pipeline, sessions)
    lines = ran.out.splitlines()
    assert lines[0] == "Imported sessions"
    assert sum("agent-640db22.jsonl" in line for line in lines) == 1
    assert lines[-1].startswith("591 responses and 765 tool calls (39 failed) in 14 files;")


def test_nothing_that_listens_is_one_sentence_with_the_cure(sessions: Path, unused_tcp_port: int) -> None:
    ran = run_process("import", "claude-code", str(sessions), "--kafka", f"127.0.0.1:{unused_tcp_port}")
    assert_one_sentence(ran)
    assert "agentgauge up" in ran.err


async def test_a_mistyped_prefix_is_one_sentence(tmp_path: Path, sessions: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path / "data")) as pipeline:
        arguments = (
            "import",
            "claude-code",
            str(sessions),
            "--kafka",
            pipeline.kafka,
            "--prefix",
            "agentguage",
        )
        ran = await asyncio.to_thread(run_process, *arguments)
    assert_one_sentence(ran)
    assert "agentguage.events" in ran.err


def test_a_wrong_path_is_one_sentence(tmp_path: Path) -> None:
    assert_one_sentence(run_process("import", "claude-code", str(tmp_path / "nowhere")))
