"""Whatever anyone sends: both stages go on, and their checkpoints stay small enough to be written."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.simulation import EPOCH_US, Simulation, block

from agentgauge_processors.engine.contract import Record
from agentgauge_schemas import BlockHeaders, Event, Resource
from agentgauge_schemas.aggregate import MAX_SUM
from agentgauge_schemas.block import encode_block
from agentgauge_schemas.event import HotEvent

MAX_RECORD = 8 << 20
Sent = tuple[Sequence[tuple[str, bytes]], bytes | None]
CALL = {
    "kind": "span",
    "time_us": EPOCH_US,
    "operation": "chat",
    "provider": "anthropic",
    "model": "claude-opus-4-6",
}


def event(**fields: object) -> Event:
    return msgspec.convert({**CALL, **fields}, Event)


def survives(*sent: Sent) -> Simulation:
    """Every record is read, a good one after them is counted, and a takeover reads all of it back."""
    simulation = Simulation(sources=1, merges=2)
    for headers, value in sent:
        simulation.send(0, (list(headers), value))
    simulation.send(0, block("after", 0, [event(agent="good", cost_nanousd=7)]))
    simulation.drain()
    simulation.crash_reduce()
    simulation.crash_merge()
    simulation.drain()
    totals = simulation.totals("agent")["default", "default", "good", ""]
    assert (totals.count, totals.cost_nanousd) == (1, 7)
    values = [record.value for log in simulation.partials for record in log]
    values += [
        value for state in (*simulation._reduce_state, *simulation._merge_state) for value in state.values()
    ]
    values += [message.value for _, message in simulation.outputs]
    assert max(len(value) for value in values if value) < MAX_RECORD
    headers_sizes = [
        sum(len(name) + len(value) for name, value in message.headers) for _, message in simulation.outputs
    ]
    assert max(headers_sizes) < 1 << 18
    return simulation


def headers(**fields: bytes | None) -> list[tuple[str, bytes]]:
    found: dict[str, bytes | None] = {**dict(BlockHeaders("p", 0, 0, 1).encode()), **fields}
    # Kafka knows headers without a value, and clients hand them over as None.
    return list(found.items())  # type: ignore[arg-type] # the very thing that is tested


ONE = encode_block(Resource(), [msgspec.json.encode(event())])


@pytest.mark.parametrize(
    "sent",
    [
        (headers(producer=None), ONE),
        (headers(seq=None), ONE),
        (headers(flush=b"1" + b"0" * 30), ONE),
        (headers(producer=b"p" * 5_000_000), ONE),
        (headers(noise=b"x" * 5_000_000), b"{"),
        (headers(noise=None), b"{"),
        (headers(seq=b"%d" % (1 << 62), count=b"100000"), b"{}"),
        ([], None),
        (headers(), b'{"resource":{"project":"\\ud800"},"events":[' + msgspec.json.encode(event()) + b"]}"),
        (headers(), b'{"dropped":{"\\ud800":1},"events":[' + msgspec.json.encode(event()) + b"]}"),
    ],
    ids=range(10),
)
def test_odd_headers_and_frames(sent: Sent) -> None:
    survives(sent)


def test_a_heartbeat_cannot_push_event_time_ahead_of_the_broker() -> None:
    simulation = survives((headers(flush=b"-100000000000000", count=b"0"), b"{}"))
    assert all(series.watermark_us < simulation.now_us for series in simulation.series().values())


@pytest.mark.parametrize("amount", [10**10, 1 << 53])
def test_numbers_that_cannot_be_meant_add_up_to_no_more_than_64_bits(amount: int) -> None:
    """A time where a duration belongs, tokens that no model has, in every event of many blocks."""
    fields = ("duration_us", "time_to_first_token_us", "input_tokens", "output_tokens", "unspecified_tokens")
    absurd = event(**dict.fromkeys(fields, amount))
    costly = event(cost_nanousd=amount, input_tokens=amount, cache_read_tokens=amount, agent="b")
    simulation = survives(*[block("p", 800 * n, [absurd] * 400 + [costly] * 400) for n in range(8)])
    for view in ("llm", "agent"):
        for total in simulation.totals(view).values():
            assert total.input_tokens <= MAX_SUM
            assert total.cost_nanousd <= MAX_SUM
            assert total.duration_sum_us <= MAX_SUM


def test_a_group_that_cost_more_than_a_million_dollars_is_exact() -> None:
    calls = [event(input_tokens=10**8, output_tokens=0)] * 100
    simulation = survives(*[block("p", 100 * number, calls) for number in range(25)])
    (total,) = [total for total in simulation.totals("llm").values() if total.count > 1]
    assert total.input_cost_nanousd == total.cost_nanousd == 2_500 * 500 * 10**9


def test_names_without_end() -> None:
    long = "n" * 200_000
    names = (
        "agent",
        "user",
        "tool",
        "model",
        "provider",
        "operation",
        "event_type",
        "error_type",
        "service_tier",
    )
    blocks = [
        block("p", number, [event(**dict.fromkeys(names, f"{number}{long}"), status="error")])
        for number in range(20)
    ]
    resource = Resource(project=long, service=long, host=long, environment=long, release=long)
    blocks.append(block("q", 0, [event()], resource=resource, dropped={f"{n}{long}": 1 for n in range(20)}))
    survives(*blocks)


def test_error_types_without_number() -> None:
    errors = [event(status="error", error_type=f"{number}-" + "e" * 240) for number in range(1_000)]
    simulation = survives(*[block("p", 1_000 * number, errors) for number in range(3)])
    for total in simulation.totals("llm").values():
        assert len(total.errors) <= 65
        assert total.error_count in (0, 3_000)


def test_garbage_among_the_partials() -> None:
    simulation = Simulation(sources=1, merges=1)
    simulation.send(0, block("p", 0, [event()]))
    simulation.step_reduce()
    simulation.flush()
    good = simulation.partials[0][0].value or b""
    rng = random.Random(3)
    garbage = [
        b"",
        b"\xc1",
        b"\x91" * 100_000,
        good[:-4] + b"\x91" * 100_000,
        good.replace(b"llm", b"\xff\xfe\xff"),
    ]
    garbage += [good.replace(b'["llm"', bad) for bad in (b'["new"', b"{      ", b'["llm,', b"[]    ")]
    garbage += [rng.randbytes(rng.randrange(60)) for _ in range(300)]
    garbage += [bytes(b ^ (rng.random() < 0.02) for b in good) for _ in range(300)]
    for value in garbage:
        offset = len(simulation.partials[0])
        simulation.partials[0].append(Record(0, offset, simulation.now_us, None, value))
    simulation.drain()
    simulation.crash_merge()
    simulation.drain()
    assert simulation.totals("llm")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from(
                    ("schema", "format", "producer", "partition", "seq", "count", "flush", "backfill")
                ),
                st.one_of(
                    st.none(), st.binary(max_size=5), st.integers(-3, 1 << 64).map(lambda n: b"%d" % n)
                ),
                max_size=3,
            ),
            st.one_of(st.none(), st.binary(max_size=30), st.just(ONE), st.just(b"{}")),
        ),
        max_size=5,
    )
)
def test_any_headers_with_any_value(records: list[tuple[dict[str, bytes | None], bytes | None]]) -> None:
    survives(*[(headers(**changes), value) for changes, value in records])


amounts = st.one_of(st.none(), st.integers(0, 1 << 53))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, (1 << 57)), amounts, amounts, st.text(max_size=3)), min_size=1, max_size=6
    )
)
def test_any_time_amount_and_name(rows: list[tuple[int, int | None, int | None, str]]) -> None:
    events = [
        event(time_us=time_us, duration_us=duration, cost_nanousd=cost, agent=name, model=name, user=name)
        for time_us, duration, cost, name in rows
    ]
    simulation = survives(block("p", 0, events))
    counted = sum(total.count for total in simulation.totals("llm").values())
    assert counted == len(events) + 1


def test_the_validated_fields_bound_every_number_and_only_text_is_free() -> None:
    """What the cases above rely on: a new field of an unbounded number would need one of its own."""
    for field in msgspec.structs.fields(HotEvent):
        schema = msgspec.json.schema(field.type)
        kinds = schema.get("anyOf", [schema])
        for kind in kinds:
            if kind.get("type") == "integer":
                assert {"minimum"} & kind.keys(), field.name
                assert {"maximum", "exclusiveMaximum"} & kind.keys(), field.name
            assert kind.get("type") != "number", field.name
