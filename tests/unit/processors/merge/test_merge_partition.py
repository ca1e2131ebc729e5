"""What merge keeps and publishes: at which pace, within which limits, after which crash."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.merging import EPOCH_S, EPOCH_US, KEY, Merging

from agentgauge_processors.engine.contract import Record, StateError, Tick
from agentgauge_processors.merge import MergeStage, partition
from agentgauge_processors.merge.partition import MAX_RECORD_BYTES
from agentgauge_schemas import Entry, PaneAggregate
from agentgauge_schemas.aggregate import MAX_SUM, PackedAggregate
from agentgauge_schemas.group import OVERFLOW, group_key, overflow_key
from agentgauge_schemas.results import version_of


def tool(number: int) -> str:
    return group_key("tool", ("default", "a", f"t{number}"))


def groups(merging: Merging, numbers: range, *, offset: int) -> None:
    """One entry with a count of one for each of many groups."""
    members = [PaneAggregate(tool(number), EPOCH_S // 10, PackedAggregate(count=1)) for number in numbers]
    merging.entry(Entry(0, 0, offset, False, members))


# Each entry once.


def test_an_entry_that_comes_again_is_dropped_and_an_older_one_too() -> None:
    merging = Merging()
    entries = [
        Entry(0, 0, offset, False, [PaneAggregate(KEY, EPOCH_S // 10, PackedAggregate(count=1))])
        for offset in (5, 6)
    ]
    for each in (*entries, *entries, entries[0]):
        merging.entry(each)
    merging.cut(last=True)
    assert merging.total().total.count == 2


def test_sources_and_incarnations_are_told_apart() -> None:
    merging = Merging(sources=2)
    for source, incarnation, offset in [(0, 0, 9), (1, 0, 3), (0, 1, 0), (0, 0, 10), (0, 1, 1), (1, 0, 3)]:
        one = PackedAggregate(count=1)
        merging.entry(Entry(source, incarnation, offset, False, [PaneAggregate(KEY, EPOCH_S // 10, one)]))
    merging.cut(last=True)
    assert merging.total().total.count == 4


def test_a_record_below_the_position_is_ignored() -> None:
    merging = Merging()
    merging.event(1)
    merging.stage.apply(merging.log[0])
    merging.stage.apply(Record(0, 7, merging.now_us, None, merging.log[0].value))
    assert merging.stage.next(0) == 8
    merging.cut(last=True)
    assert merging.total().total.count == 1


# The pace of results.


def test_totals_of_a_group_are_published_at_once_and_then_every_second() -> None:
    merging = Merging()
    published: list[int] = []
    for tenth in range(25):
        merging.event(1)
        merging.cut()
        if len(merging.series()) > len(published):
            published.append(tenth)
        merging.pass_time(0.1)
    assert published == [0, 10, 20]


def test_above_2_000_waiting_groups_the_pace_is_stretched_to_15_s_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundredth of the real numbers: they are what takes time."""
    assert partition.CALM_GROUPS == 2_000
    monkeypatch.setattr(partition, "CALM_GROUPS", 20)
    for count, pace_s in ((20, 1), (80, 4), (400, 15)):
        merging = Merging(view_limit=100_000)
        groups(merging, range(count), offset=0)
        merging.cut()
        assert len(merging.series()) == count
        groups(merging, range(count), offset=1)
        merging.pass_time(pace_s - 0.1)
        merging.cut()
        assert len(merging.series()) == count, "not yet"
        merging.pass_time(0.1)
        merging.cut()
        assert len(merging.series()) == 2 * count


def test_whoever_gives_a_partition_up_publishes_all_of_it() -> None:
    merging = Merging()
    merging.event(1)
    merging.cut()
    merging.event(1)
    merging.cut()
    assert merging.total().total.count == 1
    merging.cut(last=True)
    assert merging.total().total.count == 2


def test_nothing_is_written_when_nothing_changed() -> None:
    merging = Merging()
    assert merging.cut() is None
    merging.event(1)
    assert merging.cut() is not None
    merging.pass_time(100)
    assert merging.cut() is None


def test_progress_alone_is_worth_a_checkpoint_every_10_s() -> None:
    merging = Merging()
    merging.event(1)
    merging.cut()
    written = []
    for second in range(25):
        merging.pass_time(1)
        merging.watermark(2 + second / 10)
        if merging.cut() is not None:
            written.append(second)
    assert written == [9, 19]


def test_versions_of_a_record_rise_with_the_log() -> None:
    merging = Merging()
    for _ in range(3):
        merging.event(1)
        merging.pass_time(1)
        merging.cut()
    versions = [series.version for _, series in merging.series()]
    assert versions == [0, 1, 2]


# Limits.


def test_groups_beyond_the_limit_of_their_view_count_in_one_that_says_so() -> None:
    merging = Merging(view_limit=3)
    for number in range(10):
        merging.event(1, key=tool(number), count=number)
    merging.event(1, key=group_key("user", ("default", "u")))
    merging.cut(last=True)
    totals = dict(merging.series())
    overflow = totals[overflow_key("tool", 0)]
    assert overflow.group == {"project": OVERFLOW, "agent": OVERFLOW, "tool": OVERFLOW}
    assert overflow.total.count == sum(range(3, 10))
    assert {tool(number) for number in range(3)} < set(totals)
    assert sum(series.total.count for name, series in totals.items() if '"tool"' in name) == sum(range(10))
    assert group_key("user", ("default", "u")) in totals, "each view has its own limit"


def test_known_groups_stay_apart_after_the_limit_was_met_and_a_crash() -> None:
    merging = Merging(view_limit=3)
    for number in range(6):
        merging.event(1, key=tool(number))
    merging.cut()
    merging.crash()
    for number in range(6):
        merging.event(1, key=tool(number))
    merging.cut(last=True)
    assert [merging.total(tool(number)).total.count for number in range(3)] == [2, 2, 2]
    assert merging.total(overflow_key("tool", 0)).total.count == 6


def test_error_types_beyond_64_of_a_group_are_other_errors() -> None:
    merging = Merging()
    for number in range(100):
        merging.event(1, aggregate=PackedAggregate(count=2, errors={f"e{number}": 1, "e0": 1}))
    merging.watermark(20)
    merging.cut(last=True)
    errors = merging.total().total.errors
    assert len(errors) == 65
    assert errors["e0"] == 100
    assert errors["other"] == 36
    assert sum(errors.values()) == 199
    merging.crash()
    merging.event(31, aggregate=PackedAggregate(count=2, errors={"e7": 1, "new": 1}))
    merging.cut(last=True)
    assert merging.total().total.errors == {**errors, "e7": 2, "other": 37}


def test_a_view_that_only_a_later_reduce_knows_is_merged_like_any_other() -> None:
    merging = Merging()
    key = group_key("prompt", ("shop", "greeting", "3"))
    merging.event(1, key=key)
    merging.cut(last=True)
    merging.crash()
    merging.event(1, key=key)
    merging.cut(last=True)
    assert merging.total(key).total.count == 2
    assert merging.total(key).group == {"1": "shop", "2": "greeting", "3": "3"}


# Checkpoints.


def test_a_shard_above_4_mb_is_cut_and_its_chunks_are_deleted_when_it_shrinks() -> None:
    """Windows of many panes make a shard large; when they have left memory it is small again."""
    merging = Merging()
    errors = {f"e{number}" + "x" * 240: 1 for number in range(64)}
    keys = same_shard(12)
    for pane in range(120):
        for key in keys:
            merging.event(10 * pane, key=key, aggregate=PackedAggregate(count=1, errors=dict(errors)))
    merging.cut(last=True)
    chunked = [key for key in merging.state if key.startswith(b"groups-")]
    assert len(chunked) > 1
    assert max(map(len, merging.state.values())) <= MAX_RECORD_BYTES
    merging.watermark(50 * 86_400)
    checkpoint = merging.cut(last=True)
    assert checkpoint is not None
    deleted = {key for key, value in checkpoint.state if value is None}
    assert deleted == set(chunked[1:])
    merging.crash()
    for key in keys:
        merging.event(10, key=key)
    merging.cut(last=True)
    assert {merging.total(key).total.count for key in keys} == {121}


def same_shard(count: int) -> list[str]:
    """Keys whose groups are kept in one shard, found by asking a checkpoint."""
    merging = Merging()
    shards: dict[bytes, list[str]] = {}
    for number in range(count * 64):
        merging.event(1, key=tool(number))
        checkpoint = merging.cut()
        assert checkpoint is not None
        (shard,) = (key for key, _ in checkpoint.state if key.startswith(b"groups-"))
        shards.setdefault(shard, []).append(tool(number))
        if len(shards[shard]) == count:
            return shards[shard]
    raise AssertionError("the groups spread over their shards")


def test_a_checkpoint_with_a_part_missing_or_spoilt_is_refused() -> None:
    merging = Merging()
    groups(merging, range(50), offset=0)
    merging.cut()
    assert len(merging.state) > 10
    for key in merging.state:
        for spoilt in (None, b"\xc1"):
            state = {name: value for name, value in merging.state.items() if name != key}
            if spoilt is not None:
                state[key] = spoilt
            with pytest.raises(StateError):
                Merging(state=state)


def test_a_checkpoint_for_another_number_of_merge_partitions_is_refused() -> None:
    merging = Merging()
    merging.event(1)
    merging.cut()
    with pytest.raises(StateError, match="made for 1 merge partitions"):
        MergeStage(merge_partitions=2).load(0, merging.state)


def test_a_summary_that_was_not_published_before_a_crash_is_published_after_it() -> None:
    r"""
    0      59   60
    |-x----:----|   published with the event
                W   the minute closes, less than a second later: checkpoint, crash
    """
    merging = Merging()
    merging.event(1)
    merging.cut()
    merging.pass_time(0.5)
    merging.watermark(60)
    merging.cut()
    assert merging.total().windows == {}
    merging.crash()
    merging.pass_time(1)
    merging.cut()
    assert set(merging.total().windows) == {"1m"}


def test_in_a_new_log_versions_are_higher_from_the_first_moment() -> None:
    merging = Merging()
    for _ in range(3):
        merging.event(1)
    merging.cut()
    merging.event(1)
    merging.cut()
    before = merging.total().version
    merging.crash()
    merging.stage.restart(0)
    assert merging.stage.next(0) == 0
    merging.log.clear()
    merging.cut(last=True)
    between = merging.total().version
    merging.entry(Entry(0, 0, 100, False, [PaneAggregate(KEY, EPOCH_S // 10, PackedAggregate(count=1))]))
    merging.cut(last=True)
    assert before < between < merging.total().version == version_of(1, 0)
    assert merging.total().total.count == 5


def test_records_that_expired_unread_are_skipped_and_the_position_is_kept() -> None:
    merging = Merging()
    merging.event(1)
    merging.stage.skip(0, 9)
    merging.cut()
    stage = MergeStage(merge_partitions=1)
    assert stage.load(0, merging.state).next == 9


def test_a_partition_that_was_released_is_somebody_else_s() -> None:
    merging = Merging()
    merging.event(1)
    merging.stage.release(0)
    with pytest.raises(KeyError):
        merging.stage.cut(0, Tick(EPOCH_US, {}))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(-4_000, 4_000), st.booleans()),
        st.tuples(st.just("watermark"), st.integers(-100, 4_000), st.booleans()),
        st.tuples(st.sampled_from(("cut", "crash")), st.just(0), st.booleans()),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.sampled_from((0, 30, 3_600)))
def test_windows_and_totals_are_exact_whatever_comes_when(
    plan: list[tuple[str, int, bool]], lateness_s: int
) -> None:
    """Any event times and watermarks, cuts and crashes between them: parts add up to the truth."""
    merging = Merging(allowed_lateness_s=lateness_s)
    truth: dict[int, int] = {}
    for what, at_s, flag in plan:
        merging.pass_time(0.4)
        match what:
            case "event":
                merging.event(at_s, backfill=flag)
                truth[at_s] = truth.get(at_s, 0) + 1
            case "watermark":
                merging.watermark(at_s)
            case "cut":
                merging.cut(last=flag)
            case _:
                merging.crash()
    merging.watermark(100_000 + 86_400)
    merging.cut(last=True)
    for size_s in (10, 60, 300, 3_600, 86_400):
        expected: dict[int, int] = {}
        for at_s, count in truth.items():
            start = (EPOCH_S + at_s) // size_s * size_s - EPOCH_S
            expected[start] = expected.get(start, 0) + count
        assert {start: merging.value(start, size_s) for start in expected} == expected
        assert {start for start, *_ in merging.published(size_s)} == set(expected)
    if truth:
        assert merging.total().total.count == sum(truth.values())


def test_totals_beyond_64_bits_stop_at_62() -> None:
    merging = Merging()
    for number in range(6):
        merging.event(10 * number, aggregate=PackedAggregate(count=1, cost_nanousd=1 << 62))
    merging.watermark(50)
    merging.cut(last=True)
    assert merging.total().total.cost_nanousd == MAX_SUM == 1 << 62
    assert merging.total().total.count == 6
    assert all(window.total.cost_nanousd == MAX_SUM for window in merging.windows())
    merging.crash()
    merging.event(0, aggregate=PackedAggregate(count=1, cost_nanousd=1))
    merging.cut(last=True)
    assert merging.total().total.count == 7
