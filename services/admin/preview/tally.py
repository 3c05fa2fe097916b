"""Counts the results of a preview for all employees, with small codes for each."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from services.accounts.dry_writer import DrySettlement, DryWriter, name_new_account
from services.admin.preview.results import (
    BrakePreview,
    PopulationPreview,
    Previewed,
    ReasonGroup,
    UnmatchedValues,
    find_reason,
    find_result,
    list_changed_paths,
)
from services.contracts.connections import Connection
from services.contracts.ids import AccountId, EmployeeId, build_sort_key
from services.contracts.outcomes import WaitingCause
from services.mapping.unmatched_values import UnmatchedValue

T = TypeVar("T")

CONFIRMED = frozenset({Previewed.CREATED, Previewed.LINKED, Previewed.ENABLED, Previewed.UPDATED, Previewed.UNCHANGED})
"""The results of accounts that get the whole desired content. Which one it is depends on all settlements of an employee together."""
MAX_UNMATCHED_VALUES = 1_000
"""Maximum number of different values of a rule that are listed as not being in its value tables."""
_ID = re.compile(r"\b(account|employee) [^\s,:;)]*\d[^\s,:;)]*")
"""The id of an account or employee in a reason."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why an employee may be settled again: another account has the address, or the manager has none."""

    manager: EmployeeId | None
    """The manager without an account; None if an address is not available."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a preview counts of one settlement. It contains ids and paths only."""

    result: Previewed
    """The result."""
    account_before: AccountId | None
    """The account before; None without one."""
    account: AccountId | None
    """The account after; None without one."""
    writes: int
    """Number of writes that the server takes."""
    changed: frozenset[str]
    """SCIM paths of the fields that change."""
    reason: tuple[str, str | None] | None
    """Why the change is rejected or waits, and the field that this is about; None for any other result."""
    is_held: bool
    """Whether the brake holds the change."""
    blocked: Blocked | None
    """Why the employee may be settled again; None if nothing can become available."""

    @classmethod
    def build(cls, settlement: DrySettlement) -> "Counted":
        """Returns what is counted of a settlement."""
        result = find_result(settlement)
        reason, field = find_reason(settlement)
        is_explained = result in {Previewed.REJECTED, Previewed.WAITING}
        return cls(
            result=result,
            account_before=settlement.account_before,
            account=settlement.entry.account_id,
            writes=sum(sent.is_taken for sent in settlement.sent),
            changed=list_changed_paths(settlement),
            reason=(_ID.sub(r"\1 ID", reason or ""), field) if is_explained else None,
            is_held=settlement.cause is WaitingCause.DISABLING_HELD,
            blocked=_find_blocked(settlement),
        )


def _find_blocked(settlement: DrySettlement) -> Blocked | None:
    entry = settlement.entry
    if entry.blocked_by is not None or settlement.cause is WaitingCause.ADDRESS_EXCHANGE:
        return Blocked(None)
    return Blocked(entry.manager.employee_id) if entry.manager is not None and entry.has_open_reference else None


class Tally:
    """The results of all employees, as small codes."""

    def __init__(self) -> None:
        self.writes = 0
        """Number of writes so far."""
        self._results: dict[EmployeeId, Previewed] = {}
        self._accounts: dict[EmployeeId, AccountId | None] = {}
        self._fields: dict[EmployeeId, frozenset[str]] = {}
        self._reasons: dict[EmployeeId, tuple[str, str | None]] = {}
        self._known: dict[object, object] = {}
        self._blocked: dict[EmployeeId, Blocked] = {}
        self._held: set[EmployeeId] = set()

    def __len__(self) -> int:
        """The number of employees that were settled."""
        return len(self._results)

    def add(self, employee: EmployeeId, counted: Counted) -> None:
        """Adds a settlement. A later one of the same employee goes on from the earlier one."""
        account = self._accounts.setdefault(employee, counted.account_before)
        self.writes += counted.writes
        changed = counted.changed | self._fields.pop(employee, frozenset())
        if changed:
            self._fields[employee] = self._share(changed)
        is_confirmed = counted.result in CONFIRMED
        self._results[employee] = _combine(employee, counted, account, changed) if is_confirmed else counted.result
        self._reasons.pop(employee, None)
        if counted.reason is not None:
            self._reasons[employee] = self._share(counted.reason)
        self._blocked.pop(employee, None)
        if counted.blocked is not None:
            self._blocked[employee] = counted.blocked
        self._held.discard(employee)
        if counted.is_held:
            self._held.add(employee)

    def has(self, employee: EmployeeId) -> bool:
        """Returns whether the employee was settled."""
        return employee in self._results

    def list_blocked(self, writer: DryWriter) -> list[EmployeeId]:
        """Returns the employees for which an address or the account of the manager may be available now."""
        return [
            employee
            for employee, blocked in self._blocked.items()
            if blocked.manager is None or writer.people.find_manager_account(blocked.manager) is not None
        ]

    def _share(self, value: T) -> T:
        """Returns an equal value that is kept once for all employees."""
        return cast("T", self._known.setdefault(value, value))

    def build(
        self,
        version: int,
        connection: Connection,
        *,
        unreadable: int,
        accounts: int | None,
        unmatched: tuple[UnmatchedValues, ...],
        names: Mapping[EmployeeId, str],
    ) -> PopulationPreview:
        """Returns the preview."""
        results: dict[Previewed, list[EmployeeId]] = defaultdict(list)
        for employee in sorted(self._results, key=build_sort_key):
            results[self._results[employee]].append(employee)
        disabled = [
            employee for employee in results[Previewed.DISABLED] if "active" in self._fields.get(employee, frozenset())
        ]
        fields = Counter(path for changed in self._fields.values() for path in changed)
        return PopulationPreview(
            mapping_version=version,
            employees=len(self._results),
            unreadable=unreadable,
            accounts=accounts,
            results={result: tuple(results[result]) for result in Previewed if results[result]},
            fields=dict(_order(fields)),
            rejected=self._group(results[Previewed.REJECTED]),
            waiting=self._group(results[Previewed.WAITING]),
            brake=BrakePreview(len(disabled) + len(self._held), len(self._held), connection.guard),
            unmatched=unmatched,
            names=names,
        )

    def _group(self, employees: Iterable[EmployeeId]) -> tuple[ReasonGroup, ...]:
        groups: dict[tuple[str, str | None], list[EmployeeId]] = defaultdict(list)
        for employee in employees:
            groups[self._reasons[employee]].append(employee)
        ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0][0]))
        return tuple(ReasonGroup(reason, field, tuple(members)) for (reason, field), members in ordered)


class UnmatchedTally:
    """The values that are not in value tables, by rule."""

    def __init__(self) -> None:
        self._seen: set[EmployeeId] = set()
        self._employees: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, employee: EmployeeId, unmatched: frozenset[UnmatchedValue]) -> None:
        """Adds the values of an employee. One that Personio lists twice counts once."""
        if not unmatched or employee in self._seen:
            return
        self._seen.add(employee)
        self._employees.update({value.target for value in unmatched})
        for target, value in unmatched:
            counted = self._values[target]
            if value in counted or len(counted) < MAX_UNMATCHED_VALUES:
                counted[value] += 1

    def build(self, *, with_values: bool) -> tuple[UnmatchedValues, ...]:
        """Returns the values by rule, the rule with most employees first."""
        return tuple(
            UnmatchedValues(target, number, dict(_order(self._values[target])) if with_values else {})
            for target, number in _order(self._employees)
        )


def _order(numbers: Counter[str]) -> list[tuple[str, int]]:
    """Returns the texts with their numbers, the most frequent first."""
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))


def _combine(employee: EmployeeId, counted: Counted, before: AccountId | None, changed: frozenset[str]) -> Previewed:
    """Returns what all settlements of an employee together do. ``before`` is the account before the first of them."""
    if counted.account == name_new_account(employee):
        return Previewed.CREATED
    if counted.account != before:
        return Previewed.LINKED
    if "active" in changed:
        return Previewed.ENABLED
    return Previewed.UPDATED if changed else Previewed.UNCHANGED
