"""The manager of an account: which one a request asks for, and how the ledger records it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import ManagerLink

MANAGER_PATIENCE = timedelta(minutes=15)
"""Longest time that a new account waits for the account of its manager."""


@dataclass(frozen=True, slots=True)
class ManagerAccount:
    """The account of a manager."""

    id: AccountId
    """The account."""
    external_id: str | None = None
    """The external id that the sync wrote to it; None if unknown."""


@dataclass(frozen=True, slots=True)
class WantedManager:
    """The manager that a request asks for, with the manager's account."""

    employee_id: EmployeeId | None = None
    """The manager; None if the request asks for none."""
    account: ManagerAccount | None = None
    """The manager's account; None if the manager has none yet."""
    is_self: bool = False
    """Whether the request names the employee as their own manager."""

    @property
    def note(self) -> str | None:
        """Why the account is written without a manager, for an administrator; None if nothing is open."""
        if self.is_self:
            return "Personio names the employee as their own manager: the manager is left out"
        if self.employee_id is not None and self.account is None:
            return "the manager has no account yet: the manager is written later"
        return None

    @property
    def link(self) -> ManagerLink | None:
        """The manager as the ledger records it. Without an account the reference stays open."""
        if self.employee_id is None:
            return None
        return ManagerLink(employee_id=self.employee_id, account_id=self.account.id if self.account else None)


FindManagerAccount: TypeAlias = Callable[[EmployeeId], ManagerAccount | None]
"""Returns the account of a manager; None if the manager has none yet."""


def find_wanted_manager(request: AccountRequested) -> EmployeeId | None:
    """Returns the manager that the request asks for; None if it asks for none, or names the employee as their own manager."""
    return None if _names_self(request) else _find_named_manager(request)


def resolve_manager(request: AccountRequested, find_account: FindManagerAccount) -> WantedManager:
    """Returns the manager that the request asks for. ``find_account`` returns the account of an employee."""
    wanted = find_wanted_manager(request)
    account = None if wanted is None else find_account(wanted)
    return WantedManager(wanted, account, is_self=_names_self(request))


def _find_named_manager(request: AccountRequested) -> EmployeeId | None:
    return request.desired.manager.employee_id if request.desired and request.desired.manager else None


def _names_self(request: AccountRequested) -> bool:
    return _find_named_manager(request) == request.employee_id
