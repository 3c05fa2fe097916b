"""The calls to the SCIM server (RFC 7644) and the questions that a settlement yields, and the answers that it receives.

A settlement is pure: it yields these calls and receives these answers. The client of the server performs the calls, and
the writer answers the questions from MongoDB.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from services.contracts.claims import Decision
from services.contracts.ids import AccountId, EmployeeId

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
    is_listed: bool = field(default=False, compare=False)
    """Whether a list showed the user: a list may leave attributes out."""
    is_assumed: bool = field(default=False, compare=False)
    """Whether a write has changed the user since, and only its own fields are known to be right: the ETag is unknown."""


# ---------------------------------------------------------------- calls to the server


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """``GET /Users/{id}`` (RFC 7644, section 3.4.1). Answered by ``Found`` or ``Missing``."""

    code: ClassVar[str] = "read-account"

    id: AccountId
    """The account to read."""


@dataclass(frozen=True, slots=True)
class FindAccounts:
    """``GET /Users?filter=<attribute> eq "<value>"`` (RFC 7644, section 3.4.2).

    Answered by ``Found``, by ``Unsupported`` if the server cannot filter by this attribute, or by ``Refused`` if it does
    not accept this value.
    """

    code: ClassVar[str] = "find-accounts"

    attribute: Literal["externalId", "userName", "emails.value"]
    """The attribute to filter by."""
    value: str
    """The value that the attribute must have."""
    is_fresh: bool = False
    """Whether the server must be asked now. An index of its accounts may answer otherwise."""


@dataclass(frozen=True, slots=True)
class ListAccounts:
    """``GET /Users?startIndex=…&count=…`` (RFC 7644, section 3.4.2.4). Answered by ``Page``, or by ``Unsupported``."""

    code: ClassVar[str] = "list-accounts"

    start: int = 1
    """Number of the first account, from 1."""
    count: int = 100
    """Maximum number of accounts to return. A server may return fewer."""


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

    id: AccountId | None
    """The account to replace; None sends ``PUT /Users``, as on the vendor's page: the body then identifies the account."""
    body: Body
    """The whole user."""
    version: str | None = None
    """The ETag for ``If-Match``; None to write without a condition."""


Lookup: TypeAlias = ReadAccount | FindAccounts | ListAccounts
"""A call that only reads."""
Write: TypeAlias = CreateAccount | PatchAccount | ReplaceAccount
"""A call that may change an account."""
Call: TypeAlias = Lookup | Write
"""A call that the client of the server performs."""


# ---------------------------------------------------------------- answers of the server


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup found."""

    code: ClassVar[str] = "found"

    resources: tuple[Resource, ...] = ()
    """The users; empty without a match."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    code: ClassVar[str] = "page"

    resources: tuple[Resource, ...] = ()
    """The users of the page, with the attributes that the server shows in lists."""
    total: int | None = None
    """Number of all users as the server states it; None if it states none."""


@dataclass(frozen=True, slots=True)
class Missing:
    """404 or 410 for a known id."""

    code: ClassVar[str] = "missing"

    is_certain: bool = True
    """Whether the SCIM server itself answered. A gateway's or a router's 404 says nothing about the account."""


@dataclass(frozen=True, slots=True)
class Written:
    """The server confirmed a write."""

    code: ClassVar[str] = "written"

    resource: Resource | None = None
    """The user in the answer; None if the answer had no body. A user known by its ``Location`` alone has an empty body."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """409 or 423: another account has this user name, e-mail or external id, or the account cannot change now."""

    code: ClassVar[str] = "conflict"

    status: int = 409
    """The HTTP status."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """412: the resource has changed since it was read."""

    code: ClassVar[str] = "outdated"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """405 or 501 to a write, or a filter or list that the server does not support."""

    code: ClassVar[str] = "unsupported"


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other 4xx: permanent for this request in this form."""

    code: ClassVar[str] = "refused"

    status: int
    """The HTTP status."""
    scim_type: str | None = None
    """The ``scimType`` (RFC 7644, section 3.12); None without a valid one."""

    @property
    def is_forbidden(self) -> bool:
        """Whether the status was 403: permanent only if the key may write other accounts."""
        return self.status == 403

    @property
    def text(self) -> str:
        """Status and ``scimType``, without a value of the person."""
        return f"{self.status}, {self.scim_type}" if self.scim_type else f"{self.status}"


@dataclass(frozen=True, slots=True)
class Lost:
    """It is unknown whether the write happened: no answer, an unreadable answer, or a 5xx. Look up before a retry."""

    code: ClassVar[str] = "lost"

    status: int | None = None
    """The HTTP status; None if no complete answer arrived."""
    details: str = field(default="", compare=False)
    """Why the answer is missing or unusable."""

    @property
    def may_still_happen(self) -> bool:
        """Whether the server may carry out the write after this answer. After its own error 500 it does not."""
        return self.status != 500


Answer: TypeAlias = Found | Page | Missing | Written | Conflict | Outdated | Unsupported | Refused | Lost
"""The answer of the server, as the client parsed it."""


# ---------------------------------------------------------------- questions to the writer


@dataclass(frozen=True, slots=True)
class Pause:
    """Asks the writer to wait: reads may lag behind a write, and a busy account may be free a moment later."""

    attempt: int
    """Number of pauses of this kind before. The writer waits longer each time."""


@dataclass(frozen=True, slots=True)
class AskOwnership:
    """Asks which employee owns an account, and what an administrator decided about it. Answered by ``Ownership``."""

    account: Resource
    """The account as it shows itself: a decision to link counts for this content only."""
    foreign_external_id: str | None = None
    """An external id that is not the employee's, to learn whether it is another employee's; None does not ask."""


@dataclass(frozen=True, slots=True)
class ClaimAccount:
    """Claims an account that existed before for this employee, before the first write to it. Answered by ``Claimed``."""

    id: AccountId
    """The account."""
    former_owner: EmployeeId | None = None
    """The employee of this connection that gives the account up; None if the account has no owner."""


@dataclass(frozen=True, slots=True)
class AskBrake:
    """Asks whether the account may be disabled, just before the request that does. Answered by ``Braked``."""


Question: TypeAlias = Pause | AskOwnership | ClaimAccount | AskBrake
"""A step that the writer answers without the server."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The answer to ``AskOwnership``."""

    owner: Literal["none", "self", "other", "other-connection"] = "none"
    """The owner: none, this employee, another employee of the connection, or an employee of another connection."""
    employee: EmployeeId | None = None
    """The other employee of this connection that owns the account; None for every other owner."""
    has_left: bool = False
    """Whether that employee has left: the newest settled change disabled the account."""
    is_circular: bool = False
    """Whether that employee waits, directly or through others, for the address of this employee's account."""
    decision: Decision | None = None
    """What an administrator decided for this employee and this account; None if nothing that counts was decided."""
    is_marked_for_other: bool = False
    """Whether another employee owns the foreign external id that the question names."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to ``ClaimAccount``."""

    is_ours: bool
    """Whether this employee owns the account now."""


@dataclass(frozen=True, slots=True)
class Braked:
    """The answer to ``AskBrake``."""

    is_held: bool
    """Whether the account must stay enabled until an administrator decides. If not, the account was counted as disabled."""


Step: TypeAlias = Call | Question
"""The next call or question of a settlement."""
Reply: TypeAlias = Answer | Ownership | Claimed | Braked | None
"""The answer to a step. None answers ``Pause``."""
_Result = TypeVar("_Result")
Steps: TypeAlias = Generator[Step, Reply, _Result]
"""A part of a settlement: it yields steps, receives replies, and returns a result."""
