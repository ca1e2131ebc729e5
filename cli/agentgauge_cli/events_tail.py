"""Following `.events` and printing what is in it."""

import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from agentgauge_cli.event_lines import FAILED, event_line
from agentgauge_cli.rendering import console, printable, time_text
from agentgauge_processors.engine.contract import Log, Record
from agentgauge_processors.validation import BlockFault, decode_each
from agentgauge_schemas.block import Resource
from agentgauge_schemas.event import Event, HotEvent
from agentgauge_schemas.topics import Topic

POLL_S: Final = 1.0
NOT_VALID: Final = "NOT VALID"
SINCE_MONTH: Final = slice(len("2026-"), None)
"""What a terminal, which is narrow, shows of a line."""
TIME_WIDTH: Final = len("02-10 12:03:11.123")


class Filter(NamedTuple):
    """Which events are printed; empty and None mean all."""

    agent: str = ""
    kind: str = ""
    limit: int | None = None


class Received(msgspec.Struct, frozen=True):
    """One valid event and where it stands: a line of `--json`, with the event as it was sent."""

    partition: int
    offset: int
    producer: str
    seq: int
    resource: Resource
    event: msgspec.Raw


class Rejected(msgspec.Struct, frozen=True):
    """A record, or an event of one, that reduce puts into the dead-letter topic: a line of `--json`."""

    partition: int
    offset: int
    time_us: int
    error: str


async def print_events(log: Log, wanted: Filter, *, from_beginning: bool, as_json: bool) -> None:
    """Print events as they arrive, until the limit, or for ever. Blocks on the broker."""
    positions = {
        (Topic.EVENTS, partition): 0 if from_beginning else await log.end_offset(Topic.EVENTS, partition)
        for partition in range(await log.partitions(Topic.EVENTS))
    }
    show = _printer(as_json=as_json)
    printed = 0
    tail = log.tail(positions)
    try:
        while True:
            for batch in await tail.poll(POLL_S):
                for found in (found for record in batch.records for found in contents(record, wanted)):
                    show(found)
                    printed += 1
                    if printed == wanted.limit:
                        return
            sys.stdout.flush()
    finally:
        await tail.close()


def contents(record: Record, wanted: Filter) -> Iterator[Received | Rejected]:
    """The wanted events of a record, in order; what is not valid is wanted when there is no filter."""
    all_wanted = not wanted.agent and not wanted.kind
    try:
        block, raws = decode_each(record.headers, record.value)
    except BlockFault as fault:
        if all_wanted:
            yield Rejected(record.partition, record.offset, record.timestamp_us, str(fault))
        return
    errors = {fault.index: fault.error for fault in block.faults}
    for index, (event, raw) in enumerate(zip(block.events, raws, strict=True)):
        if event is None:
            if all_wanted:
                error = f"event {index + 1} of {len(raws)}: {errors[index]}"
                yield Rejected(record.partition, record.offset, record.timestamp_us, error)
        elif _is_wanted(event, block.resource, wanted):
            yield Received(
                record.partition, record.offset, block.headers.producer, block.headers.seq + index,
                block.resource, msgspec.Raw(raw),
            )  # fmt: skip


def _is_wanted(event: HotEvent, resource: Resource, wanted: Filter) -> bool:
    if wanted.kind and event.kind != wanted.kind:
        return False
    return not wanted.agent or (event.agent or resource.agent) == wanted.agent


def _printer(*, as_json: bool) -> Callable[[Received | Rejected], None]:
    if as_json:
        encode = msgspec.json.Encoder().encode
        return lambda found: print(encode(found).decode())
    if not sys.stdout.isatty():
        return lambda found: print(line_of(found))

    from rich.text import Text

    screen = console()

    def show(found: Received | Rejected) -> None:
        line = Text(line_of(found)[SINCE_MONTH])
        line.stylize("dim", 0, TIME_WIDTH)
        line.highlight_words([FAILED, NOT_VALID], style="bold red")
        screen.print(line, no_wrap=True, overflow="ellipsis")

    return show


def line_of(found: Received | Rejected) -> str:
    """What a person reads."""
    if isinstance(found, Rejected):
        where = f"record {found.partition}:{found.offset}"
        return f"{time_text(found.time_us)}  {NOT_VALID}  {where}: {printable(found.error)}"
    return event_line(_whole(found.event), found.resource)


def _whole(raw: msgspec.Raw) -> Event:
    """All fields, or the ones that count when another one is not what it should be."""
    try:
        return msgspec.json.decode(raw, type=Event)
    except msgspec.ValidationError:
        return msgspec.convert(msgspec.json.decode(raw, type=HotEvent), Event, from_attributes=True)
