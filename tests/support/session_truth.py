"""What the shipped sessions hold, summed from the raw files with the standard library alone.

None of our code takes part: what the reader and the pipeline say is compared with this.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

ARCHIVE = Path(__file__).parents[2] / "cli/agentgauge_cli/demo_data/sessions.zip"

# USD per million tokens, as published for February 2026: input, cache read, 5-minute and 1-hour
# cache write, output.
PRICES = {
    "claude-opus-4-6": (5.0, 0.5, 6.25, 10.0, 25.0),
    "claude-haiku-4-5-20251001": (1.0, 0.1, 1.25, 2.0, 5.0),
    "claude-sonnet-4-5-20250929": (3.0, 0.3, 3.75, 6.0, 15.0),
}


@dataclass
class ModelTruth:
    responses: int = 0
    uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    @property
    def input(self) -> int:
        return self.uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def cost_usd(self, model: str) -> float:
        amounts = (self.uncached, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.output)
        return sum(amount * price for amount, price in zip(amounts, PRICES[model], strict=True)) / 1e6


@dataclass
class Truth:
    models: dict[str, ModelTruth] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


def session_truth() -> Truth:
    """Sum all shipped files."""
    truth = Truth()
    with ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            _add_file(truth, [json.loads(line) for line in archive.read(name).splitlines()])
    return truth


def _add_file(truth: Truth, lines: list[dict[str, object]]) -> None:
    last: dict[str, dict[str, object]] = {}
    tools: dict[str, str] = {}
    for line in lines:
        message = line.get("message")
        if not isinstance(message, dict):
            continue
        if line["type"] == "assistant":
            last[message["id"]] = message
        for block in message["content"]:
            if block["type"] == "tool_use":
                tools[block["id"]] = block["name"]
                truth.calls[block["name"]] += 1
            elif block["type"] == "tool_result" and block["is_error"]:
                truth.failed[tools[block["tool_use_id"]]] += 1
    for message in last.values():
        model, usage = message["model"], message["usage"]
        assert isinstance(model, str)
        assert isinstance(usage, dict)
        total = truth.models.setdefault(model, ModelTruth())
        total.responses += 1
        total.uncached += usage["input_tokens"]
        total.cache_read += usage["cache_read_input_tokens"]
        total.cache_write_5m += usage["cache_creation"]["ephemeral_5m_input_tokens"]
        total.cache_write_1h += usage["cache_creation"]["ephemeral_1h_input_tokens"]
        total.output += usage["output_tokens"]
