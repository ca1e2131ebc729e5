"""One bad event costs only itself, one bad block only itself, and both ways of decoding agree."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.strategies import hot_events

from agentgauge_processors.validation import BlockFault, DecodedBlock, decode, decode_each
from agentgauge_processors.validation.decode import MAX_COUNT
from agentgauge_schemas.block import MAX_DECODED_BYTES, BlockHeaders, Resource, encode_block
from agentgauge_schemas.dlq import Reason
from agentgauge_schemas.event import MAX_EVENT_BYTES, HotEvent

Headers = list[tuple[str, bytes]]
GOOD = b'{"kind":"span","time_us":7,"operation":"chat","agent":"a"}'


def headers(count: int) -> Headers:
    return BlockHeaders(producer="p", partition=0, seq=100, count=count).encode()


def block(*events: bytes) -> bytes:
    return encode_block(Resource(project="shop"), events)


def both(found: Headers, value: bytes | None) -> DecodedBlock:
    """What both functions say, which must be the same."""
    decoded = decode(found, value)
    other, texts = decode_each(found, value)
    assert decoded == other
    assert len(texts) == len(decoded.events)
    return decoded


def fault_of(found: Headers, value: bytes | None) -> BlockFault:
    with pytest.raises(BlockFault) as one:
        decode(found, value)
    with pytest.raises(BlockFault) as other:
        decode_each(found, value)
    assert (one.value.reason, str(one.value)) == (other.value.reason, str(other.value))
    return one.value


def nested(depth: int) -> bytes:
    return b'{"kind":"log","time_us":7,"metadata":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "bad",
    [
        b"{}",
        b"[]",
        b"null",
        b'"span"',
        b'{"kind":"span"}',
        b'{"kind":"party","time_us":7}',
        b'{"kind":"span","time_us":-1}',
        b'{"kind":"span","time_us":253402300800000000}',
        b'{"kind":"span","time_us":7.5}',
        b'{"kind":"span","time_us":"7"}',
        b'{"kind":"span","time_us":7,"duration_us":-1}',
        b'{"kind":"span","time_us":7,"duration_us":9007199254740993}',
        b'{"kind":"span","time_us":7,"input_tokens":null}',
        b'{"kind":"span","time_us":7,"cost_nanousd":0.5}',
        b'{"kind":"span","time_us":7,"cost_nanousd":NaN}',
        b'{"kind":"span","time_us":7,"cost_nanousd":Infinity}',
        b'{"kind":"span","time_us":7,"input_tokens":1' + b"0" * 5_000 + b"}",
        b'{"kind":"span","time_us":7,"agent":5}',
        b'{"kind":"span","time_us":7,"agent":"\\ud800"}',
        b'{"kind":"span","time_us":7,"note":"\\ud800"}',
        b'{"kind":"span","time_us":7,"agent":"\xff\xfe"}',
        b'{"kind":"span","time_us":7,"status":"odd"}',
        b'{"kind":"span","time_us":7,"sampled":1}',
    ],
)
def test_an_event_that_is_wrong_costs_only_itself(bad: bytes) -> None:
    decoded = both(headers(3), block(GOOD, bad, GOOD))
    good = msgspec.json.decode(GOOD, type=HotEvent)
    assert decoded.events == [good, None, good]
    (fault,) = decoded.faults
    assert (fault.index, fault.reason) == (1, "invalid_event")
    assert fault.error
    assert decoded.resource.project == "shop"


def test_an_event_with_a_wrong_field_is_told_where() -> None:
    decoded = both(headers(1), block(b'{"kind":"span","time_us":7,"duration_us":-1}'))
    assert "$.duration_us" in decoded.faults[0].error


@pytest.mark.parametrize(
    "odd",
    [
        b'{"kind":"span","time_us":7,"agent":"a","agent":"b"}',
        b'{"kind":"span","time_us":7,"later":{"any":["thing",1e999]}}',
        b'{"kind":"span","time_us":7,"metadata":{"n":1' + b"0" * 400 + b"}}",
        b'{"kind":"span","time_us":0,"duration_us":9007199254740992}',
        '{"kind":"span","time_us":7,"agent":"\\u0000\u2603😀"}'.encode(),
        nested(200),
    ],
)
def test_an_event_that_is_only_odd_is_valid(odd: bytes) -> None:
    decoded = both(headers(2), block(odd, GOOD))
    assert None not in decoded.events
    assert decoded.faults == []


def test_the_last_of_two_equal_keys_counts() -> None:
    decoded = both(headers(1), block(b'{"kind":"span","time_us":7,"agent":"a","agent":"b"}'))
    assert decoded.events[0] is not None
    assert decoded.events[0].agent == "b"


def test_nesting_without_end_is_a_fault_and_no_crash() -> None:
    assert fault_of(headers(2), block(GOOD, nested(200_000))).reason == "undecodable"
    assert fault_of(headers(1), b'{"events":[],"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}").reason


def large(size: int, text: str = "x") -> bytes:
    return msgspec.json.encode({"kind": "span", "time_us": 7, "input": text * size})


def test_an_event_over_256_kib_is_refused_in_a_block_of_any_size() -> None:
    empty = len(large(0))
    for others in (1, MAX_COUNT - 2):
        fits, too_large = large(MAX_EVENT_BYTES - empty), large(MAX_EVENT_BYTES - empty + 1)
        decoded = both(headers(others + 2), block(fits, too_large, *[GOOD] * others))
        assert [fault.reason for fault in decoded.faults] == ["event_too_large"]
        assert decoded.faults[0].index == 1
        assert decoded.events.count(None) == 1


def test_another_event_s_fault_makes_no_event_too_large() -> None:
    """100,000 characters of three bytes: as escapes they would be twice the size."""
    chinese = b'{"kind":"span","time_us":7, "input":"' + "漢".encode() * 80_000 + b'"}'
    assert len(chinese) < MAX_EVENT_BYTES < len(json.dumps("漢" * 80_000))
    decoded = both(headers(2), block(chinese, b'{"kind":"span","time_us":7,"cost_nanousd":NaN}'))
    assert [fault.reason for fault in decoded.faults] == ["invalid_event"]
    assert decoded.events[0] is not None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "undecodable"),
        (b"", "undecodable"),
        (b'{"events":[' + GOOD, "undecodable"),
        (block(GOOD)[:-1], "undecodable"),
        (block(GOOD) + b"}", "undecodable"),
        (b"\x00\x01\x02", "undecodable"),
        (b"[]", "undecodable"),
        (b'"text"', "undecodable"),
        (b'{"events":{}}', "undecodable"),
        (b'{"events":"a"}', "undecodable"),
        (b'{"events":null}', "undecodable"),
        (b'{"events":{"a":1},"n":NaN}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"resource":[]}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"resource":{"project":5}}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"resource":{"project":"\\ud800"}}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"dropped":{"\\ud800":1}}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"dropped":{"full":-1}}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"queue_depth":9007199254740993}', "undecodable"),
        (b'{"events":[' + GOOD + b'],"final":"yes"}', "undecodable"),
        (block(), "count"),
        (block(GOOD, GOOD), "count"),
        (b"{}", "count"),
        (b" " * (MAX_DECODED_BYTES + 1), "too_large"),
    ],
)
def test_a_block_that_is_wrong_is_one_fault_of_a_known_account(value: bytes | None, reason: Reason) -> None:
    fault = fault_of(headers(1), value)
    assert fault.reason == reason
    assert fault.headers is not None
    assert (fault.headers.producer, fault.headers.seq) == ("p", 100)


def test_a_block_of_more_events_than_an_entry_could_carry_is_refused() -> None:
    assert both(headers(MAX_COUNT), block(*[GOOD] * MAX_COUNT)).faults == []
    assert fault_of(headers(MAX_COUNT + 1), block(*[GOOD] * (MAX_COUNT + 1))).reason == "too_large"


def test_8_mib_are_decoded_and_more_is_not() -> None:
    value = block(GOOD)
    padded = value + b" " * (MAX_DECODED_BYTES - len(value))
    assert both(headers(1), padded).faults == []
    assert fault_of(headers(1), padded + b" ").reason == "too_large"


def test_a_foreign_record_is_nobody_s() -> None:
    for found in ([], [("content-type", b"text/plain")], [("schema", b"1")]):
        fault = fault_of(found, block(GOOD))
        assert (fault.reason, fault.headers) == ("foreign", None)


def test_a_later_version_is_refused_whole_and_keeps_its_account() -> None:
    later = [("schema", b"2"), *headers(1)[1:]]
    fault = fault_of(later, block(GOOD))
    assert fault.reason == "version"
    assert fault.headers is not None


def test_a_heartbeat_is_a_block_without_events() -> None:
    decoded = both(headers(0), b'{"queue_depth":3,"dropped":{"full":2},"final":true}')
    assert (decoded.events, decoded.queue_depth, decoded.dropped, decoded.final) == ([], 3, {"full": 2}, True)


edits = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(("cut", "flip", "insert", "drop", "swap")), st.binary(max_size=3)
    ),
    min_size=1,
    max_size=4,
)


def corrupted(value: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    for where, what, noise in changes:
        at = int(where * len(value))
        match what:
            case "cut":
                value = value[:at]
            case "flip":
                value = value[:at] + noise + value[at + len(noise) :]
            case "insert":
                value = value[:at] + noise + value[at:]
            case "drop":
                value = value[:at] + value[at + 5 :]
            case _:
                value = value[at:] + value[:at]
    return value


quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(found: Headers, value: bytes) -> tuple[DecodedBlock | str, list[bytes]]:
    """What `decode_each` gives, or the reason of its fault; anything else that is raised escapes."""
    try:
        return decode_each(found, value)
    except BlockFault as fault:
        return fault.reason, []


def agree(found: Headers, value: bytes) -> None:
    """Nothing but a BlockFault is raised, and both functions say the same."""
    expected, texts = outcome(found, value)
    try:
        decoded: DecodedBlock | str = decode(found, value)
    except BlockFault as fault:
        decoded = fault.reason
    assert decoded == expected
    if isinstance(decoded, DecodedBlock):
        for event, text in zip(decoded.events, texts, strict=True):
            assert event is None or msgspec.json.decode(text, type=HotEvent) == event


@quick
@given(st.lists(hot_events(), max_size=3), edits)
def test_no_corruption_of_a_block_is_more_than_a_fault(
    events: list[HotEvent], changes: list[tuple[float, str, bytes]]
) -> None:
    value = encode_block(Resource(agent="a"), map(msgspec.json.encode, events), dropped={"full": 1})
    agree(headers(len(events)), corrupted(value, changes))


@quick
@given(st.binary(max_size=200), st.integers(0, 3))
def test_no_bytes_are_more_than_a_fault(value: bytes, count: int) -> None:
    agree(headers(count), value)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    ("kind", "time_us", "agent", "duration_us", "cost_nanousd", "sampled", "status", "x")
)
odd_events = st.dictionaries(fields, st.one_of(st.sampled_from(("span", "ok", 7)), json_values), max_size=6)


@quick
@given(st.lists(st.one_of(odd_events, json_values), max_size=4), st.one_of(st.just({}), json_values))
def test_no_json_is_more_than_a_fault(events: list[object], resource: object) -> None:
    value = json.dumps({"events": events, "resource": resource}, ensure_ascii=True).encode()
    agree(headers(len(events)), value)


@quick
@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=6))
def test_no_headers_are_more_than_a_fault(found: Headers) -> None:
    agree(found, block(GOOD))
    agree([*headers(1), *found], block(GOOD))
