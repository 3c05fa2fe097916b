"""Differences between the accounts on a server and what they should be, as a verification found them."""

from enum import StrEnum

from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.values import FrozenModel


class DriftKind(StrEnum):
    """What is wrong with an account."""

    LEAVER_ENABLED = "leaver-enabled"
    """The account of an employee that has left is enabled."""
    MISSING = "missing"
    """The account of an active employee no longer exists."""
    UNCREATED = "uncreated"
    """An active employee has no account, although the change was settled."""
    UNSETTLED = "unsettled"
    """The newest change of an employee was published and has no outcome."""
    UNKNOWN_TO_LEDGER = "unknown-to-ledger"
    """The account has the external id of an employee, but the ledger does not know it."""
    EMPLOYEE_DISABLED = "employee-disabled"
    """The account of an active employee is disabled."""
    DIFFERENT = "different"
    """Mapped fields have other values: they were changed by hand, or the server was restored."""
    DUPLICATE = "duplicate"
    """Several accounts belong to one employee."""
    CLAIMED_ELSEWHERE = "claimed-elsewhere"
    """The account of an employee belongs to another connection."""
    UNREADABLE_ENTRY = "unreadable-entry"
    """The ledger entry of an employee is damaged, or a newer version wrote it. The account is not compared."""
    UNKNOWN_EMPLOYEE = "unknown-employee"
    """An enabled account has an external id with the prefix of the connection, but no such employee is known."""

    @property
    def text(self) -> str:
        """What is wrong and what to do, for an administrator."""
        return _TEXTS[self]

    @property
    def fact(self) -> str:
        """What is wrong, for an administrator."""
        return self.text.partition(": ")[0]

    @property
    def is_repaired_always(self) -> bool:
        """Whether every verification repairs this: an employee has no account or no outcome, or a leaver has access."""
        return self in {
            DriftKind.LEAVER_ENABLED,
            DriftKind.MISSING,
            DriftKind.UNCREATED,
            DriftKind.UNSETTLED,
            DriftKind.UNKNOWN_TO_LEDGER,
        }

    @property
    def is_repairable(self) -> bool:
        """Whether a resend of the employee repairs this."""
        return self.is_repaired_always or self in {DriftKind.DIFFERENT, DriftKind.EMPLOYEE_DISABLED}


_TEXTS: dict[DriftKind, str] = {
    DriftKind.LEAVER_ENABLED: "an employee that has left has an enabled account: it is disabled",
    DriftKind.MISSING: "the account of an active employee no longer exists in Declaree: it is created again",
    DriftKind.UNCREATED: "an active employee has no account: it is created",
    DriftKind.UNSETTLED: "the newest change has no outcome: it is published again",
    DriftKind.UNKNOWN_TO_LEDGER: "the account has the external id of an employee and is unknown to the ledger: it is linked again",
    DriftKind.EMPLOYEE_DISABLED: "the account of an active employee is disabled: `verify --repair` enables it",
    DriftKind.DIFFERENT: "mapped fields have other values: `verify --repair` writes them",
    DriftKind.DUPLICATE: "several accounts belong to one employee: correct them in Declaree so that only one has its external id",
    DriftKind.CLAIMED_ELSEWHERE: (
        "the account of an employee belongs to another connection: give each connection its own external id prefix"
    ),
    DriftKind.UNREADABLE_ENTRY: (
        "the ledger entry of an employee cannot be read: upgrade the services if a newer version wrote it, "
        "else run `people reset`"
    ),
    DriftKind.UNKNOWN_EMPLOYEE: (
        "an enabled account has an external id of this connection, and no such employee is known: "
        "disable it in Declaree if its owner has left"
    ),
}


class Drift(FrozenModel):
    """One difference that a verification found."""

    connection_id: ConnectionId
    """The connection."""
    kind: DriftKind
    """What is wrong."""
    employee_id: EmployeeId | None = None
    """The employee; None if no known employee belongs to the account."""
    account_id: AccountId | None = None
    """The account; None if it does not exist."""
    fields: tuple[str, ...] = ()
    """SCIM paths of the fields with other values, never their values."""
    is_repaired: bool = False
    """Whether the verification repairs this: the employee is resent, and the writer looks the account up."""
