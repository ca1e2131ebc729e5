"""The README's example does what the README says, and its figures are the demo's."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_sinks.storage.report import build_report

README = (Path(__file__).parents[2] / "README.md").read_text()


async def test_the_example_is_counted_and_priced(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    settings = EmbeddedSettings(data_dir=tmp_path / "data", kafka_port=0, metrics_port=0, status_port=0)
    async with EmbeddedPipeline(settings) as pipeline:
        script = found[1].replace("localhost:9092", pipeline.kafka)
        assert script != found[1]
        path = tmp_path / "example.py"
        path.write_text(script)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")
        assert output.decode().splitlines()[0] == "You asked: Where is my parcel?"
        assert "sent=2" in output.decode()
        await pipeline.drained()
        report = build_report(pipeline.storage_url, 0)
    (model,) = report.models
    assert (model.model, model.calls, model.input_tokens, model.output_tokens) == (
        "claude-haiku-4-5",
        1,
        1200,
        60,
    )
    # 1,200 tokens at 1 USD a million and 60 at 5 USD.
    assert report.totals.cost_usd == "0.0015"
    assert [function.calls for function in report.functions] == [1]
