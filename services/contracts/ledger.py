"""The ledger entry of one employee: the newest decision, and the last confirmed state of the account."""

from pydantic import AwareDatetime, Field

from services.contracts.events import AccountSynced, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import WaitingCause
from services.contracts.values import FrozenModel


class Waiting(FrozenModel):
    """A change that cannot be settled now, for a cause outside its data."""

    cause: WaitingCause
    """Why the change waits."""
    since: AwareDatetime
    """Since when this change waits."""
    version: Version
    """The change that waits."""
    detected_at: AwareDatetime | None = None
    """When the poller detected that change; None if unknown."""
    attempts: int = 0
    """How often the change was tried again without success."""
    retry_at: AwareDatetime | None = None
    """When the change is due to be tried again; None if it is due now."""


class ManagerLink(FrozenModel):
    """The manager that the account reports to."""

    employee_id: EmployeeId
    """The manager's employee id."""
    account_id: AccountId | None = None
    """The manager's account as written to Declaree; None until it is known, which makes this an open reference."""


class RefusedField(FrozenModel):
    """A field that the server refused or did not store. It is retried when one of the stored facts changes, and weekly."""

    path: str
    """SCIM path of the field."""
    code: str
    """The server's status and ``scimType``, or ``not stored``."""
    value: str
    """Hash of the refused value."""
    mapping_version: int
    """Version of the mapping that the value came from."""
    schema_hash: str | None = None
    """Hash of the server's schemas at that time; None if the server publishes none."""
    tried_at: AwareDatetime
    """When the field was sent last."""


class LedgerEntry(FrozenModel):
    """The writer's record of one employee's account."""

    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee within the connection."""
    account_id: AccountId | None = None
    """The employee's account; None if no account exists or the account is unknown."""
    created_at: AwareDatetime | None = None
    """When the sync created the account: lookups may not show it yet. None if the account existed before or is unknown."""
    external_id: str | None = None
    """The external id that the sync wrote to the account, which identifies it as this employee's; None if unknown."""
    user_name: str | None = None
    """User name of the account, as last written; None if unknown."""
    enabled: bool | None = None
    """Last confirmed value of the account's ``active``; None if unknown."""
    attempted: str | None = None
    """External id of an account that an unanswered create may have made; None if there was no such create."""
    attempted_names: tuple[str, ...] = ()
    """User names that such a create may have used, newest last. Not every server finds an account by its external id."""
    suspected_since: AwareDatetime | None = None
    """Detection of the first change for which an earlier writer may have sent such a create without noting it; None if
    each create is noted. An account that is older was not made by it."""
    decided: AccountSynced | None = None
    """Outcome of the newest settled change, which supersedes older ones; None if no change was settled."""
    applied: str | None = None
    """Hash of the content that the account was last confirmed to hold; None if unknown."""
    manager: ManagerLink | None = None
    """The manager that the account reports to; None if the sync sets none."""
    waiting: Waiting | None = None
    """The change that waits; None if none waits."""
    replaced: tuple[Waiting, ...] = ()
    """Changes that waited and were replaced by the newest one. Their outcomes may not be published yet."""
    blocked_by: AccountId | None = None
    """The account that had the wanted user name, so that the change was rejected; None if no account conflicts."""
    blocked_name: str | None = None
    """That user name; None if no account conflicts."""
    refused: tuple[RefusedField, ...] = ()
    """Fields that the server refuses; the account has the desired content except for them."""
    look_at: AwareDatetime | None = None
    """When the live account must be looked up again: a write stayed without an answer and may still be carried out, or an
    earlier writer may have sent one. None if no such write is known."""
    is_disabling_held: bool = False
    """Whether the brake has held a change that disables the account. It stays until an administrator releases it, or until a
    change is settled."""
    disabling_allowed_from: int | None = None
    """Revision of the change that the brake or an administrator has allowed to disable the account. Later changes may do so
    as well, until one is settled. None if no such change is unsettled."""
    verify: bool = False
    """Whether the live account must be read before this entry is trusted."""
    seq: int = 0
    """Number of writes of this entry. Each write is conditional on the number before it."""
    damage: str | None = Field(default=None, exclude=True)
    """Names of the invalid fields of the stored entry, of which this one has the valid fields only; None if it is readable. The
    writer leaves a damaged entry alone."""

    @property
    def person(self) -> PersonKey:
        """The person that the entry is about."""
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def decided_version(self) -> Version:
        """Version of the newest settled change; zeros if no change was settled."""
        return self.decided.version if self.decided else Version(0, 0)

    @property
    def newest_version(self) -> Version:
        """Version of the newest change that was settled or waits."""
        return max(self.decided_version, self.waiting.version) if self.waiting else self.decided_version

    @property
    def is_retryable(self) -> bool:
        """Whether writers try the employee again on their own. A change that the brake holds waits for an administrator."""
        is_held = self.waiting is not None and self.waiting.cause is WaitingCause.DISABLING_HELD
        return self.verify or (self.waiting is not None and not is_held)

    @property
    def has_open_reference(self) -> bool:
        """Whether the account needs a manager that had no account when it was written."""
        return self.manager is not None and self.manager.account_id is None
