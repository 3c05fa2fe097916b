"""What `doctor` sees of Kafka: the topics, and the groups of the services. It changes nothing."""

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sandbox.stack.ports import reserve_port
from services.contracts.cloudevents import Record
from services.contracts.topics import Topic
from services.runtime.kafka.inspection import GroupState, TopicState, inspect_group, inspect_topics
from services.runtime.kafka.publisher import KafkaUnavailableError, Publisher
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings
from tests.kafka.group import make_settings
from tests.support.servers import KafkaServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: KafkaServers, topic_prefix: str) -> KafkaSettings:
    """Settings with two partitions a topic."""
    return make_settings(kafka.bootstrap_servers, topic_prefix, kafka_partitions=2)


async def publish(settings: KafkaSettings, records: int) -> None:
    """Publishes that many requests."""
    publisher = Publisher(settings, "test")
    await publisher.start()
    await publisher.publish([Record(Topic.ACCOUNTS_REQUESTED, f"{n}".encode(), b"value") for n in range(records)])
    await publisher.stop()


async def test_topics_of_init_have_no_deviation(settings: KafkaSettings) -> None:
    """An installation after `init` gives no finding."""
    await create_topics(settings)

    topics = await inspect_topics(settings)

    assert topics == tuple(TopicState(settings.topic(topic), 2) for topic in Topic)


async def test_missing_and_deviating_topics_are_seen(settings: KafkaSettings) -> None:
    """A topic that is not compacted keeps the data of an erased person."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    name = settings.topic(Topic.EMPLOYEES_CHANGED)
    await admin.create_topics([NewTopic(name, 5, 1, topic_configs={"cleanup.policy": "delete"})])
    await admin.close()

    async def sees_partitions() -> bool:
        return (await inspect_topics(settings))[0].partitions == 5

    await wait_until(sees_partitions)  # a new topic spreads among the servers

    changed, *others = await inspect_topics(settings)

    assert "cleanup.policy" in changed.deviations
    assert [topic.partitions for topic in others] == [0, 0, 0]


async def test_members_and_lag_of_a_group_are_counted(settings: KafkaSettings) -> None:
    """A partition without a committed offset counts from its beginning."""
    await create_topics(settings)
    await publish(settings, 10)
    name, group = settings.topic(Topic.ACCOUNTS_REQUESTED), settings.group("writer")
    before = await inspect_group(settings, "writer", Topic.ACCOUNTS_REQUESTED)
    async with AIOKafkaConsumer(
        name,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=group,
        client_id="writer-0.9.1-77",
        enable_auto_commit=False,
    ) as consumer:
        ends = await consumer.end_offsets([TopicPartition(name, 0), TopicPartition(name, 1)])
        await consumer.commit({TopicPartition(name, 0): ends[TopicPartition(name, 0)]})

        during = await inspect_group(settings, "writer", Topic.ACCOUNTS_REQUESTED)

    assert before == GroupState("writer", {}, 10)
    assert during == GroupState("writer", {"0.9.1": 1}, ends[TopicPartition(name, 1)])


async def test_kafka_that_does_not_answer_is_an_error() -> None:
    """The message says what to check."""
    with pytest.raises(KafkaUnavailableError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await inspect_topics(make_settings(f"127.0.0.1:{reserve_port()}", "p-"))
