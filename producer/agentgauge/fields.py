"""The fields of an event that users may give: captured, and checked against the schema."""

from collections.abc import Mapping
from typing import Final

import msgspec

from agentgauge.capture import Capture
from agentgauge.errors import ValidationError
from agentgauge_schemas.event import Event

_OBJECTS: Final = frozenset({"metadata", "model_parameters"})
_NAMES: Final = frozenset(Event.__struct_fields__)


def checked(event: dict[str, object], fields: Mapping[str, object], capture: Capture) -> dict[str, object]:
    """`event` with these fields added, None left out. Raises ValidationError if that is no valid event.

    A span with an error message, or of level ERROR, is a failed one.
    """
    for name, value in fields.items():
        if value is None:
            continue
        if name not in _NAMES:
            raise ValidationError(f"an event has no field {name!r}")
        captured, truncated = capture.value(value)
        event[name] = {"value": captured} if name in _OBJECTS and not isinstance(captured, dict) else captured
        if truncated:
            event["truncated"] = True
    if event["kind"] == "span" and ("error_message" in event or event.get("level") == "ERROR"):
        event["status"] = "error"
    try:
        msgspec.convert(event, Event)
    except msgspec.ValidationError as error:
        raise ValidationError(f"{event['kind']}: {error}") from None
    return event
