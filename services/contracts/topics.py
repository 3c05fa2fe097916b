"""The topics, and who reads each. Keys are ``<connection>/<employee id>`` everywhere."""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """Names without the prefix that ``KAFKA_TOPIC_PREFIX`` puts before them."""

    EMPLOYEES_CHANGED = "personio.employees.changed.v1"
    ACCOUNTS_REQUESTED = "declaree.accounts.requested.v1"
    ACCOUNT_OUTCOMES = "declaree.accounts.outcomes.v1"
    DEAD_LETTERS = "sync.dead-letters.v1"


@dataclass(frozen=True)
class TopicRole:
    """What a topic carries and who writes and reads it: services, commands of the CLI, or somebody outside."""

    carries: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]


OUTSIDE = "the operator's own systems"
"""Who reads what no part of the product does."""

ROLES: dict[Topic, TopicRole] = {
    Topic.EMPLOYEES_CHANGED: TopicRole(
        "EmployeeChanged", ("poller", "replay", "dead-letters retry"), ("mapper", "replay")
    ),
    Topic.ACCOUNTS_REQUESTED: TopicRole("AccountRequested", ("mapper", "dead-letters retry"), ("writer",)),
    Topic.ACCOUNT_OUTCOMES: TopicRole("AccountSynced", ("writer",), (OUTSIDE,)),
    Topic.DEAD_LETTERS: TopicRole("DeadLetter", ("mapper", "writer"), ("dead-letters list", "dead-letters retry")),
}
