"""What a preview of a mapping says: about one employee with values, and about all of them with ids and numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.accounts.dry_writer import DrySettlement
from services.contracts.connections import Guard
from services.contracts.employees import EmploymentPhase
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.mappings import MANAGER
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import Body
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID

WAITING = "waiting"
"""The result of a change that the writer would not settle at once."""


class Previewed(StrEnum):
    """The result for one employee: an outcome of the writer, or that the change waits."""

    CREATED = Outcome.CREATED.value
    """A new account."""
    LINKED = Outcome.LINKED.value
    """An existing account is managed from now on."""
    UPDATED = Outcome.UPDATED.value
    """The account gets other values."""
    ENABLED = Outcome.ENABLED.value
    """The disabled account is enabled."""
    DISABLED = Outcome.DISABLED.value
    """The account is disabled, or is already."""
    INCOMPLETE = Outcome.INCOMPLETE.value
    """The account gets other values, and Declaree has refused some of them before."""
    UNCHANGED = Outcome.UNCHANGED.value
    """The account has the desired content."""
    OUT_OF_SCOPE = Outcome.OUT_OF_SCOPE.value
    """No account is needed. An existing one stays as it is."""
    REJECTED = Outcome.REJECTED.value
    """The change cannot be made: the reason says why."""
    SUPERSEDED = Outcome.SUPERSEDED.value
    """A newer change was settled before."""
    WAITING = WAITING
    """The change waits: the cause says why."""

    @property
    def text(self) -> str:
        """What happens with the employees of this result, for an administrator."""
        return _TEXTS[self]


_TEXTS: dict[Previewed, str] = {
    Previewed.CREATED: "new accounts are created",
    Previewed.LINKED: "existing accounts are linked",
    Previewed.UPDATED: "accounts get other values",
    Previewed.ENABLED: "disabled accounts are enabled",
    Previewed.DISABLED: "accounts are disabled, or are already",
    Previewed.INCOMPLETE: "accounts get other values, except those that Declaree refused before",
    Previewed.UNCHANGED: "accounts stay as they are",
    Previewed.OUT_OF_SCOPE: "employees need no account",
    Previewed.REJECTED: "employees are rejected",
    Previewed.SUPERSEDED: "newer changes were settled before",
    Previewed.WAITING: "changes wait",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of the account that would change."""

    path: str
    """SCIM path of the field."""
    before: Any
    """The value in Declaree; None without one."""
    after: Any
    """The value after the change; None if it is cleared."""


@dataclass(frozen=True, slots=True)
class PreviewedRequest:
    """A request to Declaree that would be sent. It contains no key."""

    method: str
    """The HTTP method."""
    path: str
    """The path below the address of the SCIM endpoint."""
    body: Body | None
    """The JSON body."""
    is_taken: bool
    """Whether Declaree takes it. It would refuse an address of another account, and what it has refused before."""


@dataclass(frozen=True, slots=True)
class PersonPreview:
    """What the writer would do with one employee. It contains personal data: show it only on request."""

    employee: EmployeeId
    """The employee."""
    mapping_version: int
    """The number that the mapping would get."""
    is_absent: bool
    """Whether Personio does not know the employee any longer: the stored data is used."""
    attributes: Mapping[str, Value]
    """The attributes that the mapping reads, as Personio shows them now."""
    phase: EmploymentPhase
    """Whether the employment has begun or ended."""
    intent: Intent
    """What the mapper would ask for."""
    result: Previewed
    """What the writer would do."""
    reason: str | None
    """Why the change is rejected or waits, or what is incomplete; None if there is nothing to report."""
    field: str | None
    """The field or attribute that the reason is about; None if it is about none."""
    account: AccountId | None
    """The account; None without one. That of a new account is made up."""
    changes: tuple[FieldChange, ...]
    """The fields that would change."""
    requests: tuple[PreviewedRequest, ...]
    """The writes that would be sent, in order. A server that refuses their form gets others."""


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Employees that are rejected, or that wait, for one reason."""

    reason: str
    """The reason, for an administrator. Ids of accounts and employees are left out."""
    field: str | None
    """The field or attribute that the reason is about; None if it is about none."""
    employees: tuple[EmployeeId, ...]
    """The employees, in the order of their ids."""


@dataclass(frozen=True, slots=True)
class UnmatchedValues:
    """The values that are not in the value tables of one rule."""

    target: str
    """Target of the rule."""
    employees: int
    """Number of employees with such a value."""
    values: Mapping[str, int]
    """Number of employees by value, the most frequent first; empty unless the values were asked for. They can be personal data."""


@dataclass(frozen=True, slots=True)
class BrakePreview:
    """What the brake before disabling would hold."""

    disabled: int
    """Number of enabled accounts that would be disabled."""
    held: int
    """Number of accounts that would stay enabled until an administrator decides."""
    guard: Guard
    """The thresholds."""


@dataclass(frozen=True, slots=True)
class PopulationPreview:
    """What the writer would do with all employees of a connection. It contains ids and numbers only, unless more was asked for."""

    mapping_version: int
    """The number that the mapping would get."""
    employees: int
    """Number of employees that were mapped."""
    unreadable: int
    """Number of employees that Personio lists in a form that cannot be read."""
    accounts: int | None
    """Number of accounts in Declaree; None if it does not list them."""
    results: Mapping[Previewed, tuple[EmployeeId, ...]]
    """The employees by result, in the order of their ids."""
    fields: Mapping[str, int]
    """Number of accounts by the SCIM path of a field that would change."""
    rejected: tuple[ReasonGroup, ...]
    """The rejected employees by reason, the largest group first."""
    waiting: tuple[ReasonGroup, ...]
    """The employees with a change that would wait, by cause."""
    brake: BrakePreview
    """What the brake would hold."""
    unmatched: tuple[UnmatchedValues, ...] = ()
    """What is not in value tables, by rule."""
    names: Mapping[EmployeeId, str] = field(default_factory=dict)
    """First and last names of the listed employees; empty unless they were asked for."""


def find_result(settlement: DrySettlement) -> Previewed:
    """Returns the result of a settlement."""
    return Previewed.WAITING if settlement.outcome is None else Previewed(settlement.outcome.outcome.value)


def list_changes(settlement: DrySettlement) -> tuple[FieldChange, ...]:
    """Returns the fields that a settlement would change, in the order of the mapping."""
    return tuple(FieldChange(*values) for values in _iterate_changes(settlement))


def list_changed_paths(settlement: DrySettlement) -> frozenset[str]:
    """Returns the SCIM paths of the fields that a settlement would change."""
    return frozenset(path for path, _, _ in _iterate_changes(settlement))


def _iterate_changes(settlement: DrySettlement) -> Iterator[tuple[str, Any, Any]]:
    """Yields path, value before and value after of each field that a settlement would change."""
    if settlement.after:
        for path in settlement.written:
            before, after = _read(settlement.before, path), _read(settlement.after, path)
            if before != after:
                yield path, before, after


def find_reason(settlement: DrySettlement) -> tuple[str | None, str | None]:
    """Returns why a change is rejected, waits or is incomplete, and the field that this is about."""
    if settlement.outcome is not None:
        return settlement.outcome.reason, settlement.outcome.field
    return (settlement.cause or WaitingCause.UNEXPECTED).text, None


def _read(body: Body, path: str) -> Any:
    """Returns the value at a path. The manager is the account's id, or its external id on servers that show that."""
    value = paths.read(body, path)
    return paths.read(body, MANAGER_BY_EXTERNAL_ID) if value is None and path == MANAGER else value
