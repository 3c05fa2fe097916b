"""Looks at Kafka for `doctor`, and changes nothing: the topics of the product, and the consumer groups of its services."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, for_code

from services.contracts.topics import Topic
from services.errors import PermanentError
from services.runtime.kafka.client import build_client_options
from services.runtime.kafka.progress import read_ranges
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.topic_settings import find_deviations
from services.runtime.settings import KafkaSettings
from services.runtime.version import find_version

_UNKNOWN_GROUP = 69
"""Kafka's error code for a group that nothing has joined yet."""


class InspectionDeniedError(PermanentError):
    """Kafka does not allow the user to describe a topic or a group."""

    code: ClassVar[str] = "inspection-denied"


@dataclass(frozen=True, slots=True)
class TopicState:
    """The state of one topic."""

    name: str
    """Name of the topic, with the prefix."""
    partitions: int
    """Number of partitions; 0 if the topic does not exist."""
    leaderless: int = 0
    """Number of partitions that cannot be used, because none of their servers runs."""
    incomplete: int = 0
    """Number of partitions with a copy that is missing or out of date."""
    deviations: tuple[str, ...] = ()
    """Names of the settings with another value than `init` gives them."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """The state of one consumer group."""

    service: str
    """Name of the service."""
    versions: Mapping[str, int]
    """Number of its processes that are members of the group, by their version."""
    lag: int
    """Number of records that the group has not settled."""

    @property
    def members(self) -> int:
        """Number of its processes that are members of the group."""
        return sum(self.versions.values())


async def inspect_topics(settings: KafkaSettings) -> tuple[TopicState, ...]:
    """Returns the state of each topic of the product. Raises ``KafkaUnavailableError`` and ``InspectionDeniedError``."""
    async with _open(settings) as admin:
        existing = frozenset(await admin.list_topics())
        known = [topic for topic in Topic if settings.topic(topic) in existing]
        described = await admin.describe_topics([settings.topic(topic) for topic in known]) if known else []
        partitions: Mapping[str, Sequence[Mapping[str, Any]]] = {
            found["topic"]: found["partitions"] for found in described
        }
        return tuple(
            [
                TopicState(
                    name,
                    len(partitions[name]),
                    sum(part["leader"] < 0 for part in partitions[name]),
                    sum(len(part["isr"]) < len(part["replicas"]) for part in partitions[name]),
                    await find_deviations(admin, settings, topic),
                )
                if topic in known
                else TopicState(name, 0)
                for topic in Topic
                for name in [settings.topic(topic)]
            ]
        )


async def inspect_group(settings: KafkaSettings, service: str, topic: Topic) -> GroupState:
    """Returns the state of the group of a service, which reads ``topic``.

    Raises ``KafkaUnavailableError`` and ``InspectionDeniedError``.
    """
    async with _open(settings) as admin:
        versions, settled = await _read_group(admin, settings.group(service))
        ranges = await read_ranges(settings, settings.topic(topic))
    lag = sum(max(0, end - max(settled.get(partition, first), first)) for partition, (first, end) in ranges.items())
    return GroupState(service, versions, lag)


async def _read_group(admin: AIOKafkaAdminClient, group: str) -> tuple[Counter[str], dict[TopicPartition, int]]:
    """Returns the number of members by their version, and the committed offsets."""
    try:
        answers = [answer.to_object() for answer in await admin.describe_consumer_groups([group])]
        found = [described for answer in answers for described in answer["groups"]]
        for described in found:
            _ensure_accepted(described["error_code"])
        committed = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return Counter(), {}  # before the first group has joined, Kafka has no coordinator
    versions = Counter(find_version(member["client_id"]) for described in found for member in described["members"])
    return versions, {partition: offset.offset for partition, offset in committed.items()}


def _ensure_accepted(code: int) -> None:
    if code and code != _UNKNOWN_GROUP:
        raise for_code(code)


@asynccontextmanager
async def _open(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yields a client. Translates the errors inside."""
    admin = AIOKafkaAdminClient(**build_client_options(settings))
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError) as error:
        name = type(error).__name__
        if name.endswith("AuthorizationFailedError"):
            raise InspectionDeniedError(
                f"Kafka does not allow this user to describe it ({name}): run `users kafka`, which gives the user cli the rights"
            ) from error
        raise KafkaUnavailableError(
            f"Kafka does not answer ({name}): check that it runs and that KAFKA_BOOTSTRAP_SERVERS is right"
        ) from error
    finally:
        await admin.close()
