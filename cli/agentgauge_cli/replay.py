"""Dead letters made publishable again.

A letter's events are published under an identity of their own, derived from the source record:
producer `replay:<prefix>:<source partition>`, sequences counted from the source offset. So each
counts once however often it is replayed, and a letter that is still not valid is refused here:
rejected once more, its identity would be used up.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Set
from difflib import get_close_matches
from typing import Final, NamedTuple

import msgspec

from agentgauge_cli.errors import CliError
from agentgauge_cli.letters import Letter
from agentgauge_cli.rendering import plural, printable
from agentgauge_processors.validation import BlockFault, decode_each
from agentgauge_schemas.block import MAX_BLOCK_EVENTS, BlockHeaders, Resource, encode_block
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.event import Event

SEQUENCES_PER_RECORD: Final = 1 << 20
"""Of a replay, for each source record: more than the events that fit in the largest one."""

CURE: Final = " (change it with --set or --drop)"


class NotReplayable(Exception):
    """The letter cannot be published as it is; the message says why, and what would help."""


class Repair(NamedTuple):
    """What is changed in each event before it is published again."""

    set: Mapping[str, object]
    drop: Set[str]


class Replay(NamedTuple):
    """What `BlockPublisher.publish` takes."""

    producer: str
    seq: int
    events: list[bytes]
    resource: Resource


class Refused(msgspec.Struct, frozen=True):
    """A letter that was not published, and why."""

    letter: str
    reason: str


class Outcome(msgspec.Struct):
    """What became of the letters: `dlq replay --json`."""

    replayed: list[str] = []
    events: int = 0
    refused: list[Refused] = []


def parse_repair(assignments: list[str], drops: list[str]) -> Repair:
    """From `FIELD=JSON` and `FIELD`. Raises CliError for what is neither, or no field of an event."""
    changed: dict[str, object] = {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        try:
            changed[_field(field)] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            example = "" if equals else f', for example {field}="text" or {field}=12'
            raise CliError(
                f"--set {assignment}: the value must be JSON (text in double quotes){example}"
            ) from None
    return Repair(changed, {_field(field) for field in drops})


def _field(name: str) -> str:
    fields = Event.__struct_fields__
    if name not in fields:
        close = get_close_matches(name, fields, n=1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        raise CliError(f"an event has no field {name!r}{hint}")
    return name


def prepare(letter: Letter, prefix: str, repair: Repair) -> Replay:
    """The events of a letter, repaired, valid, and with their identity. Raises NotReplayable."""
    content = letter.content
    if content is None:
        raise NotReplayable("the record was not written by agentgauge")
    if content.size:
        raise NotReplayable(f"only the first {len(content.value):,} of its {content.size:,} bytes were kept")
    resource, events = _read(content)
    repaired = [_encode(event, repair) for event in events]
    replay = Replay(
        producer=f"replay:{prefix}:{content.partition}",
        seq=content.offset * SEQUENCES_PER_RECORD + _place(content),
        events=repaired,
        resource=resource,
    )
    _check(replay)
    return replay


async def replay_letters(
    letters: AsyncIterator[Letter], prefix: str, repair: Repair, publish: Callable[[Replay], None]
) -> Outcome:
    """Prepare each letter and publish it; `publish` may block, and is called in a thread."""
    outcome = Outcome()
    async for letter in letters:
        try:
            replay = prepare(letter, prefix, repair)
        except NotReplayable as error:
            outcome.refused.append(Refused(str(letter.id), str(error)))
            continue
        await asyncio.to_thread(publish, replay)
        outcome.replayed.append(str(letter.id))
        outcome.events += len(replay.events)
    return outcome


def print_outcome(outcome: Outcome) -> None:
    """What was replayed, and of each other letter why it was not."""
    for refused in outcome.refused:
        print(f"not replayed: {refused.letter}: {printable(refused.reason)}")
    replayed, events = plural(len(outcome.replayed), "letter"), plural(outcome.events, "event")
    if outcome.replayed:
        print(f"Replayed {replayed} with {events}; what was replayed before is not counted again.")
    elif not outcome.refused:
        print("No dead letters.")


def _read(content: DeadLetter) -> tuple[Resource, list[dict[str, object]]]:
    # Python's own JSON: it takes NaN and lone surrogates, which is what may be wrong with an event.
    try:
        block = json.loads(content.value)
    except (ValueError, RecursionError) as error:
        raise NotReplayable(f"it is not JSON: {error}") from None
    events = block.get("events") if isinstance(block, dict) else None
    if not isinstance(events, list) or not events or not all(isinstance(event, dict) for event in events):
        raise NotReplayable("it is not a block with events")
    try:
        return msgspec.convert(block.get("resource", {}), Resource), events
    except msgspec.ValidationError as error:
        raise NotReplayable(f"its resource is not valid: {error}") from None


def _place(content: DeadLetter) -> int:
    """Of a single event among those of its record: their sequences follow each other, so they differ."""
    return content.seq % SEQUENCES_PER_RECORD if content.kind == "event" else 0


def _encode(event: dict[str, object], repair: Repair) -> bytes:
    kept = {name: value for name, value in event.items() if name not in repair.drop}
    changed = {**kept, **repair.set}
    for name, value in changed.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise NotReplayable(f"its field {name!r} is {value}, no number of JSON{CURE}")
    return json.dumps(changed, separators=(",", ":")).encode()


def _check(replay: Replay) -> None:
    total = len(replay.events)
    for start in range(0, total, MAX_BLOCK_EVENTS):
        part = replay.events[start : start + MAX_BLOCK_EVENTS]
        headers = BlockHeaders(producer=replay.producer, partition=0, seq=replay.seq + start, count=len(part))
        try:
            block, _ = decode_each(headers.encode(), encode_block(replay.resource, part))
        except BlockFault as fault:
            raise NotReplayable(str(fault)) from None
        if block.faults:
            first = block.faults[0]
            where = "" if total == 1 else f"event {start + first.index + 1} of {total}: "
            raise NotReplayable(f"{where}{first.error}{CURE}")
