"""What we last saw of an employee. The snapshot is the outbox of the poller."""

from collections.abc import Mapping
from functools import cached_property

from pydantic import AwareDatetime, Field, TypeAdapter

from services.contracts.envelope import Cause, Record, to_record
from services.contracts.events import Attribute, EmployeeChanged, Kind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Frozen

_ATTRIBUTES = TypeAdapter(dict[str, Attribute])
_NONE = b"{}}"
"""How an event without attributes ends: they come last."""


def to_json(attributes: Mapping[str, Attribute]) -> str:
    """As they stand in an event."""
    return _ATTRIBUTES.dump_json(dict(attributes)).decode()


class Snapshot(Frozen):
    """One employee as last seen, and whether the last change has been sent.

    ``revision`` is above ``emitted_revision`` from the storing of a change until Kafka has acknowledged its event.
    ``missing_since`` is set while a complete scan no longer lists the person.
    """

    connection_id: ConnectionId
    employee_id: EmployeeId
    revision: int
    emitted_revision: int = 0
    kind: Kind
    changed: tuple[str, ...] = ()
    content_hash: str
    attributes_json: str = Field(repr=False)
    """As ``to_json`` gives them: text that goes into every event of the change as it is, and is read only on demand."""
    status: str | None = None
    """Personio's status of the employee, where that is a text."""
    detected_at: AwareDatetime
    source_modified_at: AwareDatetime | None = None
    missing_since: AwareDatetime | None = None

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        return _ATTRIBUTES.validate_json(self.attributes_json)

    @property
    def person(self) -> PersonKey:
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def pending(self) -> bool:
        return self.revision > self.emitted_revision

    def record(self, cause: Cause = Cause.DETECTED) -> Record:
        """The ``EmployeeChanged`` of the newest change; its value is the same bytes however often it is made."""
        event = EmployeeChanged(
            connection_id=self.connection_id,
            employee_id=self.employee_id,
            revision=self.revision,
            detected_at=self.detected_at,
            source_modified_at=self.source_modified_at,
            kind=self.kind,
            changed=self.changed,
            attributes={},
        )
        record = to_record(event, cause)
        return record._replace(value=(record.value or b"").removesuffix(_NONE) + self.attributes_json.encode() + b"}")
