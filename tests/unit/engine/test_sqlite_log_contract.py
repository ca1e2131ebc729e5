"""SqliteLog keeps the contract of all carriers."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.log_contract import PARTITIONS, LogContract, NewLog

from agentgauge_processors.engine.sqlite import SqliteLog


class TestSqliteLog(LogContract):
    """On one file, opened anew by each `new_log`."""

    @pytest.fixture
    def new_log(self, tmp_path: Path) -> Iterator[NewLog]:
        with ExitStack() as logs:
            yield lambda: logs.enter_context(
                SqliteLog(tmp_path / "log.sqlite", events_partitions=PARTITIONS, merge_partitions=PARTITIONS)
            )
