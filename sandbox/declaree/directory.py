"""Accounts and groups of one sandbox, indexed by id, user name, e-mail address and external id."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from sandbox.declaree.values import Resource

Kind = Literal["User", "Group"]


@dataclass(frozen=True, slots=True)
class Administration:
    """An organisation that an account belongs to."""

    name: str
    """Name of the administration."""
    sticky: bool = False
    """Whether a write by the connector keeps the account in this administration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An account or a group."""

    kind: Kind
    """Name of the resource type."""
    id: str
    """Identifier that the server assigned."""
    resource: Resource
    """The SCIM attributes. The dict is never changed in place."""
    created: str
    """Time of creation (RFC 3339)."""
    modified: str
    """Time of the last create, replace or patch with a change (RFC 3339)."""
    version: int = 1
    """Number of the version, from 1."""
    invited: bool = False
    """Whether the account is invited."""
    administrations: tuple[Administration, ...] = ()
    """Administrations of the account; empty for a group."""

    def to_record(self) -> dict[str, Any]:
        """Returns the entry as a dict for the state file."""
        return {
            "kind": self.kind,
            "id": self.id,
            "resource": self.resource,
            "created": self.created,
            "modified": self.modified,
            "version": self.version,
            "invited": self.invited,
            "administrations": [[item.name, item.sticky] for item in self.administrations],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Entry":
        """Builds an entry from a dict of the state file. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        administrations = tuple(Administration(name, sticky) for name, sticky in record["administrations"])
        return cls(**{**record, "administrations": administrations})


class ChangeListener(Protocol):
    """Receives every change before the request that caused it is answered."""

    def put(self, entry: Entry, last_number: int) -> None:
        """Receives a new or changed entry, and the last number that was used for an id."""

    def delete(self, entry: Entry) -> None:
        """Receives a deleted entry."""


class NullListener:
    """A listener that ignores all changes, for a sandbox without a state file."""

    def put(self, entry: Entry, last_number: int) -> None:
        """Ignores the entry."""

    def delete(self, entry: Entry) -> None:
        """Ignores the entry."""


class Directory:
    """All accounts and groups of one sandbox. Every change goes to the listener."""

    def __init__(self, listener: ChangeListener | None = None) -> None:
        self.listener: ChangeListener = listener or NullListener()
        self.last_number = 1000
        self.users: dict[str, Entry] = {}
        self.groups: dict[str, Entry] = {}
        self.active = 0
        self._by_user_name: dict[str, dict[str, None]] = {}
        self._by_email: dict[str, dict[str, None]] = {}
        self._by_external_id: dict[tuple[Kind, str], dict[str, None]] = {}
        self._memberships: dict[str, dict[str, None]] = {}

    def take_number(self) -> int:
        """Returns a number for a new id. Numbers stay unique after deletions and restarts (RFC 7643, section 3.1)."""
        self.last_number += 1
        return self.last_number

    def get_entries(self, kind: Kind) -> dict[str, Entry]:
        """Returns the accounts or the groups, by id."""
        return self.users if kind == "User" else self.groups

    def find_users_by_name(self, user_name: str) -> list[Entry]:
        """Returns the accounts with this user name, without regard to case, oldest first."""
        return [self.users[entry_id] for entry_id in self._by_user_name.get(user_name.casefold(), ())]

    def find_users_by_email(self, email: str) -> list[Entry]:
        """Returns the accounts with this e-mail address, without regard to case, oldest first."""
        return [self.users[entry_id] for entry_id in self._by_email.get(email.casefold(), ())]

    def find_by_external_id(self, kind: Kind, external_id: str) -> list[Entry]:
        """Returns the accounts or groups with this external id, oldest first."""
        return [self.get_entries(kind)[entry_id] for entry_id in self._by_external_id.get((kind, external_id), ())]

    def find_groups_of(self, user_id: str) -> list[Entry]:
        """Returns the groups that list this account as a member."""
        return [self.groups[entry_id] for entry_id in self._memberships.get(user_id, ())]

    def put(self, entry: Entry) -> None:
        """Stores a new or changed entry and updates the indexes."""
        old = self.get_entries(entry.kind).get(entry.id)
        if old is not None:
            self._unindex(old)
        self.get_entries(entry.kind)[entry.id] = entry
        self._index(entry)
        self.listener.put(entry, self.last_number)

    def delete(self, entry: Entry) -> None:
        """Deletes an entry.

        A deleted account leaves all groups. Accounts that report to it keep the reference to its id.
        """
        for group in self.find_groups_of(entry.id) if entry.kind == "User" else ():
            members = [member for member in group.resource["members"] if member.get("value") != entry.id]
            self.put(replace(group, resource={**group.resource, "members": members}, version=group.version + 1))
        self._unindex(entry)
        del self.get_entries(entry.kind)[entry.id]
        self.listener.delete(entry)

    def list_entries(self) -> Iterable[Entry]:
        """Yields all accounts, then all groups."""
        yield from self.users.values()
        yield from self.groups.values()

    def load(self, entries: Iterable[Entry], last_number: int) -> None:
        """Replaces all entries. Numbers taken before are not used again."""
        for entry in list(self.list_entries()):
            self._unindex(entry)
            self.listener.delete(entry)
        self.users.clear()
        self.groups.clear()
        self.last_number = max(self.last_number, last_number)
        for entry in entries:
            self.put(entry)

    def _index(self, entry: Entry) -> None:
        external_id = entry.resource.get("externalId")
        if external_id is not None:
            self._by_external_id.setdefault((entry.kind, external_id), {})[entry.id] = None
        if entry.kind == "Group":
            for member in _list_members(entry):
                self._memberships.setdefault(member, {})[entry.id] = None
            return
        self.active += bool(entry.resource.get("active"))
        self._by_user_name.setdefault(entry.resource["userName"].casefold(), {})[entry.id] = None
        for email in list_emails(entry.resource):
            self._by_email.setdefault(email.casefold(), {})[entry.id] = None

    def _unindex(self, entry: Entry) -> None:
        external_id = entry.resource.get("externalId")
        if external_id is not None:
            self._by_external_id[entry.kind, external_id].pop(entry.id, None)
        if entry.kind == "Group":
            for member in _list_members(entry):
                self._memberships[member].pop(entry.id, None)
            return
        self.active -= bool(entry.resource.get("active"))
        _unindex_key(self._by_user_name, entry.resource["userName"], entry)
        for email in list_emails(entry.resource):
            _unindex_key(self._by_email, email, entry)


def _unindex_key(index: dict[str, dict[str, None]], text: str, entry: Entry) -> None:
    """Removes the entry from the index, and a key without entries with it."""
    key = text.casefold()
    holders = index.get(key, {})
    holders.pop(entry.id, None)
    if not holders:
        index.pop(key, None)


def list_emails(resource: Resource) -> list[str]:
    """Returns all e-mail addresses of a user resource."""
    return [item["value"] for item in resource.get("emails", ())]


def get_display_name(entry: Entry) -> str:
    """Returns the account's display name, or its first and last name."""
    name = entry.resource["name"]
    return str(entry.resource.get("displayName") or f"{name['givenName']} {name['familyName']}")


def _list_members(group: Entry) -> list[str]:
    return [member["value"] for member in group.resource.get("members", ()) if "value" in member]
