"""One Kafka node across stop, kill and pause."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sandbox.stack.kafka import Kafka

TOPIC = "greetings"


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kafka]:
    folder = tmp_path_factory.mktemp("own-kafka")
    async with Kafka(folder) as node:
        admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
        await admin.close()
        yield node
    shutil.rmtree(folder)


async def write_record(node: Kafka, value: bytes) -> int:
    async with AIOKafkaProducer(bootstrap_servers=node.bootstrap_servers, acks="all") as producer:
        return int((await producer.send_and_wait(TOPIC, value)).offset)


async def read_values(node: Kafka, offset: int, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(bootstrap_servers=node.bootstrap_servers) as consumer:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        consumer.seek(partition, offset)
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.mark.kafka
async def test_stopped_node_keeps_its_records(node: Kafka) -> None:
    """Records written before a stop can be read after the next start."""
    first = await write_record(node, b"before the stop")
    await node.stop()
    await node.start()

    await write_record(node, b"after the stop")

    assert await read_values(node, first, 2) == [b"before the stop", b"after the stop"]


@pytest.mark.kafka
async def test_killed_node_restarts_with_its_address_and_records(node: Kafka) -> None:
    """Clients reconnect to a restarted node without a new configuration."""
    address = node.bootstrap_servers
    first = await write_record(node, b"before the kill")

    await node.kill()

    assert not node.process.is_running

    await node.start()

    assert node.bootstrap_servers == address

    await write_record(node, b"after the kill")

    assert await read_values(node, first, 2) == [b"before the kill", b"after the kill"]


@pytest.mark.kafka
async def test_paused_node_answers_after_resume(node: Kafka) -> None:
    """A pause delays a record but does not lose it."""
    async with AIOKafkaProducer(bootstrap_servers=node.bootstrap_servers) as producer:
        await producer.send_and_wait(TOPIC, b"before the pause")
        node.pause()
        try:
            delivery = await producer.send(TOPIC, b"during the pause")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(delivery), 0.3)
        finally:
            node.resume()
        assert await delivery
