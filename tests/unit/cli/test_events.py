"""Events are printed as they arrive: one readable line each, or what was sent as JSON."""

import json

import pytest

from agentgauge_cli.event_lines import event_line
from agentgauge_cli.events_tail import Filter, print_events
from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.event import Event
from agentgauge_schemas.topics import Topic

NOW_US = 1_770_724_991_123_456
RESOURCE = Resource(service="checkout", agent="planner")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Event("span", NOW_US, duration_us=1_234_000, operation="chat", model="opus", input_tokens=38_419, output_tokens=97),
            "chat opus  1.23 s  38,419 in, 97 out",
        ),
        (
            Event("span", NOW_US, duration_us=1_000, operation="execute_tool", tool="Bash", status="error",
                  error_type="tool_error", error_message="exit 1"),
            "execute_tool Bash  1 ms  ERROR tool_error exit 1",
        ),
        (Event("message", NOW_US, role="user", content="hi\nthere"), r"message user hi\nthere"),
        (Event("score", NOW_US, name="quality", value=0.9, comment="fine"), "score quality=0.9 fine"),
        (Event("span", NOW_US, operation="chat", cost_nanousd=1_500_000), "chat  $0.0015"),
        (Event("span", NOW_US, operation="function", event_type="plan", unspecified_tokens=150), "function plan  150 tokens"),
        (Event("terminal", NOW_US, command="ls", exit_code=2), "terminal ls exit 2"),
        (Event("compliance", NOW_US, name="gdpr", passed=False), "compliance gdpr failed"),
        (Event("status", NOW_US, agent_status="idle"), "status idle"),
        (Event("git", NOW_US), "git"),
    ],
)  # fmt: skip
def test_a_line_says_when_who_what_and_how(event: Event, line: str) -> None:
    assert event_line(event, RESOURCE) == f"2026-02-10 12:03:11.123  planner       {line}"


def test_long_content_is_cut() -> None:
    assert len(event_line(Event("log", NOW_US, content="x" * 10_000), RESOURCE)) < 200


async def append_block(
    log: SqliteLog, partition: int, seq: int, *events: bytes, count: int | None = None
) -> None:
    headers = BlockHeaders("p-1", partition, seq, len(events) if count is None else count).encode()
    await log.append(
        [Append(partition, Message(Topic.EVENTS, None, encode_block(RESOURCE, events), tuple(headers)))]
    )


def span(name: str, **fields: object) -> bytes:
    return json.dumps({"kind": "span", "time_us": NOW_US, "name": name, **fields}).encode()


async def test_the_newest_events_are_followed_until_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    with SqliteLog(":memory:") as log:
        await append_block(log, 0, 0, span("one"), span("two"))
        await append_block(log, 1, 0, span("three"))
        await print_events(log, Filter(limit=2), from_beginning=True, as_json=False)
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in out] == ["one", "two"]


async def test_filters_are_by_agent_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with SqliteLog(":memory:") as log:
        message = b'{"kind":"message","time_us":5,"role":"user","content":"hello"}'
        await append_block(log, 0, 0, span("other", agent="critic"), span("mine"), message, b"5")
        await append_block(log, 0, 4, span("last"))
        await print_events(log, Filter("planner", "span", 2), from_beginning=True, as_json=False)
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in out] == ["mine", "last"]


async def test_json_has_each_event_as_it_was_sent_and_where_it_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SqliteLog(":memory:") as log:
        await append_block(log, 1, 40, span("one"), span("two", later_field=[1]))
        await print_events(log, Filter(limit=2), from_beginning=True, as_json=True)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[1] == {
        "partition": 1, "offset": 0, "producer": "p-1", "seq": 41,
        "resource": {"service": "checkout", "agent": "planner"},
        "event": {"kind": "span", "time_us": NOW_US, "name": "two", "later_field": [1]},
    }  # fmt: skip


async def test_what_is_not_valid_is_printed_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, Message(Topic.EVENTS, None, b"?"))])
        await append_block(log, 0, 0, span("good"), b'{"kind":"span","time_us":-1}')
        await append_block(log, 0, 2, span("uncounted"), count=3)
        await print_events(log, Filter(limit=4), from_beginning=True, as_json=False)
    out = capsys.readouterr().out.splitlines()
    assert "NOT VALID  record 0:0: not a block of agentgauge" in out[0]
    assert out[1].endswith("good")
    assert "NOT VALID  record 0:1: event 2 of 2:" in out[2]
    assert "NOT VALID  record 0:2: header count says 3" in out[3]


async def test_an_event_with_an_odd_but_uncounted_field_is_still_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SqliteLog(":memory:") as log:
        await append_block(log, 0, 0, span("", role=5, operation="chat", model="opus"))
        await print_events(log, Filter(limit=1), from_beginning=True, as_json=False)
    assert capsys.readouterr().out.strip().endswith("chat opus")
