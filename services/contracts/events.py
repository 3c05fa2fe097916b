"""The events. Fields may be added with a default; a rename or a change of meaning is a new version."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Counter, Frozen, Value
from services.contracts.topics import Topic


class Attribute(Frozen):
    """One Personio attribute of an employee."""

    value: Value = None
    """What Personio holds, null where that is empty. Dates are written `YYYY-MM-DD`, timestamps as Personio has them."""
    label: str = ""
    """Personio's name of the attribute, for humans: it may change or be translated."""
    type: str = "standard"
    """Personio's type of the attribute."""


def text_of(attributes: Mapping[str, Attribute], key: str) -> str | None:
    """The value of an attribute that is a text; None for anything else, and where there is no such attribute."""
    attribute = attributes.get(key)
    value = attribute.value if attribute is not None else None
    return value if isinstance(value, str) else None


class Kind(StrEnum):
    """What has happened to an employee."""

    CREATED = "created"
    """Seen for the first time."""
    CHANGED = "changed"
    """At least one attribute differs from what was last seen."""
    REMOVED = "removed"
    """Gone from Personio, confirmed by look-ups."""


class Intent(StrEnum):
    """What the mapper asks the writer for."""

    PROVISION = "provision"
    """An enabled account that holds what is desired."""
    DISABLE = "disable"
    """The account, if the sync manages one, must not be usable. Nothing else of it changes."""
    IGNORE = "ignore"
    """Out of scope: whatever account there is stays as it is."""
    REJECT = "reject"
    """The person's data does not fit the mapping: somebody has to look at it."""


class Outcome(StrEnum):
    """How a change was settled."""

    CREATED = "created"
    """A new account was made."""
    LINKED = "linked"
    """An account that existed before was found, is managed from now on, and holds what is desired."""
    UPDATED = "updated"
    """The account differed, and was written."""
    UNCHANGED = "unchanged"
    """The account held all of it already."""
    DISABLED = "disabled"
    """The account can no longer be used."""
    ENABLED = "enabled"
    """A disabled account can be used again."""
    OUT_OF_SCOPE = "out_of_scope"
    """Nothing was to be done for this person."""
    SUPERSEDED = "superseded"
    """A newer change of this person had been settled before."""
    REJECTED = "rejected"
    """The change cannot be made; the reason says what a person has to do."""


class Event(Frozen):
    """What every event says: about whom, and where it stands in the order of truth."""

    schema_version: Literal[1] = 1
    """Version of this shape; a number not known to a reader makes the record a dead letter."""
    connection_id: ConnectionId
    """The link of one Personio account with one Declaree administration."""
    employee_id: EmployeeId
    """Personio's id of the employee."""
    revision: Counter
    """Orders the changes of one person: `max(previous + 1, time of detection in milliseconds)`."""
    detected_at: AwareDatetime
    """When the poller saw the change."""
    source_modified_at: AwareDatetime | None = None
    """Personio's own stamp of the change, where it gives one."""

    topic: ClassVar[Topic]
    ce_type: ClassVar[str]
    ce_source: ClassVar[str]

    @property
    def person(self) -> PersonKey:
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def event_id(self) -> str:
        return f"{self.connection_id}/{self.employee_id}/{self.revision}"

    @property
    def occurred_at(self) -> AwareDatetime:
        """When what the event tells of happened; like all of it the same whenever the event is made again."""
        return self.detected_at

    @property
    def trace_id(self) -> str:
        """The W3C trace id of everything that follows from one change of one person (32 hex digits)."""
        change = f"{self.connection_id}/{self.employee_id}/{self.revision}"
        return hashlib.sha256(change.encode()).hexdigest()[:32]


class EmployeeChanged(Event):
    """The full state of an employee after a change, and the names of the attributes that changed.

    Since the full state is in it, sending it again can never bring back older data.
    """

    topic: ClassVar[Topic] = Topic.EMPLOYEES_CHANGED
    ce_type: ClassVar[str] = "personio.employee.changed.v1"
    ce_source: ClassVar[str] = "/personio-declaree/poller"

    kind: Kind
    """What has happened to the employee."""
    changed: tuple[str, ...] = ()
    """Keys of the attributes that differ from what was last seen."""
    attributes: dict[str, Attribute]
    """All attributes released to the credential, by their key; the parts of nested ones as `office.id`, `office.name`."""


class ManagerReference(Frozen):
    """Who the account submits to, by Personio id."""

    employee_id: EmployeeId | None
    """Personio's id of the manager; null clears the field."""


class DesiredAccount(Frozen):
    """What an account shall hold. Only what is named here is ever written."""

    external_id: str
    """The account's external id: the employee id, after the prefix that the mapping sets."""
    user_name: str
    """The user name, which is also the work e-mail (Declaree: one account per e-mail address)."""
    fields: dict[str, Value]
    """SCIM paths and their values; null clears the field."""
    manager: ManagerReference | None = None
    """Who the account submits to; null leaves the manager as it is."""


class Version(NamedTuple):
    """What orders requests and decisions of one person: newer employee first, then newer mapping."""

    revision: int
    mapping_version: int


class MappedEvent(Event):
    """What comes of a change once it has met a mapping."""

    mapping_version: Counter
    """The published mapping that the change was mapped with; 0 while none was published."""

    @property
    def version(self) -> Version:
        return Version(self.revision, self.mapping_version)

    @property
    def event_id(self) -> str:
        return f"{self.connection_id}/{self.employee_id}/{self.revision}/{self.mapping_version}"


class AccountRequested(MappedEvent):
    """What the mapping makes of one `EmployeeChanged`: exactly one for each."""

    topic: ClassVar[Topic] = Topic.ACCOUNTS_REQUESTED
    ce_type: ClassVar[str] = "declaree.account.requested.v1"
    ce_source: ClassVar[str] = "/personio-declaree/mapper"

    intent: Intent
    """What is asked for."""
    desired: DesiredAccount | None = Field(default=None, validate_default=True)
    """What the account shall hold; set for the intent `provision` and for no other."""
    reason: str | None = None
    """Why the person is rejected, without any of their data."""
    field: str | None = None
    """The target field or attribute that the reason is about."""

    @field_validator("desired")
    @classmethod
    def _fits_the_intent(cls, desired: DesiredAccount | None, info: ValidationInfo) -> DesiredAccount | None:
        """Else a request to provision nothing would be taken for one that needs no account."""
        intent = info.data.get("intent")
        if intent is not None and (desired is not None) != (intent is Intent.PROVISION):
            raise ValueError("is set for the intent provision and for no other")
        return desired


class AccountSynced(MappedEvent):
    """How one request was settled."""

    topic: ClassVar[Topic] = Topic.ACCOUNT_OUTCOMES
    ce_type: ClassVar[str] = "declaree.account.synced.v1"
    ce_source: ClassVar[str] = "/personio-declaree/writer"

    outcome: Outcome
    """How the change was settled."""
    account_id: AccountId | None = None
    """The id that the SCIM server gave to the account; null where there is none."""
    written: tuple[str, ...] = ()
    """SCIM paths of the fields that were sent, never their values."""
    reason: str | None = None
    """What somebody should know or do: why a change was rejected, or what of the account is still to come."""
    field: str | None = None
    """The field that the reason is about."""
    settled_at: AwareDatetime
    """When the outcome was certain."""

    @property
    def occurred_at(self) -> AwareDatetime:
        return self.settled_at


EVENTS: tuple[type[Event], ...] = (EmployeeChanged, AccountRequested, AccountSynced)
