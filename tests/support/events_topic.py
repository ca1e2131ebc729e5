"""The `.events` topic of a real broker, as a test makes and reads it."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from agentgauge.testing import SentBlock
from agentgauge_processors.engine.kafka.topics import create_topics
from agentgauge_schemas.account import Account
from agentgauge_schemas.block import BlockHeaders, decode_block
from agentgauge_schemas.topics import Topic

PARTITIONS = 4


async def make_topics(bootstrap: str, prefix: str) -> None:
    """All topics of a pipeline."""
    await create_topics(bootstrap, prefix, PARTITIONS, PARTITIONS)


async def read_blocks(bootstrap: str, prefix: str) -> list[SentBlock]:
    """Everything in the topic up to its present end, partition by partition."""
    topic = Topic.EVENTS.name_with(prefix)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        blocks: list[SentBlock] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    headers = BlockHeaders.decode(record.headers)
                    assert headers.partition == record.partition
                    assert record.key == headers.producer.encode()
                    blocks.append(SentBlock(headers, decode_block(record.value)))
        return blocks
    finally:
        await consumer.stop()


def accounts(blocks: Sequence[SentBlock]) -> dict[str, Account]:
    """What the pipeline would book for these blocks, by producer."""
    found: dict[str, Account] = {}
    for sent in blocks:
        headers = sent.headers
        account = found.setdefault(
            headers.producer, Account(producer=headers.producer, partition=headers.partition)
        )
        account.accept(headers.seq, headers.count)
        account.final = sent.block.final
        account.dropped = sent.block.dropped
    return found
