"""Taking a partition over: fence, load, and check that the log is still the one the state belongs to."""

import logging

from agentgauge_processors.engine.contract import Log, OffsetExpired, Position, Stage, fingerprint

_logger = logging.getLogger(__name__)


async def restore(stage: Stage, log: Log, partition: int) -> None:
    """Open a partition and load it into the stage, which then stands at the right position.

    Raises LogError and StateError; the stage has forgotten the partition then.
    """
    state = await log.open(stage.name, stage.state, partition)
    position = stage.load(partition, state)
    try:
        await _verify(stage, log, partition, position)
    except BaseException:
        stage.release(partition)
        raise


async def _verify(stage: Stage, log: Log, partition: int, position: Position) -> None:
    """A position means nothing without its log: when the record applied last is not what it was, or
    the log ends before it, the log is a new one and is read from its beginning. Records that expired
    before anybody read them are counted as lost.
    """
    last = position.fingerprint
    offset = position.next if last is None else last.offset
    try:
        records = await log.read(stage.input, partition, offset, max_bytes=1)
    except OffsetExpired as expired:
        if expired.first > position.next:
            lost = f"{position.next} to {expired.first - 1}"
            _logger.error("%s/%d: records %s expired unread", stage.input, partition, lost)
            stage.skip(partition, expired.first)
        return
    if last is not None and (not records or fingerprint(records[0]) != last):
        _logger.warning("%s/%d is a new log: reading it from its beginning", stage.input, partition)
        stage.restart(partition)
        await _verify(stage, log, partition, Position(0, None))
