"""The live table: newest records only, summed by agent and model, drawn on a terminal alone."""

import io

from rich.console import Console

from agentgauge_cli.live_table import LiveTable
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.histogram import bucket
from agentgauge_schemas.results import Series


def llm(
    model: str, version: int, total: Aggregate, *, agent: str = "planner", environment: str = "prod"
) -> Series:
    group = {
        "project": "demo",
        "environment": environment,
        "agent": agent,
        "operation": "chat",
        "provider": "anthropic",
        "model": model,
    }
    return Series(view="llm", group=group, version=version, total=total)


def tool(name: str, count: int, errors: int) -> Series:
    group = {"project": "demo", "agent": "planner", "tool": name}
    total = Aggregate(count=count, errors={"tool_error": errors})
    return Series(view="tool", group=group, version=1, total=total)


def drawn(table: LiveTable, *, width: int = 120) -> str:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(table.render())
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_row_sums_all_groups_of_an_agent_and_model() -> None:
    table = LiveTable(Console(file=io.StringIO()))
    one = Aggregate(
        count=2,
        input_tokens=1_000,
        output_tokens=10,
        cost_nanousd=1_500_000_000,
        duration_buckets={bucket(2_000_000): 2},
    )
    other = Aggregate(count=1, errors={"timeout": 1}, input_tokens=234, cost_nanousd=500_000_000)
    table.update([llm("opus", 7, one), llm("opus", 3, other, environment="test"), tool("Bash", 308, 31)])
    rows = [line.split() for line in drawn(table).splitlines() if "planner" in line]
    assert [row[:4] for row in rows] == [["planner", "opus", "3", "1"], ["planner", "Bash", "308", "31"]]
    assert rows[0][-2:] == ["1.2k", "2.00"]
    assert table.summary() == (3, 308)


def test_numbers_are_whole_on_a_narrow_terminal() -> None:
    table = LiveTable(Console(file=io.StringIO()))
    total = Aggregate(
        count=1_234,
        input_tokens=37_940_515,
        cost_nanousd=26_509_047_500,
        duration_buckets={bucket(5_290_000): 1_234},
    )
    table.update([llm("claude-haiku-4-5-20251001", 1, total, agent="claude-code/subagent")])
    narrow = drawn(table, width=80)
    assert all(cell in narrow for cell in ("1,234", "5.2", "37.9M", "26.51", "claude-code", "claude-haiku"))


def test_an_older_record_changes_nothing() -> None:
    table = LiveTable(Console(file=io.StringIO()))
    table.update([llm("opus", 7, Aggregate(count=5))])
    table.update([llm("opus", 6, Aggregate(count=4))])
    assert table.summary() == (5, 0)
    table.update([llm("opus", 8, Aggregate(count=6))])
    assert table.summary() == (6, 0)


def test_names_of_users_do_not_steer_the_terminal() -> None:
    table = LiveTable(Console(file=io.StringIO()))
    table.update([llm("[red]\x1b[2J", 1, Aggregate(count=1))])
    assert "[red]\\x1b[2J" in drawn(table)


def test_without_a_terminal_nothing_is_drawn() -> None:
    out = io.StringIO()
    with LiveTable(Console(file=out)) as table:
        table.update([tool("Bash", 1, 0)])
    assert out.getvalue() == ""


def test_on_a_terminal_it_draws_and_leaves_no_trace() -> None:
    out = io.StringIO()
    with LiveTable(Console(file=out, force_terminal=True, width=100)) as table:
        table.update([tool("Bash", 1, 0)])
    assert "Bash" in out.getvalue()
