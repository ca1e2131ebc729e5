"""The headers of a block: whose events these are, or that nobody can say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge_schemas.block import BlockHeaders, Resource, UnknownVersion
from agentgauge_schemas.errors import ForeignRecord

headers = st.builds(
    BlockHeaders,
    producer=st.text(min_size=1, max_size=256),
    partition=st.integers(0, 10_000),
    seq=st.integers(0, 1 << 62),
    count=st.integers(0, 100_000),
    flush_ms=st.integers(0, 86_400_000),
    backfill=st.booleans(),
)


@given(headers)
def test_headers_come_back_and_may_have_company(written: BlockHeaders) -> None:
    assert BlockHeaders.decode([*written.encode(), ("traceparent", b"\xff")]) == written


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes]]:
    found: dict[str, bytes | None] = dict(BlockHeaders("p", 0, 7, 1).encode())
    found[name] = value
    # Kafka knows headers without a value, and clients hand them over as None.
    return list(found.items())  # type: ignore[arg-type] # the very thing that is tested


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("producer", b""),
        ("producer", b"\xff"),
        ("producer", b"p" * 257),
        ("producer", None),
        ("seq", b"-1"),
        ("seq", b"%d" % ((1 << 62) + 1)),
        ("seq", b"seven"),
        ("seq", b"9" * 5_000),
        ("seq", None),
        ("count", b"100001"),
        ("count", b"-1"),
        ("partition", b"-1"),
        ("flush", b"-5"),
        ("flush", b"1" + b"0" * 30),
        ("flush", None),
        ("format", b"\xff"),
        ("schema", b"0"),
        ("schema", b""),
    ],
)
def test_headers_that_cannot_be_meant_are_foreign(name: str, value: bytes | None) -> None:
    with pytest.raises(ForeignRecord, match="not a block of agentgauge"):
        BlockHeaders.decode(changed(name, value))


@pytest.mark.parametrize("name", ["schema", "producer", "partition", "seq", "count"])
def test_a_header_that_is_missing_makes_the_record_foreign(name: str) -> None:
    with pytest.raises(ForeignRecord, match=name):
        BlockHeaders.decode([header for header in BlockHeaders("p", 0, 7, 1).encode() if header[0] != name])


def test_flush_format_and_backfill_may_be_missing() -> None:
    short = [header for header in BlockHeaders("p", 0, 7, 1).encode() if header[0] not in ("flush", "format")]
    assert BlockHeaders.decode(short) == BlockHeaders("p", 0, 7, 1, flush_ms=1_000, backfill=False)


@pytest.mark.parametrize(("name", "value"), [("schema", b"2"), ("format", b"msgpack")])
def test_of_a_later_version_the_account_is_still_known(name: str, value: bytes) -> None:
    with pytest.raises(UnknownVersion) as raised:
        BlockHeaders.decode(changed(name, value))
    assert (raised.value.headers.producer, raised.value.headers.seq) == ("p", 7)


def test_a_resource_is_trimmed_text_by_text() -> None:
    resource = Resource(project="p" * 300, service="s", process=7)
    assert resource.trimmed(256) == Resource(project="p" * 256, service="s", process=7)
