"""The status page: data of users is text, never markup."""

from agentgauge_cli.embedded.page import render_page
from agentgauge_sinks.storage.report_model import Deliveries, Report, ToolRow, Totals

ATTACK = "<script>alert(1)</script>"


def report(*tools: ToolRow) -> Report:
    totals = Totals(
        events=1, llm_calls=0, llm_errors=0, tool_calls=1, tool_errors=0,
        input_tokens=0, output_tokens=0, cost_usd="0.00", unpriced=0,
    )  # fmt: skip
    deliveries = Deliveries(accepted=1, duplicates=0, rejected=0, missing=0, lost=0, dropped={})
    return Report(
        totals=totals, models=[], agents=[], tools=list(tools), functions=[], users=0, unpriced_models={},
        flags={}, overflow=[], producers=deliveries, losses=[], dead_letters={},
    )  # fmt: skip


def tool(name: str) -> ToolRow:
    return ToolRow(tool=name, calls=12, errors=0, p50_s=None, p95_s=None)


def test_names_addresses_and_problems_are_escaped() -> None:
    page = render_page(report(tool(ATTACK)), {ATTACK: ATTACK}, {ATTACK: ATTACK})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_control_characters_are_shown() -> None:
    page = render_page(report(tool("a\x1b[2Jb")), {}, {})
    assert "\x1b" not in page
    assert r"a\x1b[2Jb" in page


def test_numbers_are_aligned_and_names_are_not() -> None:
    page = render_page(report(tool("Bash")), {}, {})
    assert '<td class="number">12</td>' in page
    assert "<td>Bash</td>" in page
