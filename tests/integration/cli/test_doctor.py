"""`doctor` on real brokers: Kafka with and without a pipeline, and the embedded one."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest
from tests.support.cli import assert_one_sentence, run

from agentgauge_cli.embedded.broker import EmbeddedBroker
from agentgauge_schemas.topics import Topic


def states(out: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(out)["checks"]}


def test_each_missing_part_of_a_pipeline_is_named_with_its_cure(
    capsys: pytest.CaptureFixture[str], kafka: str, tmp_path: Path
) -> None:
    prefix = f"doctor-{uuid.uuid4().hex[:8]}"
    common = ("--kafka", kafka, "--prefix", prefix, "--data-dir", str(tmp_path))

    ran = run(capsys, "doctor", *common, "--json")
    assert ran.code == 1
    assert states(ran.out) == {"broker": "ok", "topics": "fail", "storage": "warn", "data": "ok"}
    assert f"topics create --kafka {kafka} --prefix {prefix}" in ran.out

    assert run(capsys, "topics", "create", *common[:4]).code == 0
    ran = run(capsys, "doctor", *common, "--json")
    assert ran.code == 1
    assert states(ran.out) == {
        "broker": "ok", "topics": "ok", "reduce": "fail", "merge": "fail", "storage": "warn", "clock": "ok", "data": "ok",
    }  # fmt: skip
    assert "agentgauge worker merge" in ran.out


def test_the_embedded_broker_is_asked_only_what_it_can_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broker = EmbeddedBroker()
    asyncio.run(broker.start([Topic.EVENTS.name_with("agentgauge")]))
    try:
        ran = run(capsys, "doctor", "--kafka", broker.bootstrap, "--data-dir", str(tmp_path), "--json")
        for command in ("create", "check"):
            assert_one_sentence(run(capsys, "topics", command, "--kafka", broker.bootstrap))
    finally:
        asyncio.run(broker.stop())
    assert states(ran.out) == {"broker": "ok", "pipeline": "ok", "storage": "warn", "data": "ok"}
    assert ran.code == 0
