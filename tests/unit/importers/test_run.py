"""Importing files: times, progress, and files that cannot be read."""

import os
from pathlib import Path

import pytest
from tests.support.collecting_publisher import CollectingPublisher
from tests.support.session_lines import Session, text, tool

from agentgauge_cli.importers.files import find_files
from agentgauge_cli.importers.publish import Options
from agentgauge_cli.importers.run import import_files, totals

NOW_US = 1_790_000_000_000_000
DAY_S = 86_400


def write(path: Path, lines: list[bytes], *, age_s: float) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    os.utime(path, (NOW_US / 1e6 - age_s,) * 2)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    first, second = Session("s1"), Session("s2")
    write(
        tmp_path / "s1.jsonl",
        [
            first.prompt(0, uuid="p"),
            first.answer(10, "m1", tool("t1"), parent="p"),
            first.result(20, "t1", parent="p"),
        ],
        age_s=DAY_S,
    )
    write(
        tmp_path / "s2.jsonl",
        [second.prompt(1, uuid="p"), second.answer(50, "m2", text("a"), parent="p")],
        age_s=10,
    )
    return tmp_path


def test_original_times_are_old_data(folder: Path) -> None:
    publisher = CollectingPublisher()
    reports = import_files(publisher, find_files([folder]), options=Options(), now_us=NOW_US)
    assert [found.backfill for found in publisher.events.values()] == [True, True]
    assert publisher.of("execute_tool")[0].time_us == 1_770_890_420_000_000
    assert [(report.producer, report.responses, report.tool_calls, report.open) for report in reports] == [
        ("claude-code:s1", 1, 1, []),
        ("claude-code:s2", 0, 0, [0]),
    ]
    assert totals(reports).open == 1


def test_a_shift_ends_the_latest_complete_item_now(folder: Path) -> None:
    publisher = CollectingPublisher()
    read: list[int] = []
    files = find_files([folder])
    import_files(publisher, files, options=Options(), now_us=NOW_US, shift_to_now=True, on_read=read.append)
    times = sorted(found.event.time_us for found in publisher.events.values())
    assert times == [NOW_US - 10_000_000, NOW_US]
    assert not any(found.backfill for found in publisher.events.values())
    assert sum(read) == 2 * sum(file.stat().st_size for file in files)


def test_importing_twice_publishes_the_same_again(folder: Path) -> None:
    publisher = CollectingPublisher()
    for _ in range(2):
        import_files(publisher, find_files([folder]), options=Options(), now_us=NOW_US)
    assert len(publisher.sent) == 2 * len(publisher.events)
    assert len(set(publisher.sent)) == len(publisher.events)


def test_a_file_that_vanished_is_reported(folder: Path) -> None:
    files = find_files([folder])
    files[0].unlink()
    reports = import_files(
        CollectingPublisher(), files, options=Options(), now_us=NOW_US + 10**9, shift_to_now=True
    )
    assert reports[0].skipped == {"unreadable file": 1}
    assert reports[1].responses == 1
