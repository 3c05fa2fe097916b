"""A verification: its report, and its steps, which are stored so that another poller can continue after the last one."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, Field

from services.contracts.drift import Drift, DriftKind
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.values import FrozenModel


class ListedAccount(FrozenModel):
    """An account in the list of a server."""

    id: AccountId
    """The account."""
    employee_id: EmployeeId | None = None
    """The employee of the connection that it belongs to; None if it belongs to none."""
    is_enabled: bool = True
    """Whether it is enabled."""


class VerificationStep(FrozenModel):
    """The result of one step of a verification. An interrupted verification continues after its last step."""

    number: int
    """Number of the step, from 0."""
    kind: Literal["page", "list-end", "people"]
    """Whether the step was a page of the list, the end of the list, or some employees without a compared account."""
    taken_at: AwareDatetime
    """When the step began."""
    next_start: int = 1
    """Number of the next account to list, from 1; only after a page."""
    total: int | None = None
    """Number of all accounts as the page states it; None if it states none."""
    listed: tuple[ListedAccount, ...] = ()
    """The accounts of the page that no earlier page has shown."""
    has_repeated: bool = False
    """Whether the page has shown accounts of an earlier page."""
    is_list_complete: bool = False
    """Whether the list has certainly shown all accounts; only at the end of the list."""
    last_employee: EmployeeId | None = None
    """The last of the employees, in the order of their keys; None if the step was about accounts."""
    drifts: tuple[Drift, ...] = ()
    """What is wrong."""
    counts: Mapping[str, int] = Field(default_factory=dict)
    """Numbers of the step by name: requests for single accounts, and accounts that could not be read."""
    to_repair: tuple[EmployeeId, ...] = ()
    """The employees that are not yet resent; empty once they are."""


class VerificationReport(FrozenModel):
    """The result of a verification. Its findings are stored beside it."""

    run: str
    """Id of the task."""
    finished_at: AwareDatetime
    """When the verification ended."""
    counts: dict[str, int]
    """Number of listed accounts, of requests for single accounts, of findings by kind, and of repaired findings."""

    @property
    def open_findings(self) -> int:
        """Number of findings that need a person, and of accounts that could not be read."""
        found = sum(self.counts.get(kind.value, 0) for kind in DriftKind)
        return found - self.counts.get("repaired", 0) + self.counts.get("unreadable", 0)
