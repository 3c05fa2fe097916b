"""The events. Fields may be added with a default; a rename or a change of meaning is a new version."""

import hashlib
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

from pydantic import AwareDatetime

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Frozen, Value
from services.contracts.topics import Topic


class Attribute(Frozen):
    """One Personio attribute. ``label`` is for humans and may change or be translated; ``type`` is Personio's."""

    value: Value = None
    label: str = ""
    type: str = "standard"


class Kind(StrEnum):
    CREATED = "created"
    """Seen for the first time."""
    CHANGED = "changed"
    REMOVED = "removed"
    """Gone from Personio, confirmed by look-ups."""


class Intent(StrEnum):
    """What the mapper asks the writer for."""

    PROVISION = "provision"
    DISABLE = "disable"
    IGNORE = "ignore"
    REJECT = "reject"


class Outcome(StrEnum):
    """How a change was settled."""

    CREATED = "created"
    LINKED = "linked"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DISABLED = "disabled"
    ENABLED = "enabled"
    OUT_OF_SCOPE = "out_of_scope"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class Event(Frozen):
    """What every event says: about whom, and where it stands in the order of truth.

    ``revision`` orders the changes of one person: ``max(previous + 1, time of detection in ms)``.
    ``detected_at`` is when the poller saw the change; ``source_modified_at`` is Personio's own stamp of it.
    """

    schema_version: Literal[1] = 1
    connection_id: ConnectionId
    employee_id: EmployeeId
    revision: int
    detected_at: AwareDatetime
    source_modified_at: AwareDatetime | None = None

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
    changed: tuple[str, ...] = ()
    attributes: dict[str, Attribute]


class ManagerReference(Frozen):
    """Who the account submits to, by Personio id; ``employee_id`` None clears it."""

    employee_id: EmployeeId | None


class DesiredAccount(Frozen):
    """What an account shall hold. Only what is named here is ever written.

    ``fields`` maps SCIM paths to values; None clears the field. ``manager`` None leaves the manager as it is.
    The user name is also the work e-mail (Declaree: one account per e-mail address).
    """

    external_id: str
    user_name: str
    fields: dict[str, Value]
    manager: ManagerReference | None = None


class Version(NamedTuple):
    """What orders requests and decisions of one person: newer employee first, then newer mapping."""

    revision: int
    mapping_version: int


class AccountRequested(Event):
    """What the mapping makes of one ``EmployeeChanged``. ``desired`` is set for ``provision`` alone."""

    topic: ClassVar[Topic] = Topic.ACCOUNTS_REQUESTED
    ce_type: ClassVar[str] = "declaree.account.requested.v1"
    ce_source: ClassVar[str] = "/personio-declaree/mapper"

    mapping_version: int
    intent: Intent
    desired: DesiredAccount | None = None
    reason: str | None = None
    field: str | None = None

    @property
    def version(self) -> Version:
        return Version(self.revision, self.mapping_version)

    @property
    def event_id(self) -> str:
        return f"{self.connection_id}/{self.employee_id}/{self.revision}/{self.mapping_version}"


class AccountSynced(Event):
    """How one request was settled; ``written`` names the fields that were sent, never their values."""

    topic: ClassVar[Topic] = Topic.ACCOUNT_OUTCOMES
    ce_type: ClassVar[str] = "declaree.account.synced.v1"
    ce_source: ClassVar[str] = "/personio-declaree/writer"

    mapping_version: int
    outcome: Outcome
    account_id: AccountId | None = None
    written: tuple[str, ...] = ()
    reason: str | None = None
    field: str | None = None
    settled_at: AwareDatetime

    @property
    def version(self) -> Version:
        return Version(self.revision, self.mapping_version)

    @property
    def event_id(self) -> str:
        return f"{self.connection_id}/{self.employee_id}/{self.revision}/{self.mapping_version}"


EVENTS: tuple[type[Event], ...] = (EmployeeChanged, AccountRequested, AccountSynced)
