"""Which events of a producer are stored already: reduce's accounts again, as far as that needs.

The storage books every block in the same order and by the same rule as reduce, so both take the
same events for new, whatever was sent twice, late or never.
"""

import msgspec
from sqlalchemy import Connection, Engine, select

from agentgauge_schemas.account import Account
from agentgauge_sinks.storage.database import Bulk, Row, insert_into
from agentgauge_sinks.storage.tables import deliveries

_encode = msgspec.json.Encoder().encode
_decode_open = msgspec.json.Decoder(list[tuple[int, int]]).decode


class Deliveries:
    """The accounts of one source partition, for one database transaction."""

    def __init__(self, connection: Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition
        self._accounts: dict[str, Account] = {}

    def of(self, producer: str) -> Account:
        """A producer's account; changes to it are written by `rows`. Reads the database once."""
        account = self._accounts.get(producer)
        if account is None:
            account = self._accounts[producer] = self._load(producer)
        return account

    def rows(self) -> list[Row]:
        """All accounts that were asked for, for `upsert_deliveries`."""
        return [
            (
                account.producer,
                self._partition,
                account.next,
                _encode(account.open).decode(),
                account.repeatable,
            )
            for account in self._accounts.values()
        ]

    def _load(self, producer: str) -> Account:
        found = self._connection.execute(
            select(deliveries.c.next, deliveries.c.open, deliveries.c.repeatable).where(
                deliveries.c.producer == producer, deliveries.c.partition == self._partition
            )
        ).one_or_none()
        if found is None:
            return Account(producer=producer, partition=self._partition)
        return Account(
            producer=producer,
            partition=self._partition,
            next=found.next,
            open=_decode_open(found.open),
            repeatable=found.repeatable,
        )


def upsert_deliveries(engine: Engine) -> Bulk:
    """Writes `Deliveries.rows`."""
    insert = insert_into(engine, deliveries)
    return Bulk(
        engine,
        insert.on_conflict_do_update(
            index_elements=["producer", "partition"],
            set_={name: insert.excluded[name] for name in ("next", "open", "repeatable")},
        ),
    )
