"""JSON Schema of every public record, for readers in other languages."""

from pathlib import Path
from typing import Any, Final

import msgspec

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.block import Block, BlockHeaders
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.event import Event
from agentgauge_schemas.partials import Partials
from agentgauge_schemas.results import Alert, Series, Window
from agentgauge_schemas.rules import PriceTable

RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "event": Event,
    "block": Block,
    "block-headers": BlockHeaders,
    "partials": Partials,
    "account": Account,
    "service-totals": ServiceTotals,
    "series": Series,
    "window": Window,
    "alert": Alert,
    "price-table": PriceTable,
    "dead-letter": DeadLetter,
}
"""Name -> type. `partials` is msgpack of the same shape; `block-headers` and `dead-letter` are Kafka
headers, one a field (a dead letter's `value` is the record's own)."""


def json_schema(name: str) -> dict[str, Any]:
    """The schema of one record, as JSON Schema 2020-12. Unknown fields are allowed: later versions
    add some. Raises KeyError for a name that is not in `RECORDS`.
    """
    schema = msgspec.json.schema(RECORDS[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:agentgauge:schema:1:{name}",
        **schema,
    }


def export(directory: Path) -> list[Path]:
    """Write one file a record, `NAME.schema.json`, and return their paths. Makes the directory.

    The same version writes the same bytes. Raises OSError where it cannot write.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name in RECORDS:
        path = directory / f"{name}.schema.json"
        text = msgspec.json.format(msgspec.json.encode(json_schema(name), order="deterministic"), indent=2)
        path.write_bytes(text + b"\n")
        written.append(path)
    return written
