"""Observations: the changes that a run has seen. They become snapshots when the run is released."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from services.contracts.employees import ACTIVE, EMAIL, INACTIVE, NAMES, STATUS, EmploymentPhase
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.snapshots import Snapshot
from services.contracts.values import FrozenModel


class GroupKind(StrEnum):
    """Kind of change: what has changed for the employees of a group."""

    NEW = "new"
    """They are new."""
    LEFT = "left"
    """They are inactive now, or their last day has passed, and their accounts become disabled."""
    REACTIVATED = "re-activated"
    """They are active again."""
    ABSENT = "absent"
    """A complete scan no longer lists them."""
    REMOVED = "removed"
    """Personio has deleted them, and their accounts become disabled."""
    EMAIL_CHANGED = "e-mail changed"
    """They have another e-mail address."""
    NAME_CHANGED = "name changed"
    """They have another first or last name."""
    EMPTIED = "emptied"
    """One of their attributes is empty now."""
    CHANGED = "changed"
    """One of their attributes has another value now."""


class Group(FrozenModel):
    """The employees of one run with the same kind of change. The guard counts them."""

    kind: GroupKind
    """The kind of change."""
    attribute: str | None = None
    """Key of the attribute for `emptied` and `changed`; null for every other kind."""


class GroupCount(FrozenModel):
    """The number of employees of one group in one run."""

    group: Group
    """The group."""
    people: int
    """Number of employees of the group."""
    of: int
    """Number of employees that the guard compares it with. See ``services.poller.guard.find_base``."""


class Observation(FrozenModel):
    """A change of one employee that a run has seen and that is not released."""

    run_id: str
    """Id of the run."""
    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee within the connection."""
    replaces: int | None = None
    """Revision of the snapshot that the change replaces; None for a new employee."""
    snapshot: Snapshot | None = Field(default=None, repr=False)
    """The snapshot that the release stores; None for an employee that the scan no longer lists."""
    is_unknown: bool = False
    """Whether a lookup has not found an employee that the scan no longer lists."""
    groups: tuple[Group, ...] = ()
    """The groups that the employee belongs to by this change."""

    @model_validator(mode="after")
    def _check_snapshot(self) -> Self:
        """A damaged snapshot would be published, and would replace a valid one for ever."""
        if self.snapshot is None:
            return self
        if self.snapshot.person != self.person:
            raise ValueError("the snapshot is of another person")
        try:
            _ = self.snapshot.attributes
        except ValidationError:
            raise ValueError("the attributes of the snapshot cannot be read") from None
        return self

    @property
    def person(self) -> PersonKey:
        """The person that the observation is about."""
        return PersonKey(self.connection_id, self.employee_id)


def observe_change(run_id: str, previous: Snapshot | None, snapshot: Snapshot) -> Observation:
    """Returns the observation of a change from ``previous``; None stands for a new employee."""
    return Observation(
        run_id=run_id,
        connection_id=snapshot.connection_id,
        employee_id=snapshot.employee_id,
        replaces=previous.revision if previous else None,
        snapshot=snapshot,
        groups=_find_groups(previous, snapshot),
    )


def observe_absence(run_id: str, person: PersonKey, *, is_unknown: bool) -> Observation:
    """Returns the observation of an employee that a complete scan no longer lists. ``is_unknown`` is the result of a lookup."""
    return Observation(
        run_id=run_id,
        connection_id=person.connection_id,
        employee_id=person.employee_id,
        is_unknown=is_unknown,
        groups=(Group(kind=GroupKind.ABSENT),),
    )


def _find_groups(previous: Snapshot | None, snapshot: Snapshot) -> tuple[Group, ...]:
    if previous is None:
        return (Group(kind=GroupKind.NEW),)
    if snapshot.kind is ChangeKind.REMOVED:
        return (Group(kind=GroupKind.REMOVED),)
    if not was_active(previous) and not was_active(snapshot):
        return ()  # the account is disabled, and stays so
    before, after = previous.attributes, snapshot.attributes
    groups = [Group(kind=kind) for kind in _find_kinds(previous, snapshot, before, after)]
    for key in snapshot.changed:
        if key not in before or key not in after:  # not stored before: the mapping wants one more attribute
            continue
        if after[key] is None:
            groups.append(Group(kind=GroupKind.EMPTIED, attribute=key))
        elif key not in {EMAIL, *NAMES}:  # those have groups of their own
            groups.append(Group(kind=GroupKind.CHANGED, attribute=key))
    return tuple(groups)


def was_active(snapshot: Snapshot) -> bool:
    """Returns whether an employee could have an enabled account: neither inactive nor removed, nor after the last day."""
    return snapshot.kind is not ChangeKind.REMOVED and is_active(snapshot.status, snapshot.phase)


def is_active(status: str | None, phase: EmploymentPhase) -> bool:
    """Returns whether an employee with this status and phase could have an enabled account."""
    return status != INACTIVE and phase is not EmploymentPhase.ENDED


def _find_kinds(
    previous: Snapshot, snapshot: Snapshot, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[GroupKind]:
    kinds = []
    if was_active(previous) and not was_active(snapshot):
        kinds.append(GroupKind.LEFT)
    if not was_active(previous) and was_active(snapshot) and after.get(STATUS) == ACTIVE:
        kinds.append(GroupKind.REACTIVATED)
    if EMAIL in before and before[EMAIL] != after.get(EMAIL):
        kinds.append(GroupKind.EMAIL_CHANGED)
    if any(name in before and before[name] != after.get(name) for name in NAMES):
        kinds.append(GroupKind.NAME_CHANGED)
    return kinds
