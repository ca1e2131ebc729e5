"""From an event's fields to its JSON, never larger than the pipeline takes."""

from collections.abc import Mapping
from typing import Final

import orjson

from agentgauge.capture import TRUNCATED
from agentgauge_schemas.event import MAX_EVENT_BYTES

encode: Final = orjson.dumps


def encode_event(fields: dict[str, object]) -> bytes:
    """The JSON of captured fields; too large an event loses its largest fields and says so."""
    data = encode(fields)
    return data if len(data) <= MAX_EVENT_BYTES else _encode_truncated(fields, len(data))


def _encode_truncated(fields: Mapping[str, object], size: int) -> bytes:
    kept = {**fields, "truncated": True}
    sizes = sorted(((len(encode(value)), name) for name, value in fields.items()), reverse=True)
    room = MAX_EVENT_BYTES - len('"truncated":true,')
    for length, name in sizes:
        if size <= room:
            break
        kept[name] = _stand_in(fields[name])
        size -= length - len(encode(kept[name]))
    return encode(kept)


def _stand_in(value: object) -> object:
    """Of the same type, so that the event stays valid."""
    if isinstance(value, dict):
        return {TRUNCATED: True}
    return [] if isinstance(value, list) else TRUNCATED
