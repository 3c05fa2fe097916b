"""What Declaree holds: accounts and groups, found by id, user name, e-mail and external id without a search."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from sandbox.declaree.values import Resource

Kind = Literal["User", "Group"]


@dataclass(frozen=True, slots=True)
class Administration:
    """An organisation that an account belongs to; a sticky one is kept when a connector writes the account."""

    name: str
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An account or a group; ``resource`` is never changed in place. Times are RFC 3339 texts."""

    kind: Kind
    id: str
    resource: Resource
    created: str
    modified: str
    version: int = 1
    invited: bool = False
    administrations: tuple[Administration, ...] = ()

    def record(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "id": self.id,
            "resource": self.resource,
            "created": self.created,
            "modified": self.modified,
            "version": self.version,
            "invited": self.invited,
            "administrations": [[found.name, found.sticky] for found in self.administrations],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Entry":
        administrations = tuple(Administration(name, sticky) for name, sticky in record["administrations"])
        return cls(**{**record, "administrations": administrations})


class Changes(Protocol):
    """Hears of every change before the request that made it is answered."""

    def put(self, entry: Entry, last_number: int) -> None: ...

    def delete(self, entry: Entry) -> None: ...


class Silent:
    """For a state that is not kept."""

    def put(self, entry: Entry, last_number: int) -> None: ...

    def delete(self, entry: Entry) -> None: ...


class Directory:
    def __init__(self, changes: Changes | None = None) -> None:
        self.changes: Changes = changes or Silent()
        self.last_number = 1000
        self.users: dict[str, Entry] = {}
        self.groups: dict[str, Entry] = {}
        self.active = 0
        self._by_user_name: dict[str, str] = {}
        self._by_email: dict[str, str] = {}
        self._by_external_id: dict[tuple[Kind, str], dict[str, None]] = {}
        self._memberships: dict[str, dict[str, None]] = {}

    def next_number(self) -> int:
        """Never given twice, also not after a deletion or a restart (RFC 7643, section 3.1)."""
        self.last_number += 1
        return self.last_number

    def of(self, kind: Kind) -> dict[str, Entry]:
        return self.users if kind == "User" else self.groups

    def user_by_name(self, user_name: str) -> Entry | None:
        return self.users.get(self._by_user_name.get(user_name.casefold(), ""))

    def user_by_email(self, email: str) -> Entry | None:
        return self.users.get(self._by_email.get(email.casefold(), ""))

    def by_external_id(self, kind: Kind, external_id: str) -> list[Entry]:
        return [self.of(kind)[found] for found in self._by_external_id.get((kind, external_id), ())]

    def groups_of(self, user_id: str) -> list[Entry]:
        return [self.groups[found] for found in self._memberships.get(user_id, ())]

    def put(self, entry: Entry) -> None:
        old = self.of(entry.kind).get(entry.id)
        if old is not None:
            self._forget(old)
        self.of(entry.kind)[entry.id] = entry
        self._note(entry)
        self.changes.put(entry, self.last_number)

    def delete(self, entry: Entry) -> None:
        """A deleted user leaves all groups; whoever submits to it keeps a reference that points nowhere."""
        for group in self.groups_of(entry.id) if entry.kind == "User" else ():
            members = [member for member in group.resource["members"] if member.get("value") != entry.id]
            self.put(replace(group, resource={**group.resource, "members": members}, version=group.version + 1))
        self._forget(entry)
        del self.of(entry.kind)[entry.id]
        self.changes.delete(entry)

    def entries(self) -> Iterable[Entry]:
        yield from self.users.values()
        yield from self.groups.values()

    def load(self, entries: Iterable[Entry], last_number: int) -> None:
        """Replaces everything; numbers given meanwhile stay given."""
        for kept in list(self.entries()):
            self._forget(kept)
            self.changes.delete(kept)
        self.users.clear()
        self.groups.clear()
        self.last_number = max(self.last_number, last_number)
        for entry in entries:
            self.put(entry)

    def _note(self, entry: Entry) -> None:
        external_id = entry.resource.get("externalId")
        if external_id is not None:
            self._by_external_id.setdefault((entry.kind, external_id), {})[entry.id] = None
        if entry.kind == "Group":
            for member in _members(entry):
                self._memberships.setdefault(member, {})[entry.id] = None
            return
        self.active += bool(entry.resource.get("active"))
        self._by_user_name[entry.resource["userName"].casefold()] = entry.id
        for email in emails(entry.resource):
            self._by_email[email.casefold()] = entry.id

    def _forget(self, entry: Entry) -> None:
        external_id = entry.resource.get("externalId")
        if external_id is not None:
            self._by_external_id[entry.kind, external_id].pop(entry.id, None)
        if entry.kind == "Group":
            for member in _members(entry):
                self._memberships[member].pop(entry.id, None)
            return
        self.active -= bool(entry.resource.get("active"))
        self._by_user_name.pop(entry.resource["userName"].casefold(), None)
        for email in emails(entry.resource):
            self._by_email.pop(email.casefold(), None)


def emails(resource: Resource) -> list[str]:
    return [item["value"] for item in resource.get("emails", ())]


def _members(group: Entry) -> list[str]:
    return [member["value"] for member in group.resource.get("members", ()) if "value" in member]
