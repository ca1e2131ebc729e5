"""The delivery accounts of one source partition: booked, kept in shards, published, folded."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from agentgauge_processors.engine.contract import Message, StateError
from agentgauge_processors.validation import DecodedBlock
from agentgauge_schemas.account import Account, ServiceTotals, service_key
from agentgauge_schemas.block import BlockHeaders
from agentgauge_schemas.group import MAX_ATTRIBUTE_LENGTH
from agentgauge_schemas.topics import Topic

SHARDS = 16
PUBLISH_EVERY_US = 10_000_000
FOLD_AFTER_US = 8 * 86_400_000_000
"""Retention of `.events` and a day: nothing of such a producer can come back from the log."""

MAX_DROP_REASONS = 64
OTHER_REASONS = "other"
"""Names come from outside: an account must not grow with them."""

FOREIGN = "foreign"
"""The account of records that nobody's headers claim."""

_Kept = TypeVar("_Kept")

_encode_state = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_accounts = msgspec.msgpack.Decoder(list[Account]).decode
_decode_services = msgspec.msgpack.Decoder(list[ServiceTotals]).decode


class Accounts:
    """All producers of one source partition. Times are the broker's, but `now_us` of `cut`."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._by_producer: dict[str, Account] = {}
        self._services: dict[str, ServiceTotals] = {}
        self._dirty: set[int] = set()
        self._services_dirty = False
        self._unpublished: dict[str, int] = {}
        """Producer -> when its record may go out: at once when it began or ended, else in 10 s."""

    def __len__(self) -> int:
        return len(self._by_producer)

    def get(self, producer: str) -> Account | None:
        """A producer's account, if it has one."""
        return self._by_producer.get(producer)

    def touch(self, headers: BlockHeaders, version: int, broker_us: int) -> Account:
        """The account of a block's producer, marked as seen now; opened when it is new."""
        account = self._by_producer.get(headers.producer)
        if account is None:
            account = Account(producer=headers.producer, partition=self.partition, first_seen_us=broker_us)
            self._by_producer[headers.producer] = account
            self._unpublished[headers.producer] = 0
        account.last_seen_us = broker_us
        account.version = version
        self._changed(headers.producer, broker_us)
        return account

    def describe(self, account: Account, block: DecodedBlock) -> None:
        """Take over what a block says about its producer."""
        resource = block.resource
        account.project = resource.project[:MAX_ATTRIBUTE_LENGTH]
        account.service = resource.service[:MAX_ATTRIBUTE_LENGTH]
        account.host = resource.host[:MAX_ATTRIBUTE_LENGTH]
        # A block that was sent again, or late, must not take back what a later one said.
        for name, count in block.dropped.items():
            reason = name[:MAX_ATTRIBUTE_LENGTH]
            if reason not in account.dropped and len(account.dropped) >= MAX_DROP_REASONS:
                reason = OTHER_REASONS
            account.dropped[reason] = max(count, account.dropped.get(reason, 0))
        if block.headers.seq + block.headers.count >= account.next:
            account.queue_depth = block.queue_depth
            if account.final != block.final:
                account.final = block.final
                self._unpublished[account.producer] = 0
        account.repeatable = account.repeatable or block.repeatable

    def book_foreign(self, version: int, broker_us: int) -> None:
        """Count a record that is nobody's."""
        headers = BlockHeaders(
            producer=f"{FOREIGN}:{self.partition}", partition=self.partition, seq=0, count=0
        )
        account = self.touch(headers, version, broker_us)
        account.repeatable = True
        account.rejected += 1

    def cut(
        self, now_us: int, log_us: int, *, everything: bool
    ) -> tuple[list[tuple[bytes, bytes | None]], list[Message]]:
        """State records of the shards that changed, and the accounts that are due for readers.

        `log_us` is the broker's time of the last record: what is old is judged by it, so that after
        an outage of days nobody is folded whose blocks still wait to be read.
        """
        messages = self._fold(log_us)
        for producer, due_us in list(self._unpublished.items()):
            if due_us <= now_us or everything:
                del self._unpublished[producer]
                messages.append(
                    Message(Topic.PRODUCERS, producer.encode(), _encode_json(self._by_producer[producer]))
                )
        shards: dict[int, list[Account]] = {number: [] for number in self._dirty}
        if shards:
            for producer, account in self._by_producer.items():
                number = _shard(producer)
                if number in shards:
                    shards[number].append(account)
        self._dirty.clear()
        state: list[tuple[bytes, bytes | None]] = [
            (b"accounts-%d" % number, _encode_state(accounts)) for number, accounts in shards.items()
        ]
        if self._services_dirty:
            state.append((b"services", _encode_state(list(self._services.values()))))
            self._services_dirty = False
        return state, messages

    def load(self, state: Mapping[bytes, bytes], shards: Iterable[int], *, services: bool) -> None:
        """Read a checkpoint back. Raises StateError when one of its shards is missing or unreadable."""
        for number in shards:
            for account in _part(state, b"accounts-%d" % number, _decode_accounts):
                self._by_producer[account.producer] = account
        if services:
            for totals in _part(state, b"services", _decode_services):
                self._services[service_key(totals.project, totals.service, self.partition)] = totals
        # What was not yet published is not in the state: publish every account once.
        self._unpublished = dict.fromkeys(self._by_producer, 0)

    @property
    def has_services(self) -> bool:
        """Whether any account was folded."""
        return bool(self._services)

    def _changed(self, producer: str, broker_us: int) -> None:
        self._dirty.add(_shard(producer))
        self._unpublished.setdefault(producer, broker_us + PUBLISH_EVERY_US)

    def _fold(self, log_us: int) -> list[Message]:
        """Fold accounts that nothing can reach any more into their service's totals."""
        old = [
            account
            for account in self._by_producer.values()
            if account.last_seen_us < log_us - FOLD_AFTER_US and not account.repeatable
        ]
        messages = []
        for account in old:
            key = service_key(account.project, account.service, self.partition)
            totals = self._services.setdefault(
                key,
                ServiceTotals(project=account.project, service=account.service, partition=self.partition),
            )
            totals.producers += 1
            totals.folded = [account.producer]
            totals.accepted += account.accepted
            totals.duplicates += account.duplicates
            totals.rejected += account.rejected
            totals.lost += account.lost + account.missing
            for reason, count in account.dropped.items():
                totals.dropped[reason] = totals.dropped.get(reason, 0) + count
            # Of accounts that are folded at once, the last folded may be the one seen first.
            totals.version = max(totals.version + 1, account.version)
            del self._by_producer[account.producer]
            self._unpublished.pop(account.producer, None)
            self._dirty.add(_shard(account.producer))
            self._services_dirty = True
            messages.append(Message(Topic.PRODUCERS, key.encode(), _encode_json(totals)))
            messages.append(Message(Topic.PRODUCERS, account.producer.encode(), None))
        return messages


def _shard(producer: str) -> int:
    return zlib.crc32(producer.encode()) % SHARDS


def _part(state: Mapping[bytes, bytes], key: bytes, decode: Callable[[bytes], list[_Kept]]) -> list[_Kept]:
    try:
        return decode(state[key])
    except (KeyError, msgspec.DecodeError) as error:
        raise StateError(f"the checkpoint lacks its part {key.decode()} ({error!r})") from None
