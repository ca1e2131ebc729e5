"""Both sinks as processes, and whether what they show equals the truth."""

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.chaos import wire
from tests.chaos.checker import compare, ended
from tests.chaos.scraper import fetch, labels, samples

SETTLE_S = 60.0


def command(kind: str, kafka: str, prefix: str, *options: str) -> list[str]:
    """`agentgauge sink ...` as a user starts it."""
    start = "from agentgauge_cli.main import run; run()"
    return [sys.executable, "-c", start, "sink", kind, "--kafka", kafka, "--prefix", prefix, *options]


def storage_command(kafka: str, prefix: str, database: Path) -> list[str]:
    """The storage sink on a SQLite file."""
    return command("storage", kafka, prefix, "--storage", f"sqlite:///{database}")


def prometheus_command(kafka: str, prefix: str, port: int) -> list[str]:
    """The Prometheus sink."""
    return command("prometheus", kafka, prefix, "--port", str(port))


async def problems_of(database: Path, url: str, truth: wire.Truth, watermark_s: int) -> list[str]:
    """What both sinks show differs so from the truth, once they have had the time to catch up."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        problems = await asyncio.to_thread(_problems, database, url, truth, watermark_s)
        if not problems or time.monotonic() > deadline:
            return problems
        await asyncio.sleep(1)


def _problems(database: Path, url: str, truth: wire.Truth, watermark_s: int) -> list[str]:
    page = fetch(url)
    if page is None:
        return ["/metrics shows nothing"]
    problems = compare("/metrics", _calls(truth), metrics(page))
    try:
        return problems + _storage_problems(database, truth, watermark_s)
    except sqlite3.OperationalError as error:
        return [*problems, f"storage: {error}"]


def _calls(truth: wire.Truth) -> dict[str, tuple[int, int]]:
    """Calls and failures of each group of models and tools."""
    return {
        key: (sums[0], sums[1]) for key, sums in truth.totals.items() if json.loads(key)[0] in ("llm", "tool")
    }


def metrics(page: str) -> dict[str, tuple[int, int]]:
    """The same out of a page of metrics."""
    calls: dict[str, int] = {}
    errors: dict[str, int] = {}
    for _, series, value in samples(page):
        name, found = series.partition("{")[0], labels(series)
        agent = found.get("gen_ai_agent_name")
        if name in ("agentgauge_operations_total", "agentgauge_errors_total"):
            group = ["llm", found["project"], found["environment"], agent, found["gen_ai_operation_name"]]
            group += [found["gen_ai_provider_name"], found["gen_ai_request_model"]]
        elif name in ("agentgauge_tool_calls_total", "agentgauge_tool_errors_total"):
            group = ["tool", found["project"], agent, found["gen_ai_tool_name"]]
        else:
            continue
        into = errors if "errors" in name else calls
        key = json.dumps(group, separators=(",", ":"))
        into[key] = into.get(key, 0) + int(value)
    return {key: (count, errors.get(key, 0)) for key, count in calls.items()}


def _storage_problems(database: Path, truth: wire.Truth, watermark_s: int) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        users = db.execute(
            "SELECT user_id, count(*), sum(status = 'error'), sum(input_tokens), sum(output_tokens),"
            " coalesce(sum(cost_nanousd), 0), sum(duration_us) FROM events GROUP BY user_id"
        )
        by_user = {
            json.dumps(["user", wire.PROJECT, user], separators=(",", ":")): list(sums)
            for user, *sums in users
        }
        sent = dict(db.execute("SELECT producer, count(*) FROM events GROUP BY producer"))
        series = db.execute("SELECT key, count, errors FROM series")
        totals = {key: [count, errors] for key, count, errors in series}
        windows: dict[str, wire.Sums] = {}
        for key, size, start, count, errors in db.execute(
            "SELECT key, size_s, start_us, sum(count), sum(errors) FROM windows"
            " GROUP BY view, attributes, size_s, start_us"
        ):
            group = key[1:].rsplit(",", 3)[0]
            windows[f"{group}|{size}|{start // 1_000_000}"] = [count, errors]
        accounts = dict(db.execute("SELECT key, accepted FROM producers"))
    expected_windows = {key: sums[:2] for key, sums in truth.windows.items()}
    users_of_truth = {key: sums for key, sums in truth.totals.items() if key.startswith('["user"')}
    return [
        *compare("storage, events of users", users_of_truth, by_user),
        *compare("storage, events of producers", truth.sent, sent),
        *compare("storage, series", {key: sums[:2] for key, sums in truth.totals.items()}, totals),
        *compare("storage, windows", ended(expected_windows, watermark_s), ended(windows, watermark_s)),
        *compare("storage, accounts", truth.sent, accounts),
    ]
