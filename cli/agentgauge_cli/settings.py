"""The options that commands share: names, environment variables and defaults, each defined once."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from agentgauge_schemas.topics import DEFAULT_PREFIX

DEFAULT_KAFKA: Final = "localhost:9092"
DEFAULT_DATA_DIR: Final = Path("agentgauge-data")

KAFKA_ENV: Final = "AGENTGAUGE_KAFKA"
PREFIX_ENV: Final = "AGENTGAUGE_PREFIX"
DATA_DIR_ENV: Final = "AGENTGAUGE_DATA_DIR"
STORAGE_ENV: Final = "AGENTGAUGE_STORAGE"

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/,\[\]]+):(\d{1,5})")
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


def kafka_address(text: str) -> str:
    """`HOST:PORT[,HOST:PORT]` as it is. Raises typer.BadParameter for anything else."""
    for address in text.split(","):
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[2]) < 65_536:
            raise typer.BadParameter(f"{text!r} is not HOST:PORT[,HOST:PORT], for example {DEFAULT_KAFKA}")
    return text


def topic_prefix(text: str) -> str:
    """A prefix that Kafka allows in a topic's name. Raises typer.BadParameter for anything else."""
    if _PREFIX.fullmatch(text) is None:
        raise typer.BadParameter(f"{text!r}: a topic's name has letters, digits, '.', '_' and '-' only")
    return text


KafkaOption = Annotated[
    str,
    typer.Option(
        "--kafka", metavar="HOST:PORT", envvar=KAFKA_ENV, callback=kafka_address, help="The Kafka broker(s)."
    ),
]
PrefixOption = Annotated[
    str,
    typer.Option(
        "--prefix",
        metavar="NAME",
        envvar=PREFIX_ENV,
        callback=topic_prefix,
        help="What the topics' names begin with.",
    ),
]
DataDirOption = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        envvar=DATA_DIR_ENV,
        file_okay=False,
        help="Where state and storage live.",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar=STORAGE_ENV,
        show_default="sqlite:///<data-dir>/storage.sqlite",
        help="The storage, as an SQLAlchemy URL.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

__all__ = [
    "DEFAULT_DATA_DIR",
    "DEFAULT_KAFKA",
    "DEFAULT_PREFIX",
    "DataDirOption",
    "JsonOption",
    "KafkaOption",
    "PrefixOption",
    "StorageOption",
    "kafka_address",
    "storage_url",
    "topic_prefix",
]


def storage_url(storage: str | None, data_dir: Path) -> str:
    """The URL that was given, else that of the SQLite file in the data directory."""
    return storage or f"sqlite:///{data_dir / 'storage.sqlite'}"
