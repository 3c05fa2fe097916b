"""The topics, and the services and commands that write and read each of them.

The key of every record is ``<connection>/<employee id>``.
"""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """Names of the topics, without the prefix that ``KAFKA_TOPIC_PREFIX`` adds."""

    EMPLOYEES_CHANGED = "personio.employees.changed.v1"
    """Changes of employees."""
    ACCOUNTS_REQUESTED = "declaree.accounts.requested.v1"
    """Requests to the writer."""
    ACCOUNT_OUTCOMES = "declaree.accounts.outcomes.v1"
    """Outcomes of the requests."""
    DEAD_LETTERS = "sync.dead-letters.v1"
    """Records that cannot be read."""


PEOPLE = (Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED, Topic.ACCOUNT_OUTCOMES)
"""The topics with the newest record of each employee. A record without a value is a tombstone: it erases the employee."""


@dataclass(frozen=True)
class TopicRole:
    """What a topic carries, and which services and commands write and read it."""

    carries: str
    """Name of the event, or of the model of the dead letters."""
    written_by: tuple[str, ...]
    """Names of services and commands."""
    read_by: tuple[str, ...]
    """Names of services and commands, or ``OUTSIDE``."""


OUTSIDE = "the operator's own systems"
"""The reader of a topic that no part of the product reads."""

ROLES: dict[Topic, TopicRole] = {
    Topic.EMPLOYEES_CHANGED: TopicRole(
        "EmployeeChanged", ("poller", "replay", "dead-letters retry", "people forget"), ("mapper", "replay")
    ),
    Topic.ACCOUNTS_REQUESTED: TopicRole(
        "AccountRequested", ("mapper", "dead-letters retry", "people forget"), ("writer",)
    ),
    Topic.ACCOUNT_OUTCOMES: TopicRole("AccountSynced", ("writer", "people forget"), (OUTSIDE,)),
    Topic.DEAD_LETTERS: TopicRole("DeadLetter", ("mapper", "writer"), ("dead-letters list", "dead-letters retry")),
}
"""The role of each topic."""


def find_topics(service: str) -> tuple[Topic, ...]:
    """Returns the topics that a service writes or reads."""
    return tuple(topic for topic, role in ROLES.items() if service in role.written_by or service in role.read_by)
