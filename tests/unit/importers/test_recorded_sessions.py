"""The shipped sessions: what the reader yields is what the raw files hold, and what we promise."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.support.collecting_publisher import CollectingPublisher
from tests.support.session_truth import session_truth

from agentgauge_cli.demo_data import ARCHIVE, PROJECT, replay
from agentgauge_cli.demo_data.pack import pack
from agentgauge_schemas.conventions import CHAT, EXECUTE_TOOL

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def replayed() -> CollectingPublisher:
    publisher = CollectingPublisher()
    replay(publisher, now_us=NOW_US)
    return publisher


def test_the_raw_files_hold_what_is_promised() -> None:
    truth = session_truth()
    assert {model: (of.responses, of.input, of.output) for model, of in truth.models.items()} == {
        "claude-opus-4-6": (404, 38_419_249, 97_995),
        "claude-haiku-4-5-20251001": (184, 12_619_476, 29_985),
        "claude-sonnet-4-5-20250929": (3, 50_496, 7),
    }
    cost = {model: round(of.cost_usd(model), 8) for model, of in truth.models.items()}
    assert cost == {
        "claude-opus-4-6": 27.48928025,
        "claude-haiku-4-5-20251001": 1.78904710,
        "claude-sonnet-4-5-20250929": 0.08666370,
    }
    assert (truth.calls.total(), truth.failed.total()) == (765, 39)
    assert [(tool, truth.calls[tool], truth.failed[tool]) for tool in ("Bash", "Read", "Edit")] == [
        ("Bash", 308, 31),
        ("Read", 178, 4),
        ("Edit", 139, 2),
    ]


def test_the_reader_yields_the_responses_of_the_raw_files(replayed: CollectingPublisher) -> None:
    found: dict[str, list[int]] = {}
    for event in replayed.of(CHAT):
        assert event.model is not None
        cache = event.cache_read_tokens + event.cache_write_5m_tokens + event.cache_write_1h_tokens
        values = [
            1,
            event.input_tokens - cache,
            event.cache_read_tokens,
            event.cache_write_5m_tokens,
            event.cache_write_1h_tokens,
            event.output_tokens,
        ]
        sums = found.setdefault(event.model, [0] * len(values))
        found[event.model] = [a + b for a, b in zip(sums, values, strict=True)]
    expected = {
        model: [of.responses, of.uncached, of.cache_read, of.cache_write_5m, of.cache_write_1h, of.output]
        for model, of in session_truth().models.items()
    }
    assert found == expected


def test_the_reader_yields_the_tool_calls_of_the_raw_files(replayed: CollectingPublisher) -> None:
    truth = session_truth()
    calls = replayed.of(EXECUTE_TOOL)
    assert Counter(event.tool for event in calls) == truth.calls
    assert Counter(event.tool for event in calls if event.error_type == "tool_error") == truth.failed
    assert {event.error_type for event in calls} == {None, "tool_error"}
    assert all(event.duration_us is not None for event in calls)


def test_the_replay_ends_now_and_keeps_every_distance() -> None:
    def times(now_us: int) -> list[int]:
        publisher = CollectingPublisher()
        replay(publisher, now_us=now_us)
        return [found.event.time_us for found in publisher.events.values()]

    first, second = times(NOW_US), times(NOW_US + 12_345)
    assert max(first) == NOW_US
    assert [time + 12_345 for time in first] == second


def test_only_the_last_hour_of_the_replay_is_live(replayed: CollectingPublisher) -> None:
    published = list(replayed.events.values())
    assert {found.backfill for found in published} == {True, False}
    assert all(found.backfill == (found.event.time_us < NOW_US - HOUR_US) for found in published)


def test_each_file_is_one_producer_with_a_sequence_without_gaps(replayed: CollectingPublisher) -> None:
    sequences: dict[str, list[int]] = {}
    for producer, seq in sorted(replayed.events):
        sequences.setdefault(producer, []).append(seq)
    assert len(sequences) == 14
    assert all(seqs[0] == 0 and all(b == a + 1 for a, b in pairwise(seqs)) for seqs in sequences.values())
    assert len(replayed.sent) == len(replayed.events) == 591 + 765
    assert "claude-code:32080800-c158-43d5-8f8d-2818a4e9ff7c/agent-640db22" in sequences


def test_the_replay_is_one_project_of_main_agents_and_subagents(replayed: CollectingPublisher) -> None:
    published = replayed.events.values()
    assert {found.resource.project for found in published} == {PROJECT}
    assert {found.event.agent for found in published} == {"claude-code", "claude-code/subagent"}
    assert len({found.event.trace_id for found in published}) == 7


def test_packing_a_folder_gives_the_same_bytes_whenever_it_is_done(tmp_path: Path) -> None:
    for copy in ("first", "second"):
        with ZipFile(ARCHIVE) as archive:
            archive.extractall(tmp_path / copy)
        pack(tmp_path / copy, tmp_path / f"{copy}.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with ZipFile(tmp_path / "first.zip") as packed, ZipFile(ARCHIVE) as shipped:
        assert packed.namelist() == shipped.namelist()
        assert all(packed.read(name) == shipped.read(name) for name in shipped.namelist())
