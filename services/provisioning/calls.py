"""What a reconciliation asks of the SCIM server, and the answers it understands (RFC 7644).

The reconciliation is pure: it yields these calls and is given these answers; the client of the server performs them.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from services.contracts.ids import AccountId

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A user as the server showed it. ``body`` is never changed; ``version`` is its ETag, None where there is none."""

    id: AccountId
    body: Body
    version: str | None = None


# ---------------------------------------------------------------- calls


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """``GET /Users/{id}`` (section 3.4.1)."""

    id: AccountId


@dataclass(frozen=True, slots=True)
class FindAccounts:
    """``GET /Users?filter=<attribute> eq "<value>"`` (section 3.4.2)."""

    attribute: Literal["externalId", "userName"]
    value: str


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """``POST /Users`` (section 3.3)."""

    body: Body


@dataclass(frozen=True, slots=True)
class PatchAccount:
    """``PATCH /Users/{id}`` with these operations, on this version where it is known (section 3.5.2)."""

    id: AccountId
    operations: tuple[Body, ...]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ReplaceAccount:
    """``PUT /Users/{id}`` with the whole resource (section 3.5.1)."""

    id: AccountId
    body: Body
    version: str | None = None


@dataclass(frozen=True, slots=True)
class FindHolder:
    """Whose account is this already? Asked of the ledger, not of the server."""

    id: AccountId


Look: TypeAlias = ReadAccount | FindAccounts
Write: TypeAlias = CreateAccount | PatchAccount | ReplaceAccount
Call: TypeAlias = Look | Write
"""What is asked of the server."""


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found: nothing, one resource, or several."""

    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """The answer to ``FindHolder``: whether the account is another employee's."""

    by_another: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A write was confirmed; ``resource`` is what the server answered, None where it sent no body."""

    resource: Resource | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """409: another account has this user name, e-mail or external id."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """412: the resource has changed since it was read."""


@dataclass(frozen=True, slots=True)
class Gone:
    """404 to a write on a known id."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """405 or 501: this server does not know this kind of write."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other 4xx: permanent for this person. ``reason`` holds status and ``scimType``, never a value.

    ``forbidden`` is a 403: permanent only if the key may write other accounts.
    """

    reason: str
    field: str | None = None
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Whether the write happened is not known: no answer, an unreadable one, or a 5xx. Look before repeating."""

    details: str = field(default="", compare=False)


Answer: TypeAlias = Seen | Written | Conflict | Outdated | Gone | Unsupported | Refused | Lost
