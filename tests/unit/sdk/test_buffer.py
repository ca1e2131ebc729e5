"""The buffer: bounded in events and bytes, and every event is counted exactly once."""

import gc
import threading

import pytest

from agentgauge.buffer import Buffer, Item
from agentgauge_schemas.block import Resource

RESOURCE = Resource()


class Wakes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def item(size: int = 10) -> Item:
    return (0, RESOURCE, b"x" * size)


def test_it_drops_what_does_not_fit() -> None:
    buffer = Buffer(3, 100, Wakes())
    for _ in range(5):
        buffer.put(item())
    assert buffer.result() == (0, 3, 2, ())
    assert buffer.dropped == {"queue_full": 2}
    by_bytes = Buffer(100, 25, Wakes())
    for _ in range(5):
        by_bytes.put(item())
    assert by_bytes.dropped == {"queue_full": 3}


def test_what_is_taken_keeps_its_room_until_it_is_settled() -> None:
    buffer = Buffer(2, 100, Wakes())
    buffer.put(item())
    buffer.put(item())
    taken = buffer.take()
    buffer.put(item())
    assert buffer.dropped == {"queue_full": 1}
    buffer.settle(len(taken), 20)
    buffer.put(item())
    assert buffer.result() == (2, 1, 1, ())


def test_it_wakes_at_the_first_event_and_then_when_asked() -> None:
    wakes = Wakes()
    buffer = Buffer(100, 1 << 22, wakes)
    buffer.put(item())
    buffer.put(item())
    assert wakes.count == 1
    assert buffer.level(lambda count: count + 3) == (2, 20)
    for _ in range(3):
        buffer.put(item())
    assert wakes.count == 2
    buffer.level(lambda _: 1_000)
    buffer.put(item(1 << 20))
    assert wakes.count == 3, "enough for a block"


def test_flush_waits_for_what_was_there_before_it() -> None:
    buffer = Buffer(100, 1_000, Wakes())
    buffer.put(item())
    results = []
    waiter = threading.Thread(target=lambda: results.append(buffer.wait_settled(10)))
    taken = buffer.take()
    waiter.start()
    buffer.put(item())  # perhaps before, perhaps after the waiter looked
    taken += buffer.take()
    buffer.settle(len(taken), 20)
    buffer.settle_all()
    waiter.join(5)
    assert [result.pending for result in results] == [0]


def test_flush_gives_up_in_time() -> None:
    buffer = Buffer(100, 1_000, Wakes())
    buffer.put(item())
    assert buffer.wait_settled(0.01).pending == 1


def test_a_finalizer_may_queue_while_the_lock_is_held() -> None:
    """Garbage is collected at any allocation: also at those inside of `put`."""
    buffer = Buffer(100_000, 1 << 30, Wakes())

    class Noisy:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            buffer.put(item())

    finished = threading.Event()

    def work() -> None:
        with buffer._lock:
            Noisy()
            gc.collect()
        finished.set()

    threading.Thread(target=work, daemon=True).start()
    assert finished.wait(10), "it waits for a lock that its own thread holds"
    assert buffer.pending == 1


@pytest.mark.parametrize("reason", ["too_large", ""])
def test_settled_events_are_sent_or_dropped(reason: str) -> None:
    buffer = Buffer(10, 100, Wakes())
    buffer.put(item())
    buffer.take()
    buffer.settle(1, 10, dropped=reason)
    buffer.failed("nothing answers")
    assert buffer.result() == ((0, 0, 1, ("nothing answers",)) if reason else (1, 0, 0, ("nothing answers",)))


def test_after_close_nothing_is_taken() -> None:
    buffer = Buffer(10, 100, Wakes())
    buffer.close()
    buffer.put(item())
    buffer.drop("invalid")
    assert buffer.dropped == {"closed": 1, "invalid": 1}
