"""The ledger's entry of one employee: what was decided, and what the account was last confirmed to hold."""

from pydantic import AwareDatetime

from services.contracts.events import AccountSynced, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Frozen


class Waiting(Frozen):
    """A change that cannot be settled now for a cause outside it."""

    cause: str
    since: AwareDatetime
    version: Version


class Manager(Frozen):
    """Whom the account submits to: by employee, and by account once that is written. None: the reference is open."""

    employee_id: EmployeeId
    account_id: AccountId | None = None


class Account(Frozen):
    """One employee's ledger entry.

    ``decided`` is the outcome that orders and supersedes; ``applied`` the hash of what the account was last confirmed
    to hold, None when that is not known; ``verify`` asks for a look at the live account; ``seq`` counts the writes of
    this entry, so that each can be conditional on the one before. ``external_id`` is ours on the account, by
    which it is known to be this person's. ``blocked_by`` is the account that had the user name ``blocked_name`` and
    so stood in the way of a rejected change. ``enabled`` is what ``active`` was last confirmed
    to be. ``attempted`` is the external id of a create whose fate is not known, ``attempted_names`` the user names that
    it may have had: the account may exist all the same, and not every server finds it by its external id.
    """

    connection_id: ConnectionId
    employee_id: EmployeeId
    account_id: AccountId | None = None
    external_id: str | None = None
    user_name: str | None = None
    enabled: bool | None = None
    attempted: str | None = None
    attempted_names: tuple[str, ...] = ()
    decided: AccountSynced | None = None
    applied: str | None = None
    manager: Manager | None = None
    waiting: Waiting | None = None
    blocked_by: AccountId | None = None
    blocked_name: str | None = None
    verify: bool = False
    seq: int = 0

    @property
    def person(self) -> PersonKey:
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def decided_version(self) -> Version:
        return self.decided.version if self.decided else Version(0, 0)

    @property
    def open_reference(self) -> bool:
        return self.manager is not None and self.manager.account_id is None
