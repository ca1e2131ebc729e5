"""One stage's membership in its consumer group: Faust brings the records, the runner does the rest.

Faust is used for what it is good at: joining a group, fetching, rebalancing, stopping. Two things are
ours. Where to start: a stage goes on from the position in its own state, never from Kafka's committed
offset, which is written for lag displays only. And the last step, from a fetched batch to the stage:
Faust's way through conductor, channel and stream takes four tasks a record, and there is nothing on it
that we need: neither its serializers nor its acknowledgements.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import faust
import mode
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP, StreamT
from faust.types.auth import CredentialsT

from agentgauge_processors.engine.contract import LogError, OffsetExpired, Record
from agentgauge_processors.engine.errors import ExitCode
from agentgauge_processors.engine.kafka.connection import MIB, Connection
from agentgauge_processors.engine.kafka.reader import as_record
from agentgauge_processors.engine.runner import Runner

Die = Callable[[ExitCode, str], NoReturn]

SESSION_S: Final = 10.0
"""Of a dynamic member: a killed one is missed for so long."""
STATIC_SESSION_S: Final = 30.0
"""Of a member with a slot, which comes back under its own name before anybody misses it."""
COMMIT_S: Final = 1.0

_logger = logging.getLogger(__name__)


class Member:
    """Feeds a runner the partitions that the group gives to this process.

    `partitions` is how many the topic had when the stage was made. `die` ends the process.
    """

    def __init__(
        self,
        runner: Runner,
        connection: Connection,
        prefix: str,
        data_dir: Path,
        die: Die,
        *,
        partitions: int,
        slot: int | None = None,
        session_s: float | None = None,
    ) -> None:
        self.runner = runner
        self.group = group_name(prefix, runner.stage.name)
        self._topic = runner.stage.input.name_with(prefix)
        self._die = die
        self._partitions = partitions
        self._committed: dict[int, int] = {}
        self._epoch = 0
        """One more with each revocation: Faust's generation does not change for static members."""
        default = SESSION_S if slot is None else STATIC_SESSION_S
        self._app = _new_app(self.group, connection, data_dir, slot, session_s or default)
        # No acks: the positions that we commit are those of checkpoints, not of deliveries.
        topic = self._app.topic(self._topic, key_type=bytes, value_type=bytes, acks=False)

        async def subscribed(stream: StreamT[bytes]) -> None:
            async for _ in stream:
                raise AssertionError("a record went through Faust's stream")  # `_drain` takes them all

        self._app.agent(topic, concurrency=1)(subscribed)
        # mode's type of a handler fits no function at all.
        self._app.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]  # see above
        self._app.on_rebalance_complete.connect(self._rebalanced)  # type: ignore[arg-type]  # see above

    async def start(self) -> None:
        """Join the group; partitions come later. All topics must be visible by now."""
        self._app.finalize()
        consumer = self._consumer()
        to_committed = consumer.perform_seek

        async def perform_seek() -> None:
            # Faust calls it before the first record of an assignment, and at times once more later:
            # so the position is asked for anew each time.
            await to_committed()
            await self._seek()

        consumer.perform_seek = perform_seek  # type: ignore[method-assign]  # there is no hook for it
        consumer._drain_messages = self._drain  # type: ignore[method-assign]  # nor for this
        await self._app.start()

    async def stop(self) -> None:
        """Leave the group. In the middle of a rebalance it may block the event loop for ever."""
        await self._app.stop()

    @property
    def crashed(self) -> BaseException | None:
        """Why Faust has given up, if it has."""
        if self._app.crashed or self._app.should_stop:
            return self._app.crash_reason or RuntimeError("Faust has stopped")
        return None

    @property
    def assigned(self) -> bool:
        """Whether the group has given this process anything."""
        return bool(self._app.consumer.assignment())

    def count_resets(self, count: Callable[[], None]) -> None:
        """Have `count` called, in another thread, whenever the group does not know this member any more."""
        coordinator = self._thread()._ensure_consumer()._coordinator
        reset = coordinator.reset_generation

        def counted() -> None:
            count()
            reset()

        coordinator.reset_generation = counted

    async def show_positions(self, stopping: asyncio.Event) -> None:
        """Commit the positions of the checkpoints to the group, so that lag displays are right."""
        while not stopping.is_set():
            await asyncio.sleep(COMMIT_S)
            await self.commit_positions()

    def positions(self) -> dict[int, int]:
        """What to commit to the group."""
        return self.runner.committed

    async def commit_positions(self) -> None:
        """Tell the group how far the checkpoints are. That it fails in a rebalance does not matter."""
        new = {p: position for p, position in self.positions().items() if self._committed.get(p) != position}
        if not new:
            return
        offsets = {TopicPartition(self._topic, p): OffsetAndMetadata(each, "") for p, each in new.items()}
        thread = self._thread()
        commit = asyncio.run_coroutine_threadsafe(
            thread._ensure_consumer().commit(offsets), thread.thread_loop
        )
        try:
            await asyncio.wrap_future(commit)
        except KafkaError as error:
            _logger.debug("%s: positions not shown: %r", self.group, error)
        else:
            self._committed = {**self._committed, **new}

    def _consumer(self) -> Consumer:
        consumer = self._app.consumer
        assert isinstance(consumer, Consumer)
        return consumer

    def _thread(self) -> AIOKafkaConsumerThread:
        thread = self._consumer()._thread
        assert isinstance(thread, AIOKafkaConsumerThread)
        return thread

    # -- Faust's hooks -----------------------------------------------------------------------

    async def _revoked(self, app: object, *_: object, **__: object) -> None:
        self._epoch += 1
        self._committed = {}
        try:
            await self.runner.revoked()
        except LogError as error:
            self._die(ExitCode.FENCED, f"{self.group}: {error}")

    async def _rebalanced(self, app: object, *_: object, **__: object) -> None:
        """Faust waits for this before it delivers the first record."""
        partitions = [tp.partition for tp in self._app.consumer.assignment() if tp.topic == self._topic]
        if max(partitions, default=0) >= self._partitions:
            self._die(ExitCode.WATCHDOG, f"{self._topic} has grown: starting afresh with all its partitions")
        try:
            positions = await self.runner.assigned(partitions)
        except Exception as error:
            _logger.exception("%s: loading failed", self.group)
            self._die(ExitCode.LOAD_FAILED, f"{self.group}: {error}")
        if positions is not None:
            _logger.info("%s: going on at %s", self.group, positions)

    async def _seek(self) -> None:
        consumer = self._app.consumer
        for tp in consumer.assignment():
            position = self.runner.next(tp.partition)
            if tp.topic == self._topic and position is not None:
                await consumer.seek(tp, position)

    async def _drain(self, fetcher: mode.ServiceT) -> None:
        """Take batch after batch until Faust stops the fetcher, as it does for a rebalance."""
        consumer = self._consumer()
        while not (consumer.should_stop or fetcher.should_stop):
            epoch = self._epoch
            try:
                batches, _ = await consumer._wait_next_records(timeout=1.0)
            except ConsumerStoppedError:
                if self._app.should_stop:
                    return
                raise
            if not await self._take_all(batches or {}, epoch):
                # Those records will not be fetched again by themselves, not even when the seek of the
                # rebalance came before they were fetched: back to where the stage is.
                await consumer.perform_seek()
            await asyncio.sleep(0)

    async def _take_all(self, batches: Mapping[TP, Sequence[ConsumerRecord]], epoch: int) -> bool:
        """False when a rebalance came since `epoch`: the rest is of no use then."""
        consumer = self._consumer()
        for tp, records in batches.items():
            for record in records:
                if epoch != self._epoch or not consumer.flow_active:
                    return False
                await self._take(record)
                consumer._read_offset[tp] = record.offset
        return True

    async def _take(self, fetched: ConsumerRecord) -> None:
        expected = self.runner.next(fetched.partition)
        if expected is None or fetched.offset < expected:
            return
        record = as_record(fetched)
        if record.offset > expected:
            await self._check_gap(record, expected)
            if self.runner.next(record.partition) != expected:
                return  # rebalanced meanwhile
        self.runner.feed(record)
        await self.runner.room()

    async def _check_gap(self, record: Record, expected: int) -> None:
        """End the process unless the log itself has no record between the two offsets."""
        runner = self.runner
        try:
            following = await runner.log.read(runner.stage.input, record.partition, expected, max_bytes=1)
        except (LogError, OffsetExpired) as error:
            following = []
            _logger.warning("%s: %s", self.group, error)
        if not following or following[0].offset != record.offset:
            self._die(
                ExitCode.OFFSET_GAP,
                f"{self._topic}/{record.partition}: offset {record.offset} came instead of {expected}",
            )


def group_name(prefix: str, stage: str) -> str:
    """The consumer group of a stage."""
    return f"{prefix}-{stage}"


def _new_app(
    group: str, connection: Connection, data_dir: Path, slot: int | None, session_s: float
) -> faust.App:
    return faust.App(
        group,
        broker=";".join(f"kafka://{each.strip()}" for each in connection.kafka.split(",")),
        broker_credentials=_credentials(connection),
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        datadir=str(data_dir / "faust"),
        table_standby_replicas=0,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        agent_supervisor=mode.CrashingSupervisor,
        stream_wait_empty=False,
        broker_max_poll_records=64,
        consumer_max_fetch_size=8 * MIB,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 4),
        broker_request_timeout=max(40.0, session_s + 10),
        broker_rebalance_timeout=60,
        broker_max_poll_interval=300,
        # Else a topic that is not visible yet when we join stays unseen for five minutes.
        consumer_metadata_max_age_ms=5000,
        consumer_group_instance_id=None if slot is None else f"{group}-{slot}",
    )


def _credentials(connection: Connection) -> CredentialsT | None:
    security = connection.security
    context = security.ssl_context()
    if security.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=security.username,
            password=security.password,
            ssl_context=context,
            mechanism=security.mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)
