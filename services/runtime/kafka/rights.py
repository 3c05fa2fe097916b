"""The rights of the product's users in Kafka. Each user has the rights that its topics require, and no others.

A user has the name of its service; all commands share the user ``cli``. The commands that create topics and users need a
user with all rights.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from services.contracts.topics import OUTSIDE, ROLES
from services.runtime.settings import KafkaSettings

SERVICES = ("poller", "mapper", "writer")
"""The users of the services."""
COMMANDS = "cli"
"""The user of the commands."""
USERS = (*SERVICES, COMMANDS)
"""All users that get rights."""


class Resource(IntEnum):
    """Kinds of resources, with the numbers of Kafka's protocol."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Operations, with the numbers of Kafka's protocol. The first two include the right to describe the resource."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


class Right(NamedTuple):
    """The permission of a user to perform one operation on one resource, from any address."""

    user: str
    """Name of the user."""
    resource: Resource
    """Kind of the resource."""
    name: str
    """Name of the topic or group, with the prefix."""
    operation: Operation
    """What the user may do."""


def list_rights(settings: KafkaSettings) -> frozenset[Right]:
    """Returns the rights of all users, as the roles of the topics require them."""
    return frozenset(_list_rights(settings))


def _list_rights(settings: KafkaSettings) -> Iterator[Right]:
    for topic, role in ROLES.items():
        name = settings.topic(topic)
        yield Right(COMMANDS, Resource.TOPIC, name, Operation.DESCRIBE_CONFIGS)
        for writer in role.written_by:
            yield Right(_find_user(writer), Resource.TOPIC, name, Operation.WRITE)
        for reader in role.read_by:
            if reader == OUTSIDE:
                continue
            yield Right(_find_user(reader), Resource.TOPIC, name, Operation.READ)
            if reader in SERVICES:
                yield Right(reader, Resource.GROUP, settings.group(reader), Operation.READ)
                yield Right(COMMANDS, Resource.GROUP, settings.group(reader), Operation.DESCRIBE)


def _find_user(role: str) -> str:
    return role if role in SERVICES else COMMANDS
