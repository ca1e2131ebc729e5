"""Figures and names are shown readable, exact and harmless."""

import pytest

from agentgauge_cli.rendering import (
    Column,
    bytes_text,
    duration_text,
    fitted,
    plural,
    print_table,
    printable,
    span_text,
    time_text,
)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 ms"), (420, "0.42 ms"), (42_123, "42.1 ms"), (999_499, "999 ms"), (999_500, "1.00 s"),
        (1_234_567, "1.23 s"), (75_340_000, "75.3 s"), (99_949_999, "99.9 s"), (100_000_000, "100 s"),
        (599_000_000, "599 s"), (600_000_000, "10 min"),
    ],
)  # fmt: skip
def test_durations_have_three_digits(microseconds: int, text: str) -> None:
    assert duration_text(microseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (185, "3 min 5 s"),
        (3_600, "1 h"),
        (187_200, "2 d 4 h"),
        (-75, "1 min 15 s"),
    ],
)
def test_long_times_have_two_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (64_000, "64.0 kB"), (1_234_567_890_123_456, "1234.6 TB")]
)
def test_sizes_have_a_unit(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_times_are_utc_with_milliseconds_never_rounded_up() -> None:
    assert time_text(1_770_724_991_999_999) == "2026-02-10 12:03:11.999"


def test_plurals() -> None:
    assert (plural(1, "event"), plural(1_234, "event")) == ("1 event", "1,234 events")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plänner 用", "plänner 用"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb", r"a\nb"),
        ("\u202etxt", r"\u202etxt"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_in_a_pipe_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["x" * 200, "7"], ["[bold]b", "1,234"]]
    print_table("Things", [Column("name", spare=1), Column("count", number=True)], rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Things"
    assert lines[2] == f"  {'x' * 200}      7"
    assert lines[3] == "  " + "[bold]b".ljust(200) + "  1,234"


NAME, CALLS, P50, P95 = (
    Column("name"),
    Column("calls", number=True),
    Column("p50", number=True, spare=1),
    Column("p95", number=True),
)


@pytest.mark.parametrize(
    ("available", "widths"),
    [
        (80, {0: 30, 1: 6, 2: 7, 3: 7}),  # all of it
        (54, {0: 28, 1: 6, 2: 7, 3: 7}),  # the name is cut
        (50, {0: 24, 1: 6, 2: 7, 3: 7}),  # as short as it may be
        (49, {0: 30, 1: 6, 3: 7}),  # p50 is spared
        (10, {0: 24, 1: 6, 3: 7}),  # numbers are never cut
    ],
)
def test_a_narrow_terminal_spares_columns_and_cuts_names_never_numbers(
    available: int, widths: dict[int, int]
) -> None:
    assert fitted([NAME, CALLS, P50, P95], [30, 6, 7, 7], available) == widths
