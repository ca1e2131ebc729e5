"""What a session file says, line by line: each trap of the format is one test."""

import json

from tests.support.session_lines import Session, text, tool

from agentgauge_cli.importers.claude_code import Item, SessionReader
from agentgauge_schemas.event import Event


def read(
    lines: list[bytes], *, still: bool = True, content: bool = True
) -> tuple[list[Event], SessionReader]:
    reader = SessionReader(content=content)
    items: list[Item] = [item for line in lines for item in reader.feed(line)]
    items += reader.end(still=still)
    return [event for _, event in sorted(items, key=lambda item: item.seq)], reader


def test_a_response_of_several_lines_counts_once_with_the_usage_of_its_last() -> None:
    s = Session()
    events, _ = read(
        [
            s.prompt(0, uuid="p"),
            s.answer(2, "m1", text("a"), parent="p", uuid="a", out=5),
            s.answer(4, "m1", text("b"), parent="a", out=50),
        ]
    )
    (event,) = events
    assert (event.input_tokens, event.output_tokens) == (133, 50)
    assert (event.cache_read_tokens, event.cache_write_5m_tokens, event.cache_write_1h_tokens) == (
        100,
        20,
        10,
    )
    assert (event.model, event.provider, event.service_tier) == ("claude-opus-4-6", "anthropic", "standard")
    assert (event.response_id, event.session_id, event.trace_id) == ("m1", "s1", "s1")
    assert event.output == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert event.cost_nanousd is None


def test_latency_runs_from_the_line_it_answers_to_its_last_block() -> None:
    s = Session()
    events, _ = read(
        [
            s.prompt(0, uuid="p"),
            s.prompt(1, "another, not the one that is answered", uuid="q"),
            s.line("progress", 1.5, parent="p", uuid="x", data={"any": "thing"}),
            s.answer(2, "m1", text("a"), parent="x", uuid="a"),
            s.answer(4.5, "m1", text("b"), parent="a"),
        ]
    )
    (event,) = events
    assert event.duration_us == 4_500_000
    assert event.time_to_first_token_us == 2_000_000


def test_a_broken_chain_falls_back_to_the_latest_user_line() -> None:
    s = Session()
    events, _ = read([s.prompt(1, uuid="p"), s.answer(3, "m1", text("a"), parent="gone")])
    assert events[0].duration_us == 2_000_000
    assert events[0].time_to_first_token_us is None


def test_no_user_line_at_all_means_no_duration() -> None:
    events, _ = read([Session().answer(3, "m1", text("a"), parent=None)])
    assert events[0].duration_us is None


def test_parallel_calls_end_each_at_its_own_result() -> None:
    s = Session()
    events, _ = read(
        [
            s.prompt(0, uuid="p"),
            s.answer(1, "m1", tool("t1", command="ls"), parent="p", uuid="a"),
            s.answer(2, "m1", tool("t2", "Read"), parent="a", uuid="b"),
            s.result(3, "t2", parent="b", error=True),
            s.result(9, "t1", parent="a", content=[{"type": "text", "text": "four"}]),
        ]
    )
    response, bash, failed = events
    assert (bash.tool, bash.duration_us, bash.status, bash.parent_id) == ("Bash", 8_000_000, "ok", "m1")
    assert (failed.tool, failed.duration_us, failed.status) == ("Read", 1_000_000, "error")
    assert failed.error_type == "tool_error"
    assert bash.input == {"command": "ls"}
    assert bash.metadata["output_chars"] == 4
    assert bash.metadata["input_bytes"] == len(b'{"command": "ls"}')
    assert response.span_id == "m1"


def test_a_result_between_the_lines_of_a_response_does_not_split_it() -> None:
    s = Session()
    events, _ = read(
        [
            s.prompt(0, uuid="p"),
            s.answer(1, "m1", tool("t1"), parent="p", uuid="a", out=1),
            s.result(2, "t1", parent="a"),
            s.answer(3, "m1", tool("t2"), parent="a", uuid="b", out=9),
            s.result(4, "t2", parent="b", uuid="r"),
            s.answer(5, "m2", text("end"), parent="r"),
        ],
        still=False,
    )
    assert [event.operation for event in events] == ["chat", "execute_tool", "execute_tool"]
    assert events[0].output_tokens == 9


def test_what_is_not_shown_to_be_complete_is_open_until_the_file_is_still() -> None:
    s = Session()
    lines = [s.prompt(0, uuid="p"), s.answer(1, "m1", tool("t1"), parent="p")]
    events, reader = read(lines, still=False)
    assert events == []
    assert reader.open == [0, 1]
    events, reader = read(lines, still=True)
    assert reader.open == []
    assert (events[1].status, events[1].error_type, events[1].duration_us) == ("error", "no_result", None)


def test_subagents_have_a_name_of_their_own_and_do_not_end_the_main_response() -> None:
    s = Session()
    events, _ = read(
        [
            s.prompt(0, uuid="p"),
            s.answer(1, "main", tool("t1", "Task"), parent="p", uuid="a"),
            s.prompt(2, uuid="q", isSidechain=True, agentId="x"),
            s.answer(3, "sub", text("a"), parent="q", isSidechain=True, agentId="x", uuid="y"),
            s.answer(4, "main", text("more"), parent="a", out=70),
        ]
    )
    by_id = {event.span_id: event for event in events}
    assert by_id["main"].output_tokens == 70
    assert (by_id["main"].agent, by_id["sub"].agent) == ("claude-code", "claude-code/subagent")
    assert by_id["sub"].duration_us == 1_000_000
    assert by_id["sub"].metadata["agent_id"] == "x"


def test_nameless_subagents_that_run_in_parallel_keep_apart() -> None:
    s = Session(isSidechain=True)
    events, _ = read(
        [
            s.prompt(0, uuid="p1"),
            s.prompt(1, uuid="p2"),
            s.answer(2, "a", text("1"), parent="p1", uuid="a1", out=1),
            s.answer(3, "b", text("1"), parent="p2", uuid="b1", out=1),
            s.answer(4, "a", text("2"), parent="a1", out=2),
            s.answer(6, "b", text("2"), parent="b1", out=3),
        ]
    )
    assert [(e.span_id, e.output_tokens, e.duration_us) for e in events] == [
        ("a", 2, 4_000_000),
        ("b", 3, 5_000_000),
    ]


def test_lines_that_a_resume_repeats_count_once() -> None:
    s = Session()
    lines = [
        s.prompt(0, uuid="p"),
        s.answer(1, "m1", tool("t1"), parent="p", uuid="a"),
        s.result(2, "t1", parent="a", uuid="r"),
        s.answer(3, "m2", text("x"), parent="r"),
    ]
    again = [line.replace(b'"uuid": "', b'"uuid": "copy-') for line in lines]
    once, _ = read(lines)
    same_ids, reader = read(lines + lines)
    assert same_ids == once
    assert reader.skipped["repeated"] == 4
    new_ids, _ = read(lines + again)
    assert new_ids == once


def test_the_programs_own_messages_are_no_responses() -> None:
    s = Session()
    events, reader = read(
        [s.prompt(0, uuid="p"), s.answer(1, "m1", text("API Error"), parent="p", model="<synthetic>")]
    )
    assert events == []
    assert reader.skipped == {"synthetic": 1}


def test_unknown_lines_torn_lines_and_wrong_types_cost_only_themselves() -> None:
    s = Session()
    good = s.answer(1, "m1", text("x"), parent=None)
    events, reader = read(
        [
            b'{"type":"summary","summary":"words","leafUuid":"z"}',
            b"[1, 2]",
            b'{"type":"user","uuid":"u1","time',
            b"",
            b'\xff\xfe{"type":"user"}',
            json.dumps({"type": "user", "uuid": "k", "message": {"content": "no time"}}).encode(),
            json.dumps({"type": "user", "timestamp": "yesterday", "message": {"content": "x"}}).encode(),
            s.answer(1, "bad", text("x"), parent=None, usage={"input_tokens": -5}),
            s.line("assistant", 1, parent=None, message="words"),
            s.result(1, "nobody", parent=None),
            good,
        ]
    )
    assert [event.span_id for event in events] == ["m1"]
    assert reader.skipped == {"other": 1, "unreadable": 8, "unknown call": 1}


def test_older_usage_knows_no_split_of_cache_writes() -> None:
    s = Session()
    events, _ = read([s.answer(1, "m1", text("x"), parent=None, usage={"cache_creation": None})])
    assert (events[0].cache_write_5m_tokens, events[0].cache_write_1h_tokens) == (30, 0)
    assert events[0].input_tokens == 133


def test_without_content_sizes_remain_and_texts_do_not() -> None:
    s = Session()
    lines = [
        s.prompt(0, "my secret", uuid="p"),
        s.answer(1, "m1", text("secret"), tool("t1", key="secret"), parent="p", uuid="a"),
        s.result(2, "t1", parent="a", content="secret"),
    ]
    events, _ = read(lines, content=False)
    assert "secret" not in str(events)
    assert events[0].metadata["output_chars"] == 6
    assert events[1].metadata["output_chars"] == 6
    kept, _ = read(lines)
    assert kept[0].input == "my secret"
    assert [e.metadata.get("input_sha256") for e in kept] == [e.metadata.get("input_sha256") for e in events]


def test_a_stop_reason_and_a_request_id_are_kept() -> None:
    s = Session()
    events, _ = read([s.answer(1, "m1", text("x"), parent=None, stop_reason="end_turn", requestId="r9")])
    assert events[0].finish_reasons == ["end_turn"]
    assert events[0].metadata["request_id"] == "r9"
