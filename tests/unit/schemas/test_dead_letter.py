"""A dead letter keeps what came, where it came from and why it was refused."""

import hashlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge_schemas.dlq import KEPT_BYTES, MAX_VALUE_BYTES, DeadLetter, Reason, cut, cut_headers

header_names = st.text(max_size=10)
letters = st.builds(
    DeadLetter,
    value=st.binary(max_size=50),
    kind=st.sampled_from(("block", "event")),
    reason=st.sampled_from(get_args(Reason)),
    error=st.text(max_size=1_000),
    topic=st.just("events"),
    partition=st.integers(0, 1_000),
    offset=st.integers(0, 1 << 62),
    time_us=st.integers(0, 1 << 53),
    producer=st.text(max_size=40),
    seq=st.integers(-1, 1 << 62),
    count=st.integers(0, 100_000),
    origin_headers=st.dictionaries(header_names, st.binary(max_size=20), max_size=5).map(
        lambda found: tuple(found.items())
    ),
    size=st.integers(0, 1 << 40),
    sha256=st.sampled_from(("", "ab" * 32)),
)


@given(letters)
def test_a_letter_comes_back_from_its_record(letter: DeadLetter) -> None:
    assert DeadLetter.parse(letter.value, letter.headers()) == letter


@given(letters)
def test_headers_of_the_source_cannot_pass_for_the_letter_s_own(letter: DeadLetter) -> None:
    forged = msgspec.structs.replace(letter, origin_headers=(("reason", b"forged"), ("origin.x", b"\xff")))
    back = DeadLetter.parse(forged.value, forged.headers())
    assert back.reason == letter.reason
    assert back.origin_headers == forged.origin_headers


def test_a_long_error_is_cut() -> None:
    letter = DeadLetter(
        value=b"",
        kind="block",
        reason="foreign",
        error="x" * 5_000,
        topic="t",
        partition=0,
        offset=0,
        time_us=0,
    )
    assert len(dict(letter.headers())["error"]) == 1_000


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("kind", b"\xff")],
        [("kind", b"block")],
        [("kind", b"letter"), ("reason", b"foreign"), ("error", b"")],
    ],
)
def test_what_is_no_letter_is_refused(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        DeadLetter.parse(b"", headers)


def test_a_value_above_4_mb_is_cut_and_said_to_be() -> None:
    whole = b"x" * MAX_VALUE_BYTES
    assert cut(whole) == (whole, 0, "")
    longer = whole + b"y"
    kept, size, sha256 = cut(longer)
    assert kept == longer[:KEPT_BYTES]
    assert size == len(longer)
    assert sha256 == hashlib.sha256(longer).hexdigest()


def test_of_the_source_s_headers_64_kb_are_kept() -> None:
    ours = [("schema", b"1"), ("producer", b"p")]
    assert cut_headers(ours) == tuple(ours)
    assert cut_headers([*ours, ("noise", b"x" * KEPT_BYTES), ("more", b"y")]) == tuple(ours)
