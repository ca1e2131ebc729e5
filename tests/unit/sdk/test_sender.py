"""The sender: signs of life, a final block, sharing, and an end that is bounded."""

import threading
import time
from collections.abc import Callable

import pytest

from agentgauge import Client
from agentgauge.testing import CountingIds, ManualClock, MemoryTransport
from agentgauge.worker import HEARTBEAT_S


def eventually(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def senders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "agentgauge-sender"]


def test_no_thread_before_the_first_event(transport: MemoryTransport) -> None:
    with Client(transport=transport) as client:
        assert client.flush() == (0, 0, 0, ())
        assert not senders()
        client.event("x")
        assert len(senders()) == 1
    assert not senders()


def test_events_go_by_themselves(transport: MemoryTransport) -> None:
    with Client(transport=transport, flush_interval=0.05) as client:
        client.event("x")
        eventually(lambda: transport.events)
        client.event("y")
        eventually(lambda: len(transport.events) == 2)


def test_a_full_batch_does_not_wait_for_the_interval(transport: MemoryTransport) -> None:
    with Client(transport=transport, flush_interval=3600, batch_size=10) as client:
        for _ in range(10):
            client.event("x")
        eventually(lambda: len(transport.events) == 10)


def test_the_queue_is_bounded_and_says_what_it_dropped(transport: MemoryTransport) -> None:
    with Client(transport=transport, flush_interval=3600, queue_events=5) as client:
        for _ in range(12):
            client.event("x")
        client.flush(5)
    assert len(transport.events) == 5
    assert transport.blocks[-1].block.dropped == {"queue_full": 7}


def test_a_silent_producer_says_that_it_lives(transport: MemoryTransport) -> None:
    clock = ManualClock()
    with Client(transport=transport, clock=clock, flush_interval=0.01) as client:
        client.event("x")
        client.flush(5)
        clock.advance(HEARTBEAT_S + 1)
        client.flush(5)  # wakes the thread, which looks at the clock
        eventually(lambda: len(transport.blocks) >= 2)
        heartbeat = transport.blocks[1]
        assert (heartbeat.headers.seq, heartbeat.headers.count) == (1, 0)
        assert not heartbeat.block.final


def test_a_clean_end_says_so(transport: MemoryTransport) -> None:
    client = Client(transport=transport, flush_interval=3600)
    client.event("x")
    client.flush(5)
    client.close()
    assert [(sent.headers.seq, sent.headers.count, sent.block.final) for sent in transport.blocks] == [
        (0, 1, False),
        (1, 0, True),
    ]


def test_the_last_events_are_in_the_final_block(transport: MemoryTransport) -> None:
    client = Client(transport=transport, flush_interval=3600)
    client.event("x")
    client.close()
    assert [(sent.headers.count, sent.block.final) for sent in transport.blocks] == [(1, True)]


def test_fifty_clients_share_one_thread_and_one_producer() -> None:
    clients = [Client("memory:", agent=f"agent-{number}") for number in range(50)]
    for client in clients:
        client.event("x")
    assert len(senders()) == 1
    assert clients[7].flush(5).sent == 50
    for client in clients[1:]:
        client.close()
    assert len(senders()) == 1
    clients[0].close()
    assert not senders()


def test_clients_of_other_endpoints_do_not_share() -> None:
    with Client("memory:", prefix="a") as a, Client("memory:", prefix="b") as b:
        a.event("x")
        b.event("x")
        assert len(senders()) == 2


def test_a_new_client_after_the_last_was_closed_is_a_new_producer() -> None:
    transport = MemoryTransport()
    ids = CountingIds()
    for _ in range(2):
        with Client(transport=transport, ids=ids) as client:
            client.event("x")
    assert [(sent.headers.producer, sent.headers.seq) for sent in transport.blocks] == [
        ("producer-1", 0),
        ("producer-2", 0),
    ]


def test_on_error_may_use_the_client(transport: MemoryTransport) -> None:
    """It runs in the sender's thread: nothing that it calls may wait for that."""
    done = threading.Event()

    def on_error(error: Exception) -> None:
        client.flush(60)
        client.close(60)
        done.set()

    client = Client(url="kafka://127.0.0.1:1", retry_attempts=0, flush_interval=0.01, on_error=on_error)
    client.event("x")
    assert done.wait(10)
    eventually(lambda: not senders())


@pytest.mark.parametrize("timeout", [0.0, 0.3])
def test_close_and_flush_are_bounded(timeout: float) -> None:
    client = Client(url="kafka://127.0.0.1:1")
    client.event("x")
    started = time.monotonic()
    result = client.flush(timeout)
    assert (result.sent, result.pending) == (0, 1)
    client.close(timeout)
    assert time.monotonic() - started < 2 * timeout + 1.0
    eventually(lambda: not senders())
