"""From an event's fields to its JSON, never larger than the pipeline takes."""

from collections.abc import Mapping
from typing import Final

import orjson

from agentgauge.capture import TRUNCATED
from agentgauge_schemas.event import MAX_EVENT_BYTES

encode: Final = orjson.dumps


def encode_truncated(fields: Mapping[str, object], size: int) -> bytes:
    """The JSON of an event that is too large: it loses its largest fields and says so. `size`: of its
    whole JSON.
    """
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
