"""The report for people: exact money, losses by name, and nothing that is left unsaid."""

import msgspec
import pytest

from agentgauge_cli.report_view import headline, losses, print_report, remarks, report_tables
from agentgauge_sinks.storage.report_model import (
    AgentRow,
    Deliveries,
    Loss,
    ModelRow,
    Report,
    ToolRow,
    Totals,
)


def model(name: str, cost_usd: str, *, calls: int = 2, unpriced: int = 0) -> ModelRow:
    return ModelRow(
        provider="anthropic", model=name, calls=calls, errors=1, p50_s=1.5, p95_s=None, input_tokens=38_419_249,
        output_tokens=97_995, cache_read_tokens=5, cache_write_tokens=6, reasoning_tokens=0, unspecified_tokens=0,
        cost_usd=cost_usd, unpriced=unpriced,
    )  # fmt: skip


def loss(
    producer: str, *, missing: int = 0, lost: int = 0, dropped: int = 0, silent: bool = False, about: int = 0
) -> Loss:
    return Loss(
        producer=producer, project="shop", service="checkout", host="node-7", missing=missing, lost=lost,
        dropped={"queue_full": dropped} if dropped else {}, ended_silently=silent, about=about,
    )  # fmt: skip


def report(**changes: object) -> Report:
    empty = Report(
        totals=Totals(
            events=3, llm_calls=2, llm_errors=0, tool_calls=1, tool_errors=1, input_tokens=1_000, output_tokens=5,
            cost_usd="29.36499105", unpriced=0,
        ),
        models=[], agents=[], tools=[], functions=[], users=0, unpriced_models={}, flags={}, overflow=[],
        producers=Deliveries(accepted=3), losses=[], dead_letters={},
    )  # fmt: skip
    return msgspec.structs.replace(empty, **changes)


def test_the_headline_has_what_it_all_came_to() -> None:
    assert headline(report()) == (
        "2 LLM calls, 1 tool call (1 failed), 1,000 input and 5 output tokens, 29.36499105 USD"
    )


def test_nothing_counted_is_said() -> None:
    totals = Totals(
        events=0, llm_calls=0, llm_errors=0, tool_calls=0, tool_errors=0, input_tokens=0, output_tokens=0,
        cost_usd="0.00", unpriced=0,
    )  # fmt: skip
    assert headline(report(totals=totals)) == "Nothing was counted yet."


def test_costs_of_a_table_are_exact_with_the_same_number_of_decimals() -> None:
    [table] = report_tables(report(models=[model("a", "27.48928025"), model("b", "1.7890471")]))
    column = [each.title for each in table.columns].index("cost USD")
    assert [row[column] for row in table.rows] == ["27.48928025", "1.78904710"]


def test_an_unknown_price_is_never_shown_as_nothing() -> None:
    [table] = report_tables(report(models=[model("a", "0.00", unpriced=2), model("b", "0.00")]))
    column = [each.title for each in table.columns].index("cost USD")
    assert [row[column] for row in table.rows] == ["unknown", "0.00"]


def test_tables_without_rows_are_left_out() -> None:
    tool = ToolRow(tool="Bash", calls=308, errors=31, p50_s=0.2, p95_s=44.2)
    assert [(table.title, table.rows) for table in report_tables(report(tools=[tool]))] == [
        ("Tools", [["Bash", "308", "31", "200 ms", "44.2 s"]])
    ]


def test_every_loss_names_its_producer_the_largest_first() -> None:
    found = losses(
        report(
            losses=[
                loss("p-1", missing=7, dropped=30),
                loss("p-2", silent=True, about=120),
                loss("p-3", lost=1),
                loss("p-4", silent=True),
            ]
        )
    )
    assert [line.strip().replace(" (checkout on node-7)", "") for line in found] == [
        "producer p-2: ended without saying so, about 120 events went with it",
        "producer p-1: 7 events not arrived yet; it dropped 30 events itself (queue_full 30)",
        "producer p-3: 1 event lost",
        "producer p-4: ended without saying so, with nothing queued",
    ]


def test_of_many_losses_the_rest_is_counted() -> None:
    found = list(losses(report(losses=[loss(f"p-{number:02}", lost=1) for number in range(25)])))
    assert (len(found), found[-1].strip()) == (21, "and 5 more producers (--json names all)")


def test_remarks_name_what_the_figures_do_not_say() -> None:
    text = "\n".join(
        remarks(
            report(
                unpriced_models={"acme-9": 9}, flags={"late": 392}, overflow=["user"],
                dead_letters={"foreign": 1, "invalid_event": 2},
                producers=Deliveries(accepted=1_365, duplicates=4, rejected=6),
            )
        )
    )  # fmt: skip
    assert "acme-9 (9 calls)" in text
    assert "late 392" in text
    assert "view user" in text
    assert "3 dead letters (foreign 1, invalid_event 2)" in text
    assert "1,365 events delivered, 4 duplicates left out, 6 rejected; none lost." in text


def test_names_of_users_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    agent = AgentRow(
        agent="a\x1b[2Jb", calls=1, errors=0, p50_s=None, p95_s=None, input_tokens=0, output_tokens=0,
        cache_read_tokens=0, cache_write_tokens=0, reasoning_tokens=0, unspecified_tokens=0, cost_usd="0.00", unpriced=0,
    )  # fmt: skip
    print_report(report(agents=[agent], losses=[loss("p\x1b[2J", lost=1)]))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a\\x1b[2Jb" in out
