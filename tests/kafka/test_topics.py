"""Topics are created once, as the settings say. Of an existing topic, only the time that Kafka keeps records is corrected."""

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from sandbox.stack.ports import reserve_port
from services.contracts.cloudevents import Record
from services.contracts.topics import PEOPLE, Topic
from services.errors import ConfigurationError
from services.runtime.kafka.client import DEAD_LETTER_MAX_BYTES, RECORD_MAX_BYTES
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.kafka.topic_settings import DAY_MS
from services.runtime.kafka.topics import PreparedTopics, create_topics
from services.runtime.settings import KafkaSettings
from tests.kafka.group import make_settings
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


async def read_partitions(settings: KafkaSettings) -> dict[str, list[dict[str, Any]]]:
    """Returns the partitions of each topic of the product."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        topics = await admin.describe_topics([settings.topic(topic) for topic in Topic])
    finally:
        await admin.close()
    return {topic["topic"]: topic["partitions"] for topic in topics}


async def read_config(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Returns the configuration of a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic(topic))])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_topics_are_created_and_can_be_used_at_once(kafka: KafkaServers, topic_prefix: str) -> None:
    """The creation waits until each partition has a leader."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=5)

    prepared = await create_topics(settings)

    assert set(prepared.created) == {topic_prefix + topic.value for topic in Topic}
    topics = await read_partitions(settings)
    assert {name: len(partitions) for name, partitions in topics.items()} == {
        settings.topic(topic): 5 for topic in Topic
    }
    assert all(partition["leader"] >= 0 for partitions in topics.values() for partition in partitions)
    publisher = Publisher(settings, "publisher")
    await publisher.start()
    await publisher.publish([Record(topic, b"key", b"value") for topic in Topic])
    await publisher.stop()


async def test_retention_and_limits_are_set_on_the_topics(kafka: KafkaServers, topic_prefix: str) -> None:
    """A cluster with other defaults behaves the same."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_retention_days=30)

    await create_topics(settings)

    for topic in Topic:
        config = await read_config(settings, topic)
        limit = DEAD_LETTER_MAX_BYTES if topic is Topic.DEAD_LETTERS else RECORD_MAX_BYTES
        assert config["cleanup.policy"] == ("compact,delete" if topic in PEOPLE else "delete")
        assert config["retention.ms"] == str(30 * DAY_MS)
        assert config["max.message.bytes"] == str(limit)


async def test_lags_of_compaction_are_set_for_people_only(kafka: KafkaServers, topic_prefix: str) -> None:
    """Dead letters of one employee have the same key, and each of them is kept until its retention ends."""
    days = {"kafka_min_compaction_days": 0.5, "kafka_max_compaction_days": 2}
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, **days)

    await create_topics(settings)

    for topic in PEOPLE:
        config = await read_config(settings, topic)
        assert config["min.compaction.lag.ms"] == str(DAY_MS // 2)
        assert config["max.compaction.lag.ms"] == str(2 * DAY_MS)
    assert "compact" not in (await read_config(settings, Topic.DEAD_LETTERS))["cleanup.policy"]


async def test_outdated_topic_is_corrected_once(kafka: KafkaServers, topic_prefix: str) -> None:
    """A topic of an earlier version is not compacted. What an operator has added to it stays."""
    days = {"kafka_min_compaction_days": 7, "kafka_max_compaction_days": 30}
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, **days)
    requests = settings.topic(Topic.ACCOUNTS_REQUESTED)
    outdated = {
        "cleanup.policy": "delete",
        "retention.ms": "1000",
        "segment.ms": "3600000",
        "max.message.bytes": "3000000",
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(requests, 1, 1, topic_configs=outdated)])
    await admin.close()

    first, second = await create_topics(settings), await create_topics(settings)
    config = await read_config(settings, Topic.ACCOUNTS_REQUESTED)

    assert first.corrected == (requests,)
    assert second == PreparedTopics((), ())
    assert config["cleanup.policy"] == "compact,delete"
    assert config["max.compaction.lag.ms"] == str(30 * DAY_MS)
    assert config["retention.ms"] == str(settings.kafka_retention_days * DAY_MS)
    assert config["segment.ms"] == "3600000"
    assert config["max.message.bytes"] == "3000000"


async def test_second_creation_changes_nothing(kafka: KafkaServers, topic_prefix: str) -> None:
    """With another number of partitions, keys would move and lose their order."""
    before = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    after = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=9)

    await create_topics(before)

    assert await create_topics(after) == PreparedTopics((), ())
    assert {len(partitions) for partitions in (await read_partitions(before)).values()} == {2}


async def test_missing_topic_is_created_beside_the_others(kafka: KafkaServers, topic_prefix: str) -> None:
    """A newer version may have a new topic."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix)
    letters = settings.topic(Topic.DEAD_LETTERS)
    await create_topics(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([letters])

    async def is_deleted() -> bool:
        return letters not in await admin.list_topics()

    await wait_until(is_deleted)
    await admin.close()

    assert await create_topics(settings) == PreparedTopics((letters,), ())


async def test_concurrent_creations_succeed(kafka: KafkaServers, topic_prefix: str) -> None:
    """Two `init` may run at the same time."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix)

    await asyncio.gather(create_topics(settings), create_topics(settings))

    assert len(await read_partitions(settings)) == len(Topic)


async def test_too_many_replicas_name_the_setting(kafka: KafkaServers, topic_prefix: str) -> None:
    """Kafka refuses a topic with more copies than Kafka has servers."""
    settings = make_settings(kafka.bootstrap_servers, topic_prefix, kafka_replication_factor=7)

    with pytest.raises(ConfigurationError, match="KAFKA_REPLICATION_FACTOR"):
        await create_topics(settings)


async def test_unavailable_kafka_names_the_setting(topic_prefix: str) -> None:
    """The address may be wrong."""
    settings = make_settings(f"127.0.0.1:{reserve_port()}", topic_prefix)

    with pytest.raises(KafkaUnavailableError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await create_topics(settings)
