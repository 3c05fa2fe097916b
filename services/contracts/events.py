"""The events of the product.

A field may be added with a default. A rename or a change of meaning needs a new version of the event.
"""

import hashlib
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from services.contracts.employees import EmploymentPhase
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import Intent, Outcome
from services.contracts.targets import find_misuse
from services.contracts.topics import Topic
from services.contracts.values import FrozenModel, NonNegativeInt64, Value


class ChangeKind(StrEnum):
    """How an employee has changed."""

    CREATED = "created"
    """The employee is new to the product."""
    CHANGED = "changed"
    """At least one attribute differs from the last snapshot."""
    REMOVED = "removed"
    """Personio has deleted the employee: a complete scan does not list the employee, and two lookups do not know the id. Or an
    administrator has decided to disable the account of an employee that is not listed."""


class Event(FrozenModel):
    """The fields that every event has: the person, and the revision that orders the changes of this person."""

    schema_version: Literal[1] = 1
    """Version of the schema. A version that a reader does not know makes the record a dead letter."""
    connection_id: ConnectionId
    """The link of one Personio account with one Declaree administration."""
    employee_id: EmployeeId
    """Personio's id of the employee."""
    revision: NonNegativeInt64
    """Orders the changes of one person: `max(previous + 1, time of detection in milliseconds)`."""
    detected_at: AwareDatetime
    """When the poller detected the change."""
    source_modified_at: AwareDatetime | None = None
    """Personio's own timestamp of the change; null if Personio sends none."""

    topic: ClassVar[Topic]
    """The topic that carries the event."""
    ce_type: ClassVar[str]
    """CloudEvents type: kind and version of the event."""
    ce_source: ClassVar[str]
    """CloudEvents source: the service that publishes the event."""

    @property
    def person(self) -> PersonKey:
        """The person that the event is about."""
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def event_id(self) -> str:
        """CloudEvents id: the same each time the event is sent."""
        return f"{self.connection_id}/{self.employee_id}/{self.revision}"

    @property
    def occurred_at(self) -> AwareDatetime:
        """When the change was detected. It is the same each time the event is sent."""
        return self.detected_at

    @property
    def trace_id(self) -> str:
        """W3C trace id of all events that follow from one change of one person: 32 hexadecimal digits."""
        change = f"{self.connection_id}/{self.employee_id}/{self.revision}"
        return hashlib.sha256(change.encode()).hexdigest()[:32]


class EmployeeChanged(Event):
    """The full state of an employee after a change, and the keys of the changed attributes.

    The event contains the full state, so that sending the newest one again cannot bring back older data.
    """

    topic: ClassVar[Topic] = Topic.EMPLOYEES_CHANGED
    ce_type: ClassVar[str] = "personio.employee.changed.v1"
    ce_source: ClassVar[str] = "/personio-declaree/poller"

    kind: ChangeKind
    """How the employee has changed."""
    changed: tuple[str, ...] = ()
    """Keys of the attributes that differ from the last snapshot. Empty if only a day has come, and for a removed employee."""
    phase: EmploymentPhase = EmploymentPhase.CURRENT
    """Whether the employment has begun or ended on the day of the change, by its dates and the mapping at that time."""
    attributes: dict[str, Value]
    """Values of the wanted attributes by key; null for an empty one. Parts of nested attributes have dotted keys such as
    `office.name`. Dates are `YYYY-MM-DD`. An attribute that is not here is unknown: its field stays as it is."""


class ManagerReference(FrozenModel):
    """The manager that the employee reports to, by Personio's id."""

    employee_id: EmployeeId | None
    """Personio's id of the manager; null clears the field."""


class DesiredAccount(FrozenModel):
    """The desired content of an account. Fields that are not named here are never written."""

    external_id: str
    """External id of the account: the prefix of the mapping, followed by the employee id."""
    user_name: str
    """User name and work e-mail of the account. Declaree allows one account for each e-mail address."""
    fields: dict[str, Value]
    """Values by SCIM path; null clears the field. Each path must be one that a rule of a mapping may write."""
    withdrawn: dict[str, Value] = Field({})
    """Values by SCIM path that an earlier version of the mapping wrote and this one withdraws. A field that still has the value
    is cleared; one that was changed since stays as it is."""
    manager: ManagerReference | None = None
    """The manager that the employee reports to; null leaves the account's manager unchanged."""

    @field_validator("external_id", "user_name")
    @classmethod
    def _validate_identity(cls, text: str) -> str:
        """Rejects an empty text: a forged event would find accounts that have no external id."""
        if not text:
            raise ValueError("an account is found by its external id and its user name, which are empty here")
        return text

    @field_validator("fields", "withdrawn")
    @classmethod
    def _validate_fields(cls, fields: dict[str, Value]) -> dict[str, Value]:
        """Rejects fields of identity, life cycle and rights: a forged event would take an account over."""
        if any(map(find_misuse, fields)):
            raise ValueError("a field is not one that a rule of a mapping may write")
        return fields


class AccountIdentity(FrozenModel):
    """What tells whether an account is the employee's. It is compared with the account and never written."""

    external_id: str
    """External id of the account: the prefix of the mapping, followed by the employee id."""
    user_name: str | None = None
    """The employee's e-mail address; null if the employee has no valid one."""
    given_name: str | None = None
    """The employee's first name as mapped; null if it is unknown."""
    family_name: str | None = None
    """The employee's last name as mapped; null if it is unknown."""


class Version(NamedTuple):
    """Orders the requests and decisions of one person: by revision, then by mapping version."""

    revision: int
    """Revision of the employee."""
    mapping_version: int
    """Version of the mapping; 0 if none was published."""


Marked = TypeVar("Marked", DesiredAccount | None, AccountIdentity | None)


class MappedEvent(Event):
    """The fields that an event has after the mapping."""

    mapping_version: NonNegativeInt64
    """Version of the published mapping that the change was mapped with; 0 if none was published."""

    @property
    def version(self) -> Version:
        """Revision and mapping version."""
        return Version(self.revision, self.mapping_version)

    @property
    def event_id(self) -> str:
        """CloudEvents id: the same each time the event is sent."""
        return f"{self.connection_id}/{self.employee_id}/{self.revision}/{self.mapping_version}"


class AccountRequested(MappedEvent):
    """The result of mapping one `EmployeeChanged`. Each `EmployeeChanged` leads to exactly one request."""

    topic: ClassVar[Topic] = Topic.ACCOUNTS_REQUESTED
    ce_type: ClassVar[str] = "declaree.account.requested.v1"
    ce_source: ClassVar[str] = "/personio-declaree/mapper"

    intent: Intent
    """What the writer is asked to do."""
    desired: DesiredAccount | None = Field(default=None, validate_default=True)
    """The desired content of the account; null for every intent but `provision`."""
    identity: AccountIdentity | None = None
    """What identifies the account to disable, for an account that the ledger does not know; null for every other intent."""
    reason: str | None = None
    """Why the employee is rejected, without personal data; null for every intent but `reject`."""
    field: str | None = None
    """The target field or attribute that the reason is about; null if it is about none."""

    @field_validator("desired")
    @classmethod
    def _validate_intent(cls, desired: DesiredAccount | None, info: ValidationInfo) -> DesiredAccount | None:
        """Rejects a provision request without content: the writer would settle it as one that needs no account."""
        intent = info.data.get("intent")
        if intent is not None and (desired is not None) != (intent is Intent.PROVISION):
            raise ValueError("the desired account must be set for the intent provision and for no other intent")
        return desired

    @field_validator("desired", "identity")
    @classmethod
    def _validate_external_id(cls, account: Marked, info: ValidationInfo) -> Marked:
        """Rejects another employee's external id: a forged event would claim it, and keep its owner out."""
        employee = info.data.get("employee_id")
        if account is not None and employee is not None and not account.external_id.endswith(employee):
            raise ValueError("the external id must end with the employee id")
        return account


class AccountSynced(MappedEvent):
    """How one request was settled."""

    topic: ClassVar[Topic] = Topic.ACCOUNT_OUTCOMES
    ce_type: ClassVar[str] = "declaree.account.synced.v1"
    ce_source: ClassVar[str] = "/personio-declaree/writer"

    outcome: Outcome
    """How the change was settled."""
    account_id: AccountId | None = None
    """The id that the SCIM server gave to the account; null if no account exists."""
    written: tuple[str, ...] = ()
    """SCIM paths of the fields that were sent, never their values."""
    refused: tuple[str, ...] = ()
    """SCIM paths of the fields that Declaree refuses or does not store; empty for every outcome but `incomplete`."""
    reason: str | None = None
    """Why the change was rejected, or which part of the account is still incomplete; null if there is nothing to report."""
    field: str | None = None
    """The field that the reason is about; null if it is about none."""
    settled_at: AwareDatetime
    """When the change was settled."""

    @property
    def occurred_at(self) -> AwareDatetime:
        """When the change was settled."""
        return self.settled_at


EVENTS: tuple[type[Event], ...] = (EmployeeChanged, AccountRequested, AccountSynced)
"""Every event, in the order of the flow."""
