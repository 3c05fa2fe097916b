"""What we last saw of an employee. The snapshot is the outbox of the poller."""

from pydantic import AwareDatetime

from services.contracts.events import Attribute, EmployeeChanged, Kind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.model import Frozen


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
    attributes: dict[str, Attribute]
    detected_at: AwareDatetime
    source_modified_at: AwareDatetime | None = None
    missing_since: AwareDatetime | None = None

    @property
    def person(self) -> PersonKey:
        return PersonKey(self.connection_id, self.employee_id)

    @property
    def pending(self) -> bool:
        return self.revision > self.emitted_revision

    def event(self) -> EmployeeChanged:
        """The event of the newest change; the same bytes however often it is made."""
        return EmployeeChanged(
            connection_id=self.connection_id,
            employee_id=self.employee_id,
            revision=self.revision,
            detected_at=self.detected_at,
            source_modified_at=self.source_modified_at,
            kind=self.kind,
            changed=self.changed,
            attributes=self.attributes,
        )
