"""What the mapper asks for, how the writer settles it, and why a change waits."""

from enum import StrEnum


class Intent(StrEnum):
    """What the mapper asks the writer to do."""

    PROVISION = "provision"
    """Create or update the account: it is enabled and has the desired content."""
    DISABLE = "disable"
    """Disable the account if the product manages one. Nothing else of the account changes."""
    IGNORE = "ignore"
    """The employee is out of scope: an existing account stays unchanged."""
    REJECT = "reject"
    """The employee's data does not fit the mapping: an administrator has to correct one of the two."""


class Outcome(StrEnum):
    """How the writer settled a change."""

    CREATED = "created"
    """The writer created the account."""
    LINKED = "linked"
    """The writer found an existing account, manages it from now on, and gave it the desired content."""
    UPDATED = "updated"
    """The account differed from the desired content, and the writer updated it."""
    UNCHANGED = "unchanged"
    """The account already had the desired content."""
    DISABLED = "disabled"
    """The account is disabled."""
    ENABLED = "enabled"
    """The account was disabled and is enabled again."""
    OUT_OF_SCOPE = "out_of_scope"
    """The employee's status asks for no account. An existing account stays unchanged."""
    SUPERSEDED = "superseded"
    """A newer change of this employee had already been settled."""
    INCOMPLETE = "incomplete"
    """The account has the desired content, except for fields that Declaree refuses. The outcome names them."""
    REJECTED = "rejected"
    """The change cannot be made. The reason says what an administrator has to correct or decide."""


class WaitingCause(StrEnum):
    """Why a change waits: a cause outside the employee's data. Stored in the ledger and used as a label of metrics.

    Parsing an unknown value gives ``UNEXPECTED``, so that an older version can read what a newer version stored.
    """

    SERVER_UNAVAILABLE = "server-unavailable"
    """Declaree does not answer, or answers with a server error."""
    SERVER_HANGS = "server-hangs"
    """Declaree accepts requests but does not answer them."""
    RATE_LIMITED = "rate-limited"
    """Declaree limits the rate of requests (429)."""
    KEY_REFUSED = "key-refused"
    """Declaree refuses the key (401)."""
    FORBIDDEN = "forbidden"
    """Declaree forbids the key's user to read accounts (403)."""
    WRITES_FORBIDDEN = "writes-forbidden"
    """Declaree forbids the key's user to write accounts (403), and this key has never written one."""
    WRONG_ADDRESS = "wrong-address"
    """The server at the address is not a SCIM server."""
    UNUSABLE_ACCESS = "unusable-access"
    """The stored address and key allow no request to Declaree."""
    UNREADABLE_SECRET = "unreadable-secret"  # noqa: S105 - the name of a cause, not a secret
    """None of ENCRYPTION_KEYS decrypts a secret of the connection, or a field of the connection is invalid."""
    PAUSED = "connection-paused"
    """The connection is paused: nothing is written until it is resumed."""
    BACKLOG = "backlog"
    """Many changes of the connection came at once: this one comes when Declaree has taken the others."""
    LEDGER_UNAVAILABLE = "ledger-unavailable"
    """MongoDB did not answer a lookup in the ledger."""
    SETTLE_TIMEOUT = "settle-timeout"
    """Declaree took longer for this change than WRITER_SETTLE_SECONDS."""
    INCONCLUSIVE = "inconclusive"
    """Several writes stayed without an answer, or the account keeps changing."""
    UNANSWERED_CREATE = "unanswered-create"
    """A create stayed without an answer, and the server may still carry it out. A second create could make a second account."""
    ACCOUNT_NOT_SHOWN = "account-not-shown"
    """The server does not show an account that it created, or that the ledger knows, and the answer is not conclusive."""
    FAILING_ACCOUNT = "failing-account"
    """The server answers every write or lookup of this one account with an error (500), while it works for others."""
    MANAGER_PENDING = "manager-pending"
    """The account of the manager is created first."""
    UNREADABLE_ENTRY = "unreadable-entry"
    """The employee's entry in the ledger is damaged, or a newer version wrote it."""
    UNREADABLE_DOCUMENT = "unreadable-document"
    """A claim or a decision about the account cannot be read."""
    TAKEN_OVER = "taken-over"
    """An earlier writer had later records in progress: it may have sent a newer change of the employee."""
    ADDRESS_EXCHANGE = "address-exchange"
    """Employees exchange their e-mail addresses: this account has a temporary one until the other address is free."""
    DISABLING_HELD = "disabling-held"
    """More accounts were to be disabled within an hour than the thresholds of the guard allow. An administrator decides: this
    change is not retried automatically."""
    UNEXPECTED = "unexpected"
    """An error that the product does not know; the writer's log has the details."""

    @classmethod
    def _replace_unknown(cls, value: object) -> "WaitingCause":  # noqa: ARG003 - the signature of Enum._missing_
        return cls.UNEXPECTED

    _missing_ = _replace_unknown

    @property
    def text(self) -> str:
        """What happened and what to do, for an administrator."""
        return _TEXTS[self]


_RETRIED = "the waiting changes are retried automatically"
_RIGHTS = "give the key's user administrative rights in Declaree"

_TEXTS: dict[WaitingCause, str] = {
    WaitingCause.SERVER_UNAVAILABLE: f"Declaree does not answer: {_RETRIED}",
    WaitingCause.SERVER_HANGS: f"Declaree hangs and does not answer: {_RETRIED}",
    WaitingCause.RATE_LIMITED: f"Declaree limits the rate of requests (429): {_RETRIED}",
    WaitingCause.KEY_REFUSED: "Declaree refuses the key (401): store the right key with `connections secrets ID --declaree`",
    WaitingCause.FORBIDDEN: f"Declaree forbids the request (403): {_RIGHTS}",
    WaitingCause.WRITES_FORBIDDEN: f"Declaree forbids the key to write (403): {_RIGHTS}",
    WaitingCause.WRONG_ADDRESS: "the server at Declaree's address is not a SCIM server: run `connections check`",
    WaitingCause.UNUSABLE_ACCESS: "Declaree's address or key is unusable: run `connections check`",
    WaitingCause.UNREADABLE_SECRET: (
        "the stored connection or one of its secrets cannot be read: `status` says what is wrong; "
        "`connections secrets ID` stores a new secret"
    ),
    WaitingCause.PAUSED: "the connection is paused, and nothing is written: `connections resume ID` writes the waiting changes",
    WaitingCause.BACKLOG: "many changes came at once: they are written as fast as Declaree takes them",
    WaitingCause.LEDGER_UNAVAILABLE: f"MongoDB did not answer: {_RETRIED}",
    WaitingCause.SETTLE_TIMEOUT: f"Declaree was too slow for this change (WRITER_SETTLE_SECONDS): {_RETRIED}",
    WaitingCause.INCONCLUSIVE: f"several writes stayed without an answer, or the account keeps changing: {_RETRIED}",
    WaitingCause.UNANSWERED_CREATE: f"a create stayed without an answer and may still be carried out: {_RETRIED}",
    WaitingCause.ACCOUNT_NOT_SHOWN: f"Declaree does not show an account that must exist: {_RETRIED}",
    WaitingCause.FAILING_ACCOUNT: (
        f"Declaree answers every request for this account with an error (500): {_RETRIED}, "
        "contact Declaree's support if the error remains"
    ),
    WaitingCause.MANAGER_PENDING: f"the manager's account is created first: {_RETRIED}",
    WaitingCause.UNREADABLE_ENTRY: (
        "the employee's ledger entry cannot be read: upgrade the writer if a newer version wrote it, "
        "else run `people reset`"
    ),
    WaitingCause.UNREADABLE_DOCUMENT: (
        "a document about the account cannot be read: upgrade the writer if a newer version wrote it, "
        "else correct or remove the document that the writer's log names"
    ),
    WaitingCause.TAKEN_OVER: "another writer has stopped at this employee: the newest data is sent again",
    WaitingCause.ADDRESS_EXCHANGE: f"employees exchange their e-mail addresses: {_RETRIED}",
    WaitingCause.DISABLING_HELD: (
        "unusually many accounts were to be disabled within an hour, and this one stays enabled: if the employees have left, "
        "use `connections release-disabling ID`, else correct the mapping or the data in Personio"
    ),
    WaitingCause.UNEXPECTED: "unexpected error: see the writer's log",
}

ABOUT_ONE_LOOKUP = frozenset({WaitingCause.SERVER_UNAVAILABLE, WaitingCause.WRONG_ADDRESS})
"""Causes of a lookup that may concern one account alone: an error of the server, or an answer that is not SCIM."""
