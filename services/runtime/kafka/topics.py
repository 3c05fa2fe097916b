"""Creates the topics for `init`, before the services start. No other code creates topics."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services.contracts.topics import Topic
from services.errors import ConfigurationError
from services.runtime.kafka.client import DEAD_LETTER_MAX_BYTES, RECORD_MAX_BYTES, build_client_options
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.settings import KafkaSettings

DAY_MS = 86_400_000
"""One day in milliseconds."""
LEADERS_SECONDS = 30
"""Maximum seconds until every partition of a new topic has a leader."""


async def create_topics(settings: KafkaSettings) -> tuple[str, ...]:
    """Creates the missing topics and waits until every partition has a leader. Returns the names of the new topics.

    Never changes the number of partitions of a topic: keys would move and lose their order. Raises
    ``KafkaUnavailableError``, and ``ConfigurationError`` if Kafka rejects a topic.
    """
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        topics = [_build_topic(settings, topic) for topic in Topic]
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in existing]
        if missing:
            _raise_errors(await admin.create_topics(missing))
        await _wait_for_leaders(admin, [topic.name for topic in topics])
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"Kafka did not create the topics ({type(error).__name__}): "
            "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
        ) from error
    finally:
        await admin.close()
    return tuple(topic.name for topic in missing)


def _build_topic(settings: KafkaSettings, topic: Topic) -> NewTopic:
    config = {
        "retention.ms": str(settings.kafka_retention_days * DAY_MS),
        "cleanup.policy": "delete",
        "max.message.bytes": str(DEAD_LETTER_MAX_BYTES if topic is Topic.DEAD_LETTERS else RECORD_MAX_BYTES),
    }
    return NewTopic(
        settings.topic(topic), settings.kafka_partitions, settings.kafka_replication_factor, topic_configs=config
    )


def _raise_errors(answer: object) -> None:
    """Raises the first error of Kafka's answer. Ignores a topic that another process has just created."""
    for name, code, *_ in getattr(answer, "topic_errors", ()):
        error = for_code(code)
        if not code or error is TopicAlreadyExistsError:
            continue
        if error.retriable:
            raise error
        raise ConfigurationError(
            f"Kafka refuses to create the topic {name} ({error.__name__}): check that KAFKA_SASL_USERNAME has the right to "
            "create topics, and that Kafka has at least as many servers as KAFKA_REPLICATION_FACTOR"
        )


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    async with asyncio.timeout(LEADERS_SECONDS):
        while True:
            topics = await admin.describe_topics(names)
            if all(_has_leaders(topic) for topic in topics):
                return
            await asyncio.sleep(0.1)


def _has_leaders(topic: dict[str, object]) -> bool:
    partitions = topic.get("partitions")
    return isinstance(partitions, list) and bool(partitions) and all(part["leader"] >= 0 for part in partitions)
