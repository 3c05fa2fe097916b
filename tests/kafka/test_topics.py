"""Topics are created once, as the settings say, and never changed."""

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from sandbox.stack.ports import free_port
from services.contracts.envelope import Record
from services.contracts.topics import Topic
from services.errors import ConfigurationError
from services.runtime.kafka import DEAD_LETTER_MAX_BYTES, RECORD_MAX_BYTES
from services.runtime.producer import KafkaUnavailableError, Publisher
from services.runtime.settings import KafkaSettings
from services.runtime.topics import create_topics
from tests.kafka.stage import settings
from tests.stack import KafkaServers

pytestmark = pytest.mark.kafka


async def described(given: KafkaSettings) -> dict[str, list[dict[str, Any]]]:
    """The partitions of each of our topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=given.kafka_bootstrap_servers)
    await admin.start()
    try:
        found = await admin.describe_topics([given.topic(topic) for topic in Topic])
    finally:
        await admin.close()
    return {topic["topic"]: topic["partitions"] for topic in found}


async def configured(given: KafkaSettings, topic: Topic) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=given.kafka_bootstrap_servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, given.topic(topic))])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_every_topic_is_created_with_its_partitions_and_can_be_used_at_once(
    kafka: KafkaServers, topic_prefix: str
) -> None:
    given = settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=5)
    assert set(await create_topics(given)) == {topic_prefix + topic.value for topic in Topic}
    found = await described(given)
    assert {name: len(partitions) for name, partitions in found.items()} == {given.topic(topic): 5 for topic in Topic}
    assert all(partition["leader"] >= 0 for partitions in found.values() for partition in partitions)
    publisher = Publisher(given, "publisher")
    await publisher.start()
    await publisher.publish([Record(topic, b"key", b"value") for topic in Topic])
    await publisher.stop()


async def test_what_they_keep_and_take_is_set_on_the_topics(kafka: KafkaServers, topic_prefix: str) -> None:
    """So that a cluster with other defaults behaves the same."""
    given = settings(kafka.bootstrap_servers, topic_prefix, kafka_retention_days=30)
    await create_topics(given)
    for topic in Topic:
        found = await configured(given, topic)
        largest = DEAD_LETTER_MAX_BYTES if topic is Topic.DEAD_LETTERS else RECORD_MAX_BYTES
        assert (found["cleanup.policy"], found["retention.ms"]) == ("delete", str(30 * 86_400_000))
        assert found["max.message.bytes"] == str(largest)


async def test_creating_them_again_changes_nothing(kafka: KafkaServers, topic_prefix: str) -> None:
    """Above all not the number of partitions: keys would move."""
    few = settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)
    more = settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=9)
    await create_topics(few)
    assert await create_topics(more) == ()
    assert {len(partitions) for partitions in (await described(few)).values()} == {2}


async def test_a_topic_that_is_missing_is_added_beside_those_that_exist(kafka: KafkaServers, topic_prefix: str) -> None:
    given = settings(kafka.bootstrap_servers, topic_prefix)
    await create_topics(given)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([given.topic(Topic.DEAD_LETTERS)])
    while given.topic(Topic.DEAD_LETTERS) in await admin.list_topics():  # noqa: ASYNC110 - Kafka deletes it in its own time
        await asyncio.sleep(0.02)
    await admin.close()
    assert await create_topics(given) == (given.topic(Topic.DEAD_LETTERS),)


async def test_two_that_create_them_at_once_do_not_disturb_each_other(kafka: KafkaServers, topic_prefix: str) -> None:
    given = settings(kafka.bootstrap_servers, topic_prefix)
    await asyncio.gather(create_topics(given), create_topics(given))
    assert len(await described(given)) == len(Topic)


async def test_more_copies_than_brokers_is_an_error_that_names_the_setting(
    kafka: KafkaServers, topic_prefix: str
) -> None:
    with pytest.raises(ConfigurationError, match="KAFKA_REPLICATION_FACTOR"):
        await create_topics(settings(kafka.bootstrap_servers, topic_prefix, kafka_replication_factor=7))


async def test_without_a_kafka_the_error_names_the_setting(topic_prefix: str) -> None:
    with pytest.raises(KafkaUnavailableError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await create_topics(settings(f"127.0.0.1:{free_port()}", topic_prefix))
