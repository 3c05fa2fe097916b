"""The settings of each topic: what `init` gives to a new topic, and what it corrects of an existing one."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from services.contracts.topics import PEOPLE, Topic
from services.errors import ConfigurationError
from services.runtime.kafka.client import DEAD_LETTER_MAX_BYTES, RECORD_MAX_BYTES
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.settings import KafkaSettings

CORRECTION_SECONDS = 30
"""Maximum seconds until a changed setting of a topic is in force."""
DAY_MS = 86_400_000
"""One day in milliseconds."""
_MANY_COPIES = 3
"""Number of copies from which one of them may be missing while Kafka acknowledges records."""
_OF_TOPIC = 1
"""Kafka's code for the source of a setting that belongs to the topic itself, not to the cluster's defaults."""


def build_settings(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Returns the settings of a new topic."""
    limit = DEAD_LETTER_MAX_BYTES if topic is Topic.DEAD_LETTERS else RECORD_MAX_BYTES
    copies = settings.kafka_replication_factor
    in_sync = {"min.insync.replicas": str(copies - 1)} if copies >= _MANY_COPIES else {}
    return build_corrected_settings(settings, topic) | {"max.message.bytes": str(limit)} | in_sync


def build_corrected_settings(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Returns the settings that an existing topic must have too: how long Kafka keeps which records.

    The topics of people are compacted, so that a tombstone erases an employee. A dead letter is kept until its retention
    ends: several letters of one employee have the same key.
    """
    retention = {"retention.ms": str(settings.kafka_retention_days * DAY_MS)}
    if topic not in PEOPLE:
        return {"cleanup.policy": "delete", **retention}
    return {
        "cleanup.policy": "compact,delete",
        "min.compaction.lag.ms": str(int(settings.kafka_min_compaction_days * DAY_MS)),
        "max.compaction.lag.ms": str(int(settings.kafka_max_compaction_days * DAY_MS)),
        **retention,
    }


async def correct_topics(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, existing: Sequence[Topic]
) -> tuple[str, ...]:
    """Gives existing topics the settings of this version. Returns the names of the changed topics.

    Settings that an operator has added to a topic stay: aiokafka 0.14 can only replace all settings of a topic at once, so that
    they are read before. Kafka accepts a change before its servers have it: returns only when the new settings are in force.
    Raises ``ConfigurationError`` if Kafka refuses the change, and ``KafkaUnavailableError`` if it is not in force in time.
    """
    changed: list[str] = []
    for topic in existing:
        name = settings.topic(topic)
        effective, own = await _read_settings(admin, name)
        wanted = build_corrected_settings(settings, topic)
        if _compare(effective, wanted):
            await _replace_settings(admin, name, own | wanted)
            await _wait_for_settings(admin, name, wanted)
            changed.append(name)
    return tuple(changed)


async def find_deviations(admin: AIOKafkaAdminClient, settings: KafkaSettings, topic: Topic) -> tuple[str, ...]:
    """Returns the names of the settings that ``correct_topics`` would change. Raises its errors."""
    effective, _ = await _read_settings(admin, settings.topic(topic))
    return _compare(effective, build_corrected_settings(settings, topic))


def _compare(effective: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(key for key, value in wanted.items() if _normalize(effective.get(key)) != _normalize(value))


def _normalize(value: str | None) -> frozenset[str] | None:
    """Returns the parts of a value: the order of policies has no meaning."""
    return None if value is None else frozenset(value.replace(" ", "").split(","))


async def _read_settings(admin: AIOKafkaAdminClient, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the effective settings of a topic, and those that are set on the topic itself."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    entries: list[tuple[Any, ...]] = []
    for code, _, _, _, found in answer.resources:
        _ensure_accepted(name, code, "describe")
        entries += found
    effective = {entry[0]: entry[1] for entry in entries}
    return effective, {entry[0]: entry[1] for entry in entries if entry[3] == _OF_TOPIC}


async def _replace_settings(admin: AIOKafkaAdminClient, name: str, values: Mapping[str, str]) -> None:
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(values))]):
        for code, *_ in answer.resources:
            _ensure_accepted(name, code, "alter")


async def _wait_for_settings(admin: AIOKafkaAdminClient, name: str, wanted: Mapping[str, str]) -> None:
    """Returns when the wanted settings are in force. Raises ``KafkaUnavailableError`` after ``CORRECTION_SECONDS``."""
    try:
        async with asyncio.timeout(CORRECTION_SECONDS):
            while True:
                effective, _ = await _read_settings(admin, name)
                if not _compare(effective, wanted):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise KafkaUnavailableError(
            f"Kafka has accepted new settings of the topic {name}, and they are not in force after {CORRECTION_SECONDS} s: "
            "check Kafka's servers, and run `init` again"
        ) from None


def _ensure_accepted(name: str, code: int, operation: str) -> None:
    if not code:
        return
    error = for_code(code)
    if error.retriable:
        raise error
    raise ConfigurationError(
        f"Kafka refuses to {operation} the settings of the topic {name} ({error.__name__}): check that KAFKA_SASL_USERNAME "
        "may describe and alter the settings of topics"
    )
