"""Which employee owns which account, and what administrators decided about accounts that existed before."""

from enum import StrEnum

from pydantic import AwareDatetime

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.values import FrozenModel


class ClaimKind(StrEnum):
    """What is claimed on a server for one employee."""

    ACCOUNT = "account"
    """The id of an account."""
    EXTERNAL_ID = "external_id"
    """An external id."""


class Decision(StrEnum):
    """What an administrator decided about an account for one employee."""

    LINK = "link"
    """The account becomes the employee's."""
    LEAVE = "leave"
    """The account stays unchanged: the employee needs another e-mail address."""
    HAND_OVER = "hand-over"
    """The account passes from the employee that has left to this one."""


class LinkDecision(FrozenModel):
    """An account that exists and is not the employee's, and what an administrator decided about it."""

    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee that the account conflicts with."""
    account_id: AccountId
    """The account."""
    former_owner: EmployeeId | None = None
    """The employee that has left and owns the account, so that it can be handed over; None if the account has no owner."""
    account_hash: str
    """Hash of what the account showed when the decision was asked for, or made."""
    asked_at: AwareDatetime
    """When the writer found the account."""
    decision: Decision | None = None
    """What an administrator decided; None while the decision is open."""
    decided_at: AwareDatetime | None = None
    """When the administrator decided; None while the decision is open."""

    @property
    def person(self) -> PersonKey:
        """The employee that the account conflicts with."""
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def is_held_by_leaver(self) -> bool:
        """Whether an employee that has left owns the account."""
        return self.former_owner is not None

    def find_valid(self, former_owner: EmployeeId | None, account_hash: str) -> Decision | None:
        """Returns what was decided, if it counts for the account as it is now: with this owner, and with this content.

        An account that is to stay alone stays alone with any content.
        """
        is_same = self.decision is Decision.LEAVE or self.account_hash == account_hash
        return self.decision if is_same and self.former_owner == former_owner else None
