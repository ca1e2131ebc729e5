"""The newest record of every key: what the sink knows, and all that it knows."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from agentgauge_processors.engine.contract import Batch, Record
from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.group import parse_key
from agentgauge_schemas.results import Series
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.prometheus.metrics import EXPOSED_VIEWS

DAY_US: Final = 86_400_000_000
LETTERS_KEPT_DAYS: Final = 14
"""As long as the topic keeps them."""

logger = logging.getLogger(__name__)

_decode_series = msgspec.json.Decoder(Series).decode
_decode_account = msgspec.json.Decoder(Account).decode
_decode_service = msgspec.json.Decoder(ServiceTotals).decode


class Held(NamedTuple):
    """A group's record, and the broker's time of it."""

    series: Series
    updated_us: int


class Snapshot(NamedTuple):
    """All that is known at one instant. Nothing in it ever changes."""

    series: Sequence[Held]
    accounts: Sequence[Account]
    services: Sequence[ServiceTotals]
    dead_letters: Mapping[tuple[str, int], int]
    """(reason, day since the epoch) -> records."""


class State:
    """Written by the sink's loop, read by scrapes in other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[bytes, Held] = {}
        self._accounts: dict[str, Account] = {}
        self._services: dict[bytes, ServiceTotals] = {}
        self._letters: Counter[tuple[str, int]] = Counter()

    def apply(self, batches: Sequence[Batch]) -> None:
        """Take over what one poll gave: a reader sees all of it or nothing."""
        series = {
            record.key: held
            for batch in batches
            if batch.topic is Topic.SERIES
            for record in batch.records
            if record.key is not None and (held := _held(record)) is not None
        }
        producers = [r for batch in batches if batch.topic is Topic.PRODUCERS for r in batch.records]
        letters = [r for batch in batches if batch.topic is Topic.DLQ for r in batch.records]
        with self._lock:
            for key, held in series.items():
                known = self._series.get(key)
                if known is None or known.series.version <= held.series.version:
                    self._series[key] = held
            for record in producers:
                self._take_producer(record)
            self._letters.update((_reason(record), record.timestamp_us // DAY_US) for record in letters)

    def snapshot(self) -> Snapshot:
        """All of it."""
        with self._lock:
            return Snapshot(
                list(self._series.values()),
                list(self._accounts.values()),
                list(self._services.values()),
                dict(self._letters),
            )

    def _take_producer(self, record: Record) -> None:
        key = record.key or b""
        if record.value is None:
            self._accounts.pop(key.decode(errors="replace"), None)
            return
        try:
            if key.startswith(b"service:"):
                totals = _decode_service(record.value)
                # They are in the totals now: counting both would count them twice.
                for producer in totals.folded:
                    self._accounts.pop(producer, None)
                self._services[key] = totals
            else:
                account = _decode_account(record.value)
                known = self._accounts.get(account.producer)
                if known is None or known.version <= account.version:
                    self._accounts[account.producer] = account
        except msgspec.DecodeError as error:
            _skip(record, error)


def _held(record: Record) -> Held | None:
    """None for groups that are not exposed, and for what is no group at all."""
    if record.key is None or record.value is None:
        return None
    try:
        view, _ = parse_key(record.key.decode())
        if view not in EXPOSED_VIEWS:
            return None
        return Held(_decode_series(record.value), record.timestamp_us)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        _skip(record, error)
        return None


def _reason(record: Record) -> str:
    return next((value.decode(errors="replace") for name, value in record.headers if name == "reason"), "")


def _skip(record: Record, error: Exception) -> None:
    logger.warning("record %d/%d is none of ours: %s", record.partition, record.offset, error)
