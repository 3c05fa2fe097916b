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
    """What a topic carries and which parts of the product (or whose systems) write and read it."""

    carries: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]


ROLES: dict[Topic, TopicRole] = {
    Topic.EMPLOYEES_CHANGED: TopicRole("EmployeeChanged", ("poller", "replay"), ("mapper", "replay")),
    Topic.ACCOUNTS_REQUESTED: TopicRole("AccountRequested", ("mapper",), ("writer",)),
    Topic.ACCOUNT_OUTCOMES: TopicRole("AccountSynced", ("writer",), ("audit and the operator's own systems",)),
    Topic.DEAD_LETTERS: TopicRole("the original bytes", ("mapper", "writer"), ("dead-letters",)),
}
