"""The lists of attributes that credentials may read, in memory.

Each poll reads the list of its credential as long as requests pass without a pause. Personio counts this request like a
page of employees: with thousands of companies, it would double the requests of a poll.
"""

from dataclasses import dataclass

from services.clients.personio.auth import hash_credential
from services.contracts.connections import PersonioAccess
from services.contracts.employees import AttributeDefinition, find_missing_attributes

MAX_AGE_SECONDS = 7_200.0
"""Age from which a list is read again, however many requests wait."""
MAX_LISTS = 10_000
"""Maximum number of lists. Above it, all are dropped and read again."""


@dataclass(slots=True)
class AttributeList:
    """The list of one credential."""

    attributes: tuple[AttributeDefinition, ...] = ()
    """The attributes; empty before the list was read."""
    read_at: float = float("-inf")
    """Monotonic time of reading, in seconds."""

    def keep(self, attributes: tuple[AttributeDefinition, ...], now: float) -> None:
        """Keeps a list. One without a required attribute is not used again, so that an administrator can complete it."""
        is_usable = not find_missing_attributes([definition.key for definition in attributes])
        self.attributes, self.read_at = attributes, now if is_usable else float("-inf")

    def is_recent(self, now: float) -> bool:
        """Returns whether the list is known and young enough to be used again."""
        return now - self.read_at < MAX_AGE_SECONDS


class AttributeLists:
    """The lists of all credentials of a process."""

    def __init__(self) -> None:
        """Starts without lists."""
        self._lists: dict[str, AttributeList] = {}

    def get(self, access: PersonioAccess) -> AttributeList:
        """Returns the list of a credential, for reading and writing."""
        key = hash_credential(access)
        if key not in self._lists and len(self._lists) >= MAX_LISTS:
            self._lists.clear()
        return self._lists.setdefault(key, AttributeList())
