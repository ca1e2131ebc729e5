"""The merge stage: all merge partitions that one process owns."""

from collections.abc import Mapping

from agentgauge_processors.engine.contract import Append, Checkpoint, Position, Record, Tick
from agentgauge_processors.merge.partition import MergePartition
from agentgauge_schemas.topics import Topic

DEFAULT_VIEW_LIMIT = 10_000
"""Groups of a view, over all merge partitions; more are counted in its overflow group."""


class MergeStage:
    """Partial aggregates in, totals and windows out (`Stage` of the engine)."""

    name = "merge"
    input = Topic.PARTIALS
    state = Topic.MERGE_STATE
    partition_class = MergePartition

    def __init__(
        self,
        *,
        merge_partitions: int,
        allowed_lateness_s: int = 3_600,
        view_limit: int = DEFAULT_VIEW_LIMIT,
    ) -> None:
        self._merge_partitions = merge_partitions
        self._allowed_lateness_s = allowed_lateness_s
        self._group_limit = max(1, view_limit // merge_partitions)
        self._partitions: dict[int, MergePartition] = {}

    def load(self, partition: int, state: Mapping[bytes, bytes]) -> Position:
        """Take a merge partition over. Raises StateError."""
        loaded = self.partition_class(
            partition, self._merge_partitions, self._allowed_lateness_s, self._group_limit
        )
        position = loaded.load(state)
        self._partitions[partition] = loaded
        return position

    def restart(self, partition: int) -> None:
        """The log was replaced: what was applied stays applied."""
        self._partitions[partition].restart()

    def skip(self, partition: int, first: int) -> None:
        """Entries below `first` expired unread."""
        self._partitions[partition].skip(first)

    def next(self, partition: int) -> int:
        """The offset that is applied next."""
        return self._partitions[partition].head.next

    def apply(self, record: Record) -> None:
        """Apply one record of partials."""
        self._partitions[record.partition].apply(record)

    def rule(self, record: Record) -> None:
        """Merge has no use for price tables."""

    def drain(self, tick: Tick) -> list[Append]:
        """All that merge says is in its checkpoints."""
        return []

    def cut(self, partition: int, tick: Tick, *, last: bool = False) -> Checkpoint | None:
        """The checkpoint of one merge partition."""
        return self._partitions[partition].cut(tick, last=last)

    def release(self, partition: int) -> None:
        """Forget a partition."""
        self._partitions.pop(partition, None)
