"""The tests' broker itself: what the fault tests lean on must hold."""

import asyncio
import os
import shutil
import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.support.broker import Broker, DockerBroker, JavaBroker, docker_missing, java_missing
from tests.support.kafka_faults import AcknowledgementEater
from tests.support.needs import Needs


def _produce(bootstrap: str, topic: str, value: bytes) -> None:
    errors = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]


def _values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(count, timeout=30)
        return [value for message in messages if isinstance(value := message.value(), bytes)]
    finally:
        consumer.close()


def _create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("kind", "missing"), [(DockerBroker, docker_missing), (JavaBroker, java_missing)], ids=["docker", "java"]
)
def test_broker_keeps_address_and_data_through_kill_stop_and_pause(
    kind: Callable[[], Broker], missing: Callable[[], str | None]
) -> None:
    if (reason := missing()) is not None:
        pytest.skip(reason)  # the other kind serves this machine
    broker = kind()
    try:
        broker.start()
        _create(broker.bootstrap, "kept")
        _produce(broker.bootstrap, "kept", b"before the kill")
        broker.kill()
        broker.start()
        _produce(broker.bootstrap, "kept", b"before the stop")
        broker.stop()
        broker.start()
        broker.pause()
        broker.resume()
        _produce(broker.bootstrap, "kept", b"at last")
        assert _values(broker.bootstrap, "kept", 3) == [b"before the kill", b"before the stop", b"at last"]
    finally:
        broker.remove()


async def test_clients_of_the_proxied_listener_go_through_the_proxy(broker: Broker) -> None:
    topic = f"proxied-{uuid.uuid4()}"
    _create(broker.bootstrap, topic)
    host, port = broker.proxied.split(":")
    async with AcknowledgementEater(broker.proxy_port, (host, int(port))) as proxy:
        sending = asyncio.to_thread(_produce, broker.proxied, topic, b"at last")
        await asyncio.gather(proxy.eat(0.5), sending)
        assert proxy.eaten
    assert _values(broker.bootstrap, topic, 1) == [b"at last"]


def test_shared_broker_is_the_one_that_the_fixture_names(kafka: str) -> None:
    assert AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).brokers


def test_needs_that_are_not_met_are_named_with_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "PATH": "/nowhere"})
    assert shutil.which("java") is None
    needs = Needs()
    for fixture in ("kafka", "broker", "own_broker"):
        assert needs.unmet("kafka", {fixture}) is not None
    assert needs.unmet("servers", set()) is not None
    assert needs.summary() == [
        "3 tests need a real Kafka broker (no Docker engine answers; no java and no mvn on the PATH)",
        "1 test needs a Prometheus server (no prometheus on the PATH and no Docker to run it in)",
    ]
