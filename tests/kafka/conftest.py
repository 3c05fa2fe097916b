"""Consumer groups with topics of their own."""

import pytest

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
