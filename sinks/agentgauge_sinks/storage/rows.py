"""From a block to the rows of its events: the same events, costs and times that reduce counts."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from agentgauge_processors.engine.contract import Record
from agentgauge_processors.pricing import PriceBook, charge
from agentgauge_processors.validation import BlockFault, DecodedBlock, decode_each
from agentgauge_schemas.conventions import EXECUTE_TOOL, LLM_OPERATIONS
from agentgauge_schemas.group import MAX_ATTRIBUTE_LENGTH
from agentgauge_sinks.storage.deliveries import Deliveries


class EventRow(NamedTuple):
    """A row of `events`, in the order of its columns."""

    producer: str
    seq: int
    time_us: int
    duration_us: int | None
    kind: str
    operation: str
    event_type: str
    name: str
    project: str
    environment: str
    service: str
    release: str
    agent: str
    user_id: str
    session_id: str
    conversation_id: str
    trace_id: str
    span_id: str
    parent_id: str
    provider: str
    model: str
    tool: str
    status: str
    error_type: str
    ttft_us: int | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    unspecified_tokens: int
    cost_nanousd: int | None
    cost_source: str
    unpriced: int
    body: str

    @property
    def failed(self) -> bool:
        """Counts as an error, as in the aggregates."""
        return self.kind == "span" and self.status == "error"

    @property
    def is_llm_call(self) -> bool:
        """Counts in the view `llm`."""
        return self.kind == "span" and self.operation in LLM_OPERATIONS

    @property
    def is_tool_call(self) -> bool:
        """Counts in the view `tool`."""
        return self.kind == "span" and self.operation == EXECUTE_TOOL


class _Place(msgspec.Struct):
    """Where an event stands. Not validated by reduce, so anything may be in these fields."""

    name: object = None
    trace_id: object = None
    span_id: object = None
    parent_id: object = None
    session_id: object = None
    conversation_id: object = None


_NOWHERE = _Place()
_decode_place = msgspec.json.Decoder(_Place).decode
_encode = msgspec.json.Encoder().encode


def rows_of(record: Record, deliveries: Deliveries, prices: PriceBook) -> list[EventRow]:
    """The events of a record that are valid and new. Never raises on what the record says."""
    try:
        block, texts = decode_each(record.headers, record.value)
    except BlockFault as fault:
        if fault.headers is not None:
            deliveries.of(fault.headers.producer).accept(fault.headers.seq, fault.headers.count)
        return []
    account = deliveries.of(block.headers.producer)
    ranges = account.accept(block.headers.seq, block.headers.count)
    account.repeatable = account.repeatable or block.repeatable
    new = (seq - block.headers.seq for low, high in ranges for seq in range(low, high))
    return list(_rows(block, texts, new, prices, record.timestamp_us))


def _rows(
    block: DecodedBlock, texts: list[bytes], indexes: Iterable[int], prices: PriceBook, broker_us: int
) -> Iterable[EventRow]:
    resource = block.resource
    producer, project, environment = (
        text(block.headers.producer),
        text(resource.project),
        text(resource.environment),
    )
    service, release = text(resource.service), text(resource.release)
    agent, user = text(resource.agent), text(resource.user)
    session, conversation = text(resource.session_id), text(resource.conversation_id)
    # The resource joins the event's own text: what is stored of it is one JSON object again.
    body_head = '{"resource":' + _encode(resource).decode() + ","
    for index in indexes:
        event = block.events[index]
        if event is None:
            continue
        if event.time_us > broker_us:
            event.time_us = broker_us
        charged = charge(event, prices, broker_us)
        body = texts[index].decode(errors="replace")
        place = _place(texts[index])
        counted = 0 if event.rollup else 1
        yield EventRow(
            producer,
            block.headers.seq + index,
            event.time_us,
            event.duration_us,
            event.kind,
            _name(event.operation),
            _name(event.event_type),
            text(place.name),
            project,
            environment,
            service,
            release,
            _name(event.agent) or agent,
            _name(event.user) or user,
            text(place.session_id) or session,
            text(place.conversation_id) or conversation,
            text(place.trace_id),
            text(place.span_id),
            text(place.parent_id),
            _name(event.provider),
            _name(event.model),
            _name(event.tool),
            event.status,
            _name(event.error_type),
            event.time_to_first_token_us,
            counted * event.input_tokens,
            counted * event.output_tokens,
            counted * event.cache_read_tokens,
            counted * event.cache_write_5m_tokens,
            counted * event.cache_write_1h_tokens,
            counted * event.reasoning_tokens,
            counted * event.unspecified_tokens,
            charged.nanousd,
            charged.source or "",
            int(charged.unpriced),
            body_head + body[1:],
        )


def text(value: object) -> str:
    """What a text column takes of a value: at most 256 characters, and none that PostgreSQL refuses;
    "" for what is no text.
    """
    if not isinstance(value, str):
        return ""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value[:MAX_ATTRIBUTE_LENGTH]


# For fields that repeat from event to event.
_name = lru_cache(maxsize=10_000)(text)


def _place(raw: bytes) -> _Place:
    try:
        return _decode_place(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOWHERE
