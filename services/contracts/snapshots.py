"""Snapshots: the last state of each employee that the poller stored. They are also the outbox of the poller."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import NamedTuple

from pydantic import AwareDatetime, Field, TypeAdapter, field_validator

from services.contracts.cloudevents import Record, SendReason, to_record
from services.contracts.employees import NAMES, EmploymentPhase, get_string
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.values import FrozenModel, NonNegativeInt64, Value

_ATTRIBUTES = TypeAdapter(dict[str, Value])
_EMPTY_ATTRIBUTES = b"{}}"
"""End of an event without attributes: they are its last field."""


def attributes_to_json(attributes: Mapping[str, Value]) -> str:
    """Returns the attributes as JSON, in the form that an event contains."""
    return _ATTRIBUTES.dump_json(dict(attributes)).decode()


def read_keys(keys: object) -> tuple[str, ...]:
    """Returns the keys of a list; none of anything else."""
    return tuple(key for key in keys if isinstance(key, str)) if isinstance(keys, list | tuple) else ()


class Listing(NamedTuple):
    """How Personio lists an employee."""

    digest: str | None = None
    """Identifies what Personio has sent, what it was compared with, and how, with the day of it; None if it is not known."""
    unfilled: tuple[str, ...] = ()
    """Keys of the requested attributes without a value, in order; empty without a digest."""


UNKNOWN_LISTING = Listing()
"""No digest is known: the employee was looked up, or read at once."""


class NotedListing(NamedTuple):
    """How Personio lists an employee that has not changed."""

    employee_id: EmployeeId
    """The employee."""
    content_hash: str
    """Content hash of the snapshot that the employee was compared with."""
    listing: Listing
    """How Personio lists the employee, with a digest."""


class SnapshotState(NamedTuple):
    """What of a snapshot decides whether its employee has changed, if Personio lists the employee and no value is oversized."""

    content_hash: str
    """Hash of keys and values."""
    phase: EmploymentPhase
    """Whether the employment has begun or ended."""
    next_day: date | None
    """The day on which the phase changes next; None for no such day."""
    status: str | None
    """Personio's status of the employee; None if it is not a string."""
    listing: Listing = UNKNOWN_LISTING
    """How Personio lists the employee with this content."""


class Snapshot(FrozenModel):
    """The last state of one employee that the poller stored, and whether Kafka has acknowledged its event."""

    connection_id: ConnectionId
    """The connection."""
    employee_id: EmployeeId
    """The employee within the connection."""
    revision: NonNegativeInt64
    """Number that grows with each change: `max(previous + 1, time of detection in milliseconds)`."""
    emitted_revision: int = 0
    """The last revision that Kafka has acknowledged; lower than ``revision`` while an event is pending."""
    kind: ChangeKind
    """How the employee has changed."""
    changed: tuple[str, ...] = ()
    """Keys of the changed attributes."""
    oversized: tuple[str, ...] = ()
    """Keys of the wanted attributes with a value that is too large. Such a value is neither stored nor sent."""
    content_hash: str
    """Hash of keys and values, by which the next scan detects a change."""
    attributes_json: str = Field(repr=False)
    """The wanted attributes as ``attributes_to_json`` returns them. Every event of the change contains this text unchanged."""
    phase: EmploymentPhase = EmploymentPhase.CURRENT
    """Whether the employment has begun or ended, as the event says it."""
    next_day: date | None = None
    """The day in the company's time zone on which the phase changes next; None for no such day."""
    status: str | None = None
    """Personio's status of the employee; None if it is not a string."""
    digest: str | None = None
    """Digest of how Personio lists the employee with this content; None if it is not known, as after a lookup, or damaged."""
    unfilled: tuple[str, ...] = ()
    """Keys of the requested attributes without a value in that listing, in order; empty without a digest."""
    detected_at: AwareDatetime
    """When the poller detected the change."""
    source_modified_at: AwareDatetime | None = None
    """Personio's own timestamp of the change; None if Personio sends none."""
    absent_since: AwareDatetime | None = None
    """Since when complete scans no longer list the employee; None if Personio lists the employee."""
    unknown_since: AwareDatetime | None = None
    """Since when Personio does not know the id of the absent employee, by a lookup; None before the first one."""
    is_absence_acknowledged: bool = False
    """Whether an administrator decided that the account of the absent employee stays as it is."""

    @field_validator("digest", mode="before")
    @classmethod
    def _drop_damaged_digest(cls, digest: object) -> str | None:
        """The next scan reads the employee, and notes another one."""
        return digest if isinstance(digest, str) else None

    @field_validator("unfilled", mode="before")
    @classmethod
    def _drop_damaged_keys(cls, keys: object) -> tuple[str, ...]:
        """The digest covers the keys, so that damaged ones have the employee read."""
        return read_keys(keys)

    @cached_property
    def attributes(self) -> dict[str, Value]:
        """The values of the wanted attributes by key, parsed on first use."""
        return _ATTRIBUTES.validate_json(self.attributes_json)

    @property
    def person(self) -> PersonKey:
        """The person that the snapshot is about."""
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def full_name(self) -> str | None:
        """First and last name; None if both are empty or unknown."""
        names = [get_string(self.attributes, key) for key in NAMES]
        return " ".join(name for name in names if name) or None

    @property
    def is_pending(self) -> bool:
        """Whether Kafka has not yet acknowledged the event of the newest change."""
        return self.revision > self.emitted_revision

    def to_event(self) -> EmployeeChanged:
        """Returns the event of the newest change, with the attributes."""
        return self._build_event(self.attributes)

    def _build_event(self, attributes: dict[str, Value]) -> EmployeeChanged:
        return EmployeeChanged(
            connection_id=self.connection_id,
            employee_id=self.employee_id,
            revision=self.revision,
            detected_at=self.detected_at,
            source_modified_at=self.source_modified_at,
            kind=self.kind,
            changed=self.changed,
            phase=self.phase,
            attributes=attributes,
        )

    def to_record(self, reason: SendReason = SendReason.DETECTED) -> Record:
        """Returns the record of the newest change's ``EmployeeChanged``: the same bytes each time."""
        record = to_record(self._build_event({}), reason)
        head = (record.value or b"").removesuffix(_EMPTY_ATTRIBUTES)
        return record._replace(value=head + self.attributes_json.encode() + b"}")
