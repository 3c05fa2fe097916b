"""Consumer groups with topics of their own."""

import shutil
from collections.abc import AsyncIterator

import pytest

from sandbox.stack.kafka import Kafka
from tests.kafka.group import KafkaGroup, create_group
from tests.support.servers import KafkaServers


@pytest.fixture
async def group(kafka: KafkaServers, topic_prefix: str) -> KafkaGroup:
    """A group on topics with one partition, so that the order of records is known."""
    return await create_group(kafka.bootstrap_servers, topic_prefix)


@pytest.fixture
async def wide_group(kafka: KafkaServers, topic_prefix: str) -> KafkaGroup:
    """A group on topics with four partitions, which two members can share."""
    return await create_group(kafka.bootstrap_servers, topic_prefix, kafka_partitions=4)


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kafka]:
    """A Kafka of a test module of its own, not started yet: its tests stop it."""
    folder = tmp_path_factory.mktemp("own-kafka")
    node = Kafka(folder)
    yield node
    await node.stop()
    shutil.rmtree(folder)
