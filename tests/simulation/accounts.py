"""What is true of the accounts: which change each field comes from, and whether a write keeps the promises.

Each value of a field must come from a requested change of the person that is not older than the change before. So the check
needs nothing from the writer: it compares what the server holds with what the mapper has requested.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.declaree.directory import Directory, Entry
from services.contracts.cloudevents import Record, read_event
from services.contracts.events import AccountRequested, Version
from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.outcomes import Intent
from services.contracts.topics import Topic
from services.contracts.values import Value
from tests.simulation.history import History

ADDRESSES = frozenset({"userName", WORK_EMAIL})
"""The fields that hold the e-mail address."""


@dataclass(frozen=True)
class Write:
    """A write that the server has carried out."""

    actor: str
    """The life that has sent it."""
    before: Entry | None
    """The account before; None if the write has created it."""
    after: Entry
    """The account after."""
    is_late: bool
    """Whether the write was given up before."""


class Accounts:
    """Checks every write on the accounts of one server against the requests of the mapper."""

    def __init__(
        self,
        directory: Directory,
        history: History,
        *,
        is_late_possible: bool,
    ) -> None:
        """``is_late_possible`` tells whether a write may be carried out after it was given up."""
        self._directory = directory
        self._history = history
        self._is_late_possible = is_late_possible
        self._strangers: dict[str, Entry] = {}
        self._wanted: dict[tuple[str, str, Value], set[Version]] = defaultdict(set)
        self._held: dict[tuple[str, str], Version] = {}
        self.writes: Counter[str] = Counter()
        """Number of writes of each employee's account."""
        self.more_writes: Counter[str] = Counter()
        """Number of those that a change may need besides one: its manager alone, its address once that is free, or a temporary
        address.
        """
        self._blocked: set[str] = set()

    def plant(self, stranger: Entry) -> None:
        """Notes an account that the product must never write."""
        self._strangers[stranger.id] = stranger

    def is_stranger(self, user_name: Value) -> bool:
        """Returns whether a stranger has the user name."""
        return any(entry.resource["userName"] == user_name for entry in self._strangers.values())

    def is_enabled(self, account: str) -> bool:
        """Returns whether the account exists and is enabled."""
        entry = self._directory.users.get(account)
        return entry is not None and bool(entry.resource["active"])

    def find(self, employee: str) -> list[Entry]:
        """Returns the accounts with this external id."""
        return [
            entry for entry in self._directory.find_by_external_id("User", employee) if entry.id not in self._strangers
        ]

    def find_holder(self, address: Value) -> str | None:
        """Returns the external id of the account with an address, or the id of a stranger's account; None without one."""
        holders = self._directory.find_users_by_name(str(address))
        owned = [str(entry.resource.get("externalId")) for entry in holders if entry.id not in self._strangers]
        return next(iter([*(entry.id for entry in holders if entry.id in self._strangers), *owned]), None)

    def find_changed_strangers(self) -> list[str]:
        """Returns the ids of the strangers that are not as they were planted."""
        return [key for key, entry in self._strangers.items() if self._directory.users.get(key) is not entry]

    # ------------------------------------------------------------ requests

    def see_record(self, record: Record) -> None:
        """Takes note of a request of the mapper."""
        if record.topic is not Topic.ACCOUNTS_REQUESTED:
            return
        request = read_event(AccountRequested, record.value)
        for field, value in _list_requested_fields(request).items():
            self._wanted[request.employee_id, field, value].add(request.version)

    # ------------------------------------------------------------ writes

    def see_write(self, write: Write) -> None:
        """Checks a write."""
        employee = str(write.after.resource.get("externalId"))
        changes = self._compare(write)
        suffix = " (late)" if write.is_late else ""
        self._history.note(write.actor, f"account {write.after.id} of {employee} is written{suffix}: {changes}")
        if write.after.id in self._strangers:
            self._history.violate("P5", f"{write.actor} has written the account {write.after.id} of a stranger")
            return
        self.writes[employee] += 1
        is_aside = any(_is_temporary(employee, field, value) for field, value in changes.items())
        is_freed = write.after.id in self._blocked and changes.keys() <= ADDRESSES
        if is_freed:
            self._blocked.discard(write.after.id)
        self.more_writes[employee] += is_aside or is_freed or changes.keys() == {MANAGER}
        if len(self.find(employee)) > 1:
            self._history.violate("P4", f"the employee {employee} has {len(self.find(employee))} accounts")
        if not changes and not self._is_late_possible:
            self._history.violate("P3", f"{write.actor} has written account {write.after.id} without a difference")
        for field, value in changes.items():
            self._check_order(write, employee, field, value)

    def note_refusal(self, actor: str, text: str, blocked: str | None) -> None:
        """Notes a write that the server has refused. ``blocked`` is the account if another one has its address."""
        self._history.note(actor, text)
        if blocked is not None:
            self._blocked.add(blocked)

    def _check_order(self, write: Write, employee: str, field: str, value: Value) -> None:
        """Finds the oldest change that the value can come from, if changes are written in their order."""
        if _is_temporary(employee, field, value):
            return
        wanted = self._wanted[employee, field, value]
        held = self._held.get((employee, field), Version(0, 0))
        possible = [version for version in wanted if version >= held]
        if possible:
            self._held[employee, field] = min(possible)
        elif not wanted:
            self._history.violate("P2", f"no change of {employee} asks for {field} = {value!r}")
        elif not write.is_late:
            text = f"goes back to {value!r} of {max(wanted).revision}, after {held.revision} was written"
            self._history.violate("P2", f"{field} of {employee} {text}")

    def _compare(self, write: Write) -> dict[str, Value]:
        before = {} if write.before is None else self.read_fields(write.before)
        after = self.read_fields(write.after)
        names = before.keys() | after.keys()
        return {name: after.get(name) for name in sorted(names) if before.get(name) != after.get(name)}

    def read_fields(self, account: Entry) -> dict[str, Value]:
        """Returns the mapped fields of an account; the manager is the employee id of the manager."""
        fields = flatten(account.resource)
        if (manager := fields.get(MANAGER)) is not None:
            entry = self._directory.users.get(str(manager))
            fields[MANAGER] = None if entry is None else entry.resource.get("externalId")
        return {name: value for name, value in fields.items() if value is not None}


def _is_temporary(employee: str, field: str, value: Value) -> bool:
    """Whether the value is the address of an account while employees exchange theirs."""
    return field in ADDRESSES and str(value).startswith(f"exchange.{employee}.")


def flatten(resource: Mapping[str, Any]) -> dict[str, Value]:
    """Returns the mapped fields of a SCIM resource by path; None for a field that it does not have."""
    name = resource.get("name", {})
    work = [entry.get("value") for entry in resource.get("emails", ()) if entry.get("type") == "work"]
    return {
        "externalId": resource.get("externalId"),
        "userName": resource.get("userName"),
        "active": resource.get("active"),
        "name.givenName": name.get("givenName"),
        "name.familyName": name.get("familyName"),
        WORK_EMAIL: work[0] if work else None,
        MANAGER: resource.get(ENTERPRISE, {}).get("manager", {}).get("value"),
    }


def _list_requested_fields(request: AccountRequested) -> dict[str, Value]:
    if request.intent is Intent.DISABLE:
        return {"active": False}
    desired = request.desired
    if desired is None:
        return {}
    manager = {} if desired.manager is None else {MANAGER: desired.manager.employee_id}
    return {
        "externalId": desired.external_id,
        "userName": desired.user_name,
        WORK_EMAIL: desired.user_name,
        "active": True,
        **desired.fields,
        **manager,
    }
