"""Writes the golden files of a version, once: files that exist are never written again.

    python -m tests.golden.generate

A later version gets a folder of its own; what this one wrote stays decodable for ever.
"""

from pathlib import Path

import msgspec
from tests.golden import samples_v1 as samples

from agentgauge_schemas.block import encode_block
from agentgauge_schemas.partials import encode_partials

FOLDER = Path(__file__).parent / "v1"
Headers = list[tuple[str, bytes]]


def files() -> dict[str, bytes]:
    """Name -> bytes, as producers, reduce and merge of this version write them."""
    events = [msgspec.json.encode(event) for event in samples.BLOCK.events]
    block = encode_block(
        samples.RESOURCE,
        events,
        dropped=samples.BLOCK.dropped,
        queue_depth=samples.BLOCK.queue_depth,
        final=True,
        repeatable=True,
    )
    return {
        "block.json": block,
        "block.headers.json": _headers(samples.HEADERS.encode()),
        "partials.msgpack": encode_partials(samples.PARTIALS),
        "series.json": msgspec.json.encode(samples.SERIES),
        "window.json": msgspec.json.encode(samples.WINDOW),
        "account.json": msgspec.json.encode(samples.ACCOUNT),
        "service-totals.json": msgspec.json.encode(samples.SERVICE_TOTALS),
        "alert.json": msgspec.json.encode(samples.ALERT),
        "price-table.json": msgspec.json.encode(samples.PRICE_TABLE),
        "dead-letter.value": samples.DEAD_LETTER.value,
        "dead-letter.headers.json": _headers(samples.DEAD_LETTER.headers()),
    }


def _headers(headers: Headers) -> bytes:
    return msgspec.json.encode([(name, value.decode()) for name, value in headers])


def unset_fields() -> list[str]:
    """Fields that no sample sets, as `Account.next`: a golden file would say nothing about them."""
    event, block, prices = samples.FULL_EVENT, samples.BLOCK, samples.PRICE_TABLE
    series, others = samples.SERIES, (samples.WINDOW, samples.ACCOUNT, samples.SERVICE_TOTALS, samples.ALERT)
    structs: list[msgspec.Struct] = [event, event.files[0], samples.RESOURCE, block, samples.HEADERS]
    structs += [series, series.windows["1m"], samples.AGGREGATE, *others]
    structs += [prices, prices.overrides[0], samples.DEAD_LETTER]
    return [
        f"{type(struct).__name__}.{field.name}"
        for struct in structs
        for field in msgspec.structs.fields(struct)
        if field.name not in ("schema", "format")
        and getattr(struct, field.name) in (field.default, None, [], {}, ())
    ]


def generate(folder: Path) -> None:
    """Raises FileExistsError when one of the files is there already, ValueError when a sample leaves
    a field out; then nothing is written.
    """
    new = files()
    if existing := sorted(name for name in new if (folder / name).exists()):
        raise FileExistsError(f"golden files are written once; already there: {', '.join(existing)}")
    if unset := unset_fields():
        raise ValueError(f"set these in the samples first: {', '.join(unset)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in new.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    generate(FOLDER)
