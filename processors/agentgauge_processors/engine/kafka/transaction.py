"""The transactional producer of one partition of one stage: its id is what fences other owners."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.transaction_manager import TransactionState

from agentgauge_processors.engine.contract import Message, Unavailable
from agentgauge_processors.engine.kafka.connection import PRODUCER, Connection, stop_within
from agentgauge_processors.engine.kafka.errors import log_errors

TRANSACTION_MS: Final = 15_000
"""For so long a dead owner holds back its partition's readers, unless a new owner comes first."""
INIT_S: Final = 60.0
"""How long taking over may take: the broker first ends what the former owner left open."""
COMMIT_S: Final = 60.0
"""A commit that is not confirmed by then has an unknown outcome."""


class TransactionalWriter:
    """Writes checkpoints of one partition. After any error it is of no use any more."""

    def __init__(self, connection: Connection, prefix: str, stage: str, partition: int) -> None:
        self._id = f"{prefix}-{stage}-{partition}"
        self._prefix = prefix
        self._partition = partition
        self._producer = AIOKafkaProducer(
            **connection.settings(),
            **PRODUCER,
            transactional_id=self._id,
            transaction_timeout_ms=TRANSACTION_MS,
        )

    async def start(self) -> None:
        """Fence whoever had this partition, and abort what that left open. Raises Unavailable."""
        with log_errors(f"taking over {self._id}"):
            try:
                async with asyncio.timeout(INIT_S):
                    await self._producer.start()
            except BaseException:
                await self.close()
                raise

    async def commit(self, messages: Sequence[Message]) -> None:
        """Write all of them, in order, or none. Raises Fenced, or Unavailable: then nobody knows.

        Must not be cancelled: a cancelled commit may commit, and the producer is stuck afterwards.
        """
        with log_errors(f"committing {self._id}"):
            try:
                await self._commit(messages)
            except Exception as error:
                # What fails first may only be a symptom: the sender was told in the background.
                if (fatal := self._fatal_error()) is not None:
                    raise fatal from error
                raise

    async def close(self) -> None:
        """Give the connections back; what is open is left open. Takes 5 s at most."""
        await stop_within(self._producer)

    async def _commit(self, messages: Sequence[Message]) -> None:
        await self._producer.begin_transaction()
        acknowledgements: list[asyncio.Future[object]] = []
        try:
            await self._send(messages, acknowledgements)
        finally:
            # Every one of them: a rejected batch does not stop aiokafka's commit.
            await asyncio.gather(*acknowledgements)
        commit = asyncio.ensure_future(self._producer.commit_transaction())
        done, _ = await asyncio.wait({commit}, timeout=COMMIT_S)
        if not done:
            raise Unavailable(f"committing {self._id}: not confirmed within {COMMIT_S:.0f} s")
        commit.result()

    def _fatal_error(self) -> BaseException | None:
        manager = self._producer._txn_manager
        waiter: asyncio.Future[None] | None = manager._transaction_waiter
        if manager.state is not TransactionState.FATAL_ERROR or waiter is None or not waiter.done():
            return None
        return waiter.exception()

    async def _send(
        self, messages: Sequence[Message], acknowledgements: list[asyncio.Future[object]]
    ) -> None:
        """In batches of our own, which cost a sixth of single sends."""
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            by_topic.setdefault(message.topic.name_with(self._prefix), []).append(message)
        for topic, of_topic in by_topic.items():
            for batch in self._batches(of_topic):
                sent = await self._producer.send_batch(batch, topic, partition=self._partition)
                acknowledgements.append(sent)

    def _batches(self, messages: Iterable[Message]) -> Iterator[BatchBuilder]:
        batch = self._producer.create_batch()
        for message in messages:
            if not _append(batch, message):
                batch.close()
                yield batch
                batch = self._producer.create_batch()
                _append(batch, message)  # the first of a batch always fits
        batch.close()
        yield batch


def _append(batch: BatchBuilder, message: Message) -> bool:
    """False when the batch is full."""
    metadata = batch.append(
        timestamp=None, key=message.key, value=message.value, headers=list(message.headers)
    )
    return metadata is not None
