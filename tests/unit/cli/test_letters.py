"""Dead letters are found wherever they stand, and shown whatever is in them."""

import pytest
from tests.support.dead_letters import append_letters, block_letter, event_letter

from agentgauge_cli.errors import CliError
from agentgauge_cli.letter_view import details, print_letter, print_letters, summary
from agentgauge_cli.letters import Letter, LetterId, find_letters, newest_letters
from agentgauge_processors.engine.contract import Append, Message, Record
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic

EVENT = b'{"kind":"log","time_us":5}'


async def test_the_newest_letters_of_all_partitions_come_first() -> None:
    now = iter(range(1_000))
    with SqliteLog(":memory:", now_us=lambda: next(now)) as log:
        for offset in range(6):
            await append_letters(log, offset % 2, [event_letter(EVENT, offset=offset)])
        found = await newest_letters(log, 4)
    assert [letter.content and letter.content.offset for letter in found] == [5, 4, 3, 2]


async def test_expired_letters_are_passed_over() -> None:
    with SqliteLog(":memory:") as log:
        await append_letters(log, 0, [event_letter(EVENT, offset=offset) for offset in range(10)])
        await log.trim(Topic.DLQ, 0, 8)
        found = await newest_letters(log, 50)
    assert [letter.id.offset for letter in found] == [9, 8, 7]


@pytest.mark.parametrize("missing", [LetterId(0, 1), LetterId(3, 0), LetterId(99, 0)])
async def test_a_letter_that_is_not_there_is_an_error(missing: LetterId) -> None:
    with SqliteLog(":memory:") as log:
        await append_letters(log, 0, [event_letter(EVENT)])
        with pytest.raises(CliError, match=f"no dead letter {missing}"):
            [letter async for letter in find_letters(log, [missing])]


async def test_a_foreign_record_in_the_topic_is_a_letter_without_content() -> None:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, Message(Topic.DLQ, None, b"hello"))])
        [letter] = [letter async for letter in find_letters(log, [LetterId(0, 0)])]
    assert letter.content is None
    assert summary(letter).reason == "foreign"


def shown(capsys: pytest.CaptureFixture[str], value: bytes) -> str:
    content = block_letter(value)
    print_letter(Letter(Record(2, 3, 9, None, value, tuple(content.headers())), content))
    return capsys.readouterr().out


def test_json_is_shown_indented(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, b'{"events":[{"kind":"log"}]}')
    assert '      "kind": "log"' in out
    assert "agentgauge.events 2:7" in out
    assert "undecodable: not a block" in out
    assert "producer=p-1" in out


def test_binary_is_shown_as_a_hex_dump(capsys: pytest.CaptureFixture[str]) -> None:
    assert "00000000  ff 00 41 42" in shown(capsys, b"\xff\x00AB")


def test_broken_json_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert '{"events":[{"ki' in shown(capsys, b'{"events":[{"ki')


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, b"\x1b[2J\xe2\x80\xaecafe")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[2J\\u202ecafe" in out


def test_a_large_text_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "ä".encode() * 20_000)
    assert "23.6 kB more" in out
    assert "\ufffd" not in out


def test_details_hold_all_of_a_binary_value_as_hex() -> None:
    content = block_letter(b"\xff\x00")
    found = details(Letter(Record(2, 3, 9, None, content.value, tuple(content.headers())), content))
    assert (found.text, found.hex, found.headers["seq"]) == (None, "ff00", "100")


def test_a_list_says_which_why_and_how_many_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    contents = [event_letter(EVENT, error="negative duration"), block_letter(b"{"), block_letter(b"[")]
    print_letters(
        [Letter(Record(0, i, 9, None, c.value, tuple(c.headers())), c) for i, c in enumerate(contents)]
    )
    out = capsys.readouterr().out
    assert "0:0" in out
    assert "negative duration" in out
    assert "undecodable: 2; invalid_event: 1" in out


def test_no_letters_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_letters([])
    assert capsys.readouterr().out == "No dead letters.\n"
