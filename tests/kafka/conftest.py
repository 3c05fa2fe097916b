import pytest

from tests.kafka.stage import Stage, staged
from tests.stack import KafkaServers


@pytest.fixture
async def stage(kafka: KafkaServers, topic_prefix: str) -> Stage:
    """One partition, so that the order of records is known."""
    return await staged(kafka.bootstrap_servers, topic_prefix)


@pytest.fixture
async def four(kafka: KafkaServers, topic_prefix: str) -> Stage:
    """Four partitions, for two members to share."""
    return await staged(kafka.bootstrap_servers, topic_prefix, kafka_partitions=4)
