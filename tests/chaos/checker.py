"""Compares what came out of a run with the truth. It reads the topics as anybody could."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from tests.chaos import wire

SHOWN = 3
WATERMARK_DELAY_S = 30
"""Event time may be so far behind the last event."""
SPREAD_S = 5
"""And so different from one merge partition to another."""


@dataclass(frozen=True)
class Delivered:
    """What the log of blocks holds."""

    events: dict[str, int]
    """Producer -> events, each counted once."""
    duplicates: dict[str, int]
    """Producer -> events that stand in the log once more."""


async def read_all(kafka: str, topic: str, partitions: int) -> list[ConsumerRecord]:
    """All committed records of a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        everything = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(everything)
        ends = await consumer.end_offsets(everything)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for fetched in (await consumer.getmany(timeout_ms=200)).values():
                records += fetched
        return records
    finally:
        await consumer.stop()


async def read_latest(kafka: str, topic: str, partitions: int) -> dict[bytes, bytes]:
    """The newest value of each key."""
    return {record.key: record.value for record in await read_all(kafka, topic, partitions)}


async def delivered(kafka: str, prefix: str, partitions: int) -> Delivered:
    """What the log of blocks holds, by the blocks' headers alone."""
    seen: set[tuple[str, int]] = set()
    result = Delivered({}, {})
    for record in await read_all(kafka, f"{prefix}.events", partitions):
        headers = dict(record.headers)
        producer, seq = headers["producer"].decode(), int(headers["seq"])
        into = result.duplicates if (producer, seq) in seen else result.events
        into[producer] = into.get(producer, 0) + int(headers["count"])
        seen.add((producer, seq))
    return result


def compare(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    """One sentence for each kind of difference."""
    problems = []
    for kind, keys in (
        ("missing", [key for key in expected if key not in found]),
        ("too many", [key for key in found if key not in expected]),
        ("wrong", [key for key in expected if key in found and expected[key] != found[key]]),
    ):
        if keys:
            shown = "; ".join(
                f"{key}: {found.get(key)} for {expected.get(key)}" for key in sorted(keys)[:SHOWN]
            )
            problems.append(f"{what}: {len(keys)} of {len(expected)} {kind}: {shown}")
    return problems


async def check_topics(
    kafka: str, prefix: str, partitions: int, truth: wire.Truth, log: Delivered
) -> list[str]:
    """Totals, windows and accounts on the topics against the truth; [] when all is exact."""
    problems = compare("blocks in the log", truth.sent, log.events)
    series = await read_latest(kafka, f"{prefix}.series", partitions)
    totals = {key.decode(): wire.aggregate(json.loads(value)["total"]) for key, value in series.items()}
    problems += compare("totals", truth.totals, totals)
    watermark_s = watermark_of(series.values())
    latest_s = max(int(key.rsplit("|", 1)[1]) for key in truth.windows)
    if watermark_s < latest_s - WATERMARK_DELAY_S:
        problems.append(f"the watermark stands still at {watermark_s}, the last event is of {latest_s}")
    windows = sum_parts(await read_latest(kafka, f"{prefix}.windows", partitions))
    problems += compare("windows", ended(truth.windows, watermark_s), ended(windows, watermark_s))
    accounts = await read_latest(kafka, f"{prefix}.producers", partitions)
    problems += compare(
        "accounts",
        {
            producer: {"accepted": sent, "missing": truth.lost.get(producer, 0), "final": True}
            | {"duplicates": log.duplicates.get(producer, 0), "rejected": 0}
            for producer, sent in truth.sent.items()
        },
        {key.decode(): account(json.loads(value)) for key, value in accounts.items()},
    )
    return problems


def account(found: Mapping[str, object]) -> dict[str, object]:
    """What an account says became of the events of a producer."""
    ranges = found.get("open", [])
    assert isinstance(ranges, list)
    missing = int(str(found.get("lost", 0))) + sum(end - start for start, end in ranges)
    counts = {name: found.get(name, 0) for name in ("accepted", "duplicates", "rejected")}
    return counts | {"missing": missing, "final": found.get("final", False)}


def sum_parts(records: Mapping[bytes, bytes]) -> dict[str, wire.Sums]:
    """`key|size|start` -> the sum of a window's parts."""
    sums: dict[str, wire.Sums] = {}
    for name, value in records.items():
        window = json.loads(value)
        key = name.decode()[1:].rsplit(",", 3)[0]
        where = f"{key}|{window['size_s']}|{window['start_us'] // 1_000_000}"
        amounts = wire.aggregate(window["total"])
        known = sums.get(where)
        sums[where] = amounts if known is None else [a + b for a, b in zip(known, amounts, strict=True)]
    return sums


def watermark_of(series: Iterable[bytes]) -> int:
    """Windows that end by this second must have closed: event time is at least so far everywhere."""
    latest_us = max((json.loads(value).get("watermark_us", 0) for value in series), default=0)
    return latest_us // 1_000_000 - SPREAD_S


def ended(windows: Mapping[str, wire.Sums], by: int) -> dict[str, wire.Sums]:
    """Those that end by that second."""
    found = {}
    for window, sums in windows.items():
        _, size, start = window.rsplit("|", 2)
        if int(start) + int(size) <= by:
            found[window] = sums
    return found
