"""Creates and corrects the topics for `init`, before the services start. No other code creates topics."""

import asyncio
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services.contracts.topics import Topic
from services.errors import ConfigurationError
from services.runtime.kafka.client import build_client_options
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.topic_settings import build_settings, correct_topics
from services.runtime.settings import KafkaSettings

LEADERS_SECONDS = 30
"""Maximum seconds until every partition of a new topic has a leader."""


@dataclass(frozen=True, slots=True)
class PreparedTopics:
    """What was done to the topics; empty if all of them existed as they should."""

    created: tuple[str, ...]
    """The names of new topics."""
    corrected: tuple[str, ...]
    """The names of topics that existed with other settings."""


async def create_topics(settings: KafkaSettings) -> PreparedTopics:
    """Creates the missing topics, corrects the settings of the others, and waits until every partition has a leader.

    Never changes the number of partitions of a topic: keys would move and lose their order. Raises
    ``KafkaUnavailableError``, and ``ConfigurationError`` if Kafka rejects a topic.
    """
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [topic for topic in Topic if settings.topic(topic) not in existing]
        if missing:
            _raise_errors(await admin.create_topics([_build_topic(settings, topic) for topic in missing]))
        await _wait_for_leaders(admin, [settings.topic(topic) for topic in Topic])
        corrected = await correct_topics(admin, settings, [topic for topic in Topic if topic not in missing])
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"Kafka did not create the topics ({type(error).__name__}): "
            "check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
        ) from error
    finally:
        await admin.close()
    return PreparedTopics(tuple(settings.topic(topic) for topic in missing), corrected)


def _build_topic(settings: KafkaSettings, topic: Topic) -> NewTopic:
    return NewTopic(
        settings.topic(topic),
        settings.kafka_partitions,
        settings.kafka_replication_factor,
        topic_configs=build_settings(settings, topic),
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
