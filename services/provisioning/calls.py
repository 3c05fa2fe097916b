"""What a reconciliation asks of the SCIM server, and the answers that it understands (RFC 7644).

The reconciliation is pure: it asks for these calls and receives these answers. The client of the server performs them.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from services.contracts.ids import AccountId

Body: TypeAlias = dict[str, Any]
"""A JSON object of SCIM."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A user as the server showed it."""

    id: AccountId
    """The server's id of the user."""
    body: Body
    """The attributes. Never changed in place."""
    version: str | None = None
    """The ETag; None if the server sends none."""


# ---------------------------------------------------------------- calls


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """``GET /Users/{id}`` (RFC 7644, section 3.4.1)."""

    code: ClassVar[str] = "read-account"

    id: AccountId
    """The account to read."""


@dataclass(frozen=True, slots=True)
class FindAccounts:
    """``GET /Users?filter=<attribute> eq "<value>"`` (RFC 7644, section 3.4.2)."""

    code: ClassVar[str] = "find-accounts"

    attribute: Literal["externalId", "userName"]
    """The attribute to filter by."""
    value: str
    """The value that the attribute must have."""


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """``POST /Users`` (RFC 7644, section 3.3)."""

    code: ClassVar[str] = "create-account"

    body: Body
    """The new user."""


@dataclass(frozen=True, slots=True)
class PatchAccount:
    """``PATCH /Users/{id}`` (RFC 7644, section 3.5.2)."""

    code: ClassVar[str] = "patch-account"

    id: AccountId
    """The account to change."""
    operations: tuple[Body, ...]
    """The operations, in order."""
    version: str | None = None
    """The ETag for ``If-Match``; None to write without a condition."""


@dataclass(frozen=True, slots=True)
class ReplaceAccount:
    """``PUT /Users/{id}`` with the whole resource (RFC 7644, section 3.5.1)."""

    code: ClassVar[str] = "replace-account"

    id: AccountId
    """The account to replace."""
    body: Body
    """The whole user."""
    version: str | None = None
    """The ETag for ``If-Match``; None to write without a condition."""


@dataclass(frozen=True, slots=True)
class FindOwner:
    """Asks the ledger, not the server, which employee owns an account."""

    id: AccountId
    """The account."""


Lookup: TypeAlias = ReadAccount | FindAccounts
"""A call that only reads."""
Write: TypeAlias = CreateAccount | PatchAccount | ReplaceAccount
"""A call that may change an account."""
Call: TypeAlias = Lookup | Write
"""A call that the client of the server performs."""


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup found."""

    code: ClassVar[str] = "found"

    resources: tuple[Resource, ...] = ()
    """The users; empty without a match."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The answer to ``FindOwner``."""

    is_another: bool
    """Whether another employee owns the account."""


@dataclass(frozen=True, slots=True)
class Written:
    """The server confirmed a write."""

    code: ClassVar[str] = "written"

    resource: Resource | None = None
    """The user in the answer; None if the answer had no body."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """409: another account has this user name, e-mail or external id."""

    code: ClassVar[str] = "conflict"


@dataclass(frozen=True, slots=True)
class Outdated:
    """412: the resource has changed since it was read."""

    code: ClassVar[str] = "outdated"


@dataclass(frozen=True, slots=True)
class Gone:
    """404 to a write on a known id."""

    code: ClassVar[str] = "gone"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """405 or 501: the server does not support this kind of write."""

    code: ClassVar[str] = "unsupported"


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other 4xx: permanent for this person."""

    code: ClassVar[str] = "refused"

    reason: str
    """Status and ``scimType``; never a value of the person."""
    field: str | None = None
    """The SCIM path that the server refuses; None if it names none."""
    forbidden: bool = False
    """Whether the status was 403: permanent only if the key may write other accounts."""


@dataclass(frozen=True, slots=True)
class Lost:
    """It is unknown whether the write happened: no answer, an unreadable answer, or a 5xx. Look up before a retry."""

    code: ClassVar[str] = "lost"

    details: str = field(default="", compare=False)
    """Why the answer is missing or unusable."""


Answer: TypeAlias = Found | Written | Conflict | Outdated | Gone | Unsupported | Refused | Lost
"""What the client of the server made of its answer."""
