"""Whether everything has come to rest, and what must be true then."""

from typing import Any

from services.contracts.cloudevents import read_event
from services.contracts.events import AccountSynced, EmployeeChanged
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.mappings import MANAGER
from services.contracts.tasks import TaskState
from services.contracts.topics import Topic
from services.contracts.values import Value
from tests.simulation.accounts import ADDRESSES
from tests.simulation.wiring import Surroundings, is_owed, is_rejected, needs_person
from tests.support.builders import CONNECTION


def find_unrest(around: Surroundings) -> list[str]:
    """Returns what is still to be done; empty at rest."""
    ends = {partition: len(records) for partition, records in around.log.partitions.items()}
    unrest = [f"{service} has {lag} unread records" for service, lag in _list_lags(around, ends) if lag]
    unrest += [f"the poller has not seen {employee}" for employee in _list_unseen(around)]
    snapshots = around.store.snapshots.list_snapshots(CONNECTION)
    unrest += [f"{snapshot.employee_id} is not published" for snapshot in snapshots if snapshot.is_pending]
    tasks = around.store.tasks.content.values()
    unrest += [f"task {task.id} is {task.state}" for task in tasks if task.state in {TaskState.OPEN, TaskState.RUNNING}]
    entries = around.store.ledger.list_entries(CONNECTION)
    unrest += [f"{entry.employee_id} is owed a settlement" for entry in entries if is_owed(entry)]
    flying = around.network.flying + around.log.flying
    return [*unrest, f"{flying} effects are under way"] if flying else unrest


def _list_lags(around: Surroundings, ends: Any) -> list[tuple[str, int]]:
    return [(service, group.find_lag(ends)) for service, group in around.groups.items()]


def _list_unseen(around: Surroundings) -> list[str]:
    unseen: list[str] = []
    for employee, values in around.company.people.items():
        snapshot = around.store.snapshots.content.get(PersonKey(CONNECTION, EmployeeId(employee)))
        attributes = snapshot.attributes if snapshot else {}
        if any(key not in attributes or attributes[key] != value for key, value in values.items()):
            unseen.append(employee)
    return unseen


class RestCheck:
    """Checks the promises that hold at rest."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._accounts = around.network.accounts
        self.wrong: list[tuple[str, str]] = []
        """Promise and fact of each violation."""

    def check(self, *, is_clean: bool) -> list[tuple[str, str]]:
        """Returns what is wrong. ``is_clean`` tells whether the schedule had no faults."""
        self._check_outcomes()
        for account in self._accounts.find_changed_strangers():
            self.wrong.append(("P5", f"the account {account} of a stranger has changed"))
        for employee, values in self._around.company.people.items():
            self._check_account(employee, values)
        if is_clean:
            self._check_number_of_writes()
        return self.wrong

    def _check_outcomes(self) -> None:
        changes = self._list_revisions(Topic.EMPLOYEES_CHANGED, EmployeeChanged)
        outcomes = self._list_revisions(Topic.ACCOUNT_OUTCOMES, AccountSynced)
        for employee, revision in sorted(changes - outcomes):
            self.wrong.append(("P1", f"the change {revision} of {employee} has no outcome"))
        for snapshot in self._around.store.snapshots.list_snapshots(CONNECTION):
            entry = self._around.store.ledger.content.get(snapshot.person)
            if entry is None or entry.decided_version.revision < snapshot.revision:
                self.wrong.append(("P1", f"the newest change of {snapshot.employee_id} is not decided"))

    def _list_revisions(self, topic: Topic, event: Any) -> set[tuple[str, int]]:
        records = [record for key, part in self._around.log.partitions.items() if key.topic == topic for record in part]
        events = [read_event(event, record.value) for record in records]
        return {(event.employee_id, event.revision) for event in events}

    def _check_account(self, employee: str, values: dict[str, Value]) -> None:
        accounts = self._accounts.find(employee)
        if len(accounts) > 1:
            self.wrong.append(("P4", f"{employee} has {len(accounts)} accounts"))
        if values["status"] == "inactive" and any(account.resource["active"] for account in accounts):
            self.wrong.append(("P9", f"{employee} has left and the account is enabled"))
        if values["status"] != "active":
            return
        if self._is_address_taken(employee):
            self._check_rejected(employee, has_account=bool(accounts))
        elif not accounts:
            self.wrong.append(("P1", f"{employee} has no account"))
        if accounts:
            self._check_fields(employee, values, self._accounts.read_fields(accounts[0]))

    def _is_address_taken(self, employee: str) -> bool:
        """Whether an account that keeps its address has the one of an active employee, and the server forbids to share it.

        It is a stranger's, or that of an employee that is not active, or of one that waits for such an address. No server
        lets an employee without an account have it.
        """
        people = self._around.company.people
        if self._accounts.find(employee) and not self._around.network.declaree.behaviour.unique_user_names:
            return False
        passed: set[str] = set()
        current = employee
        while current not in passed:
            passed.add(current)
            holder = self._accounts.find_holder(people[current]["email"])
            if holder is None or holder == current:
                return False
            if holder not in people or people[holder]["status"] != "active":
                return True
            current = holder
        return False

    def _check_rejected(self, employee: str, *, has_account: bool) -> None:
        person = PersonKey(CONNECTION, EmployeeId(employee))
        entry = self._around.store.ledger.content.get(person)
        if not is_rejected(entry):
            self.wrong.append(("P5", f"{employee} has the address of another account and is not rejected"))
        is_settled = has_account or not self._accounts.is_stranger(self._around.company.people[employee]["email"])
        if not is_settled and not needs_person(self._around.store, person):
            self.wrong.append(("P5", f"{employee} has the address of a stranger, and no decision is asked for"))

    def _check_fields(self, employee: str, values: dict[str, Value], live: dict[str, Value]) -> None:
        addresses = {} if self._is_address_taken(employee) else dict.fromkeys(ADDRESSES, values["email"])
        wanted = {
            "externalId": employee,
            **addresses,
            "name.givenName": values["first_name"],
            "name.familyName": values["last_name"],
            "active": True,
        }
        manager = values["supervisor.id"]
        if manager is None or self._accounts.find(str(manager)):
            wanted[MANAGER] = manager
        for name, value in wanted.items():
            if live.get(name) != value:
                self.wrong.append(("P2", f"{name} of {employee} is {live.get(name)!r}, and must be {value!r}"))

    def _check_number_of_writes(self) -> None:
        """Without faults, each change is written once, and once more for each reason that ``more_writes`` counts."""
        changes = self._list_revisions(Topic.EMPLOYEES_CHANGED, EmployeeChanged)
        for employee, writes in self._accounts.writes.items():
            expected = sum(person == employee for person, _ in changes) + self._accounts.more_writes[employee]
            if writes > expected:
                self.wrong.append(("P3", f"{employee} was written {writes} times for {expected} changes"))
