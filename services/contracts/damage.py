"""Notes about stored documents that this version cannot read. Each concerns its own connection or employee."""

from enum import StrEnum

from pydantic import AwareDatetime

from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.values import FrozenModel


class DocumentKind(StrEnum):
    """What a document is. The value is the name of its collection."""

    CONNECTION = "connections"
    """A connection."""
    MAPPING = "mappings"
    """A published version of a mapping."""
    SNAPSHOT = "snapshots"
    """The snapshot of an employee."""
    LINK = "links"
    """The decision about an account that existed before."""
    RUN = "runs"
    """A run of the poller."""

    @property
    def next_step(self) -> str:
        """What an administrator can do."""
        return _NEXT_STEPS[self]


_UPGRADE = "upgrade all services if a newer version wrote it, else"
_NEXT_STEPS = {
    DocumentKind.CONNECTION: f"{_UPGRADE} correct it, and see `connections check`",
    DocumentKind.MAPPING: f"{_UPGRADE} publish a mapping with `mapping import`",
    DocumentKind.SNAPSHOT: f"{_UPGRADE} restore it from a backup, or remove it and run `poll`",
    DocumentKind.LINK: f"{_UPGRADE} run `people reset`, which asks again",
    DocumentKind.RUN: f"{_UPGRADE} remove it",
}


class Damage(FrozenModel):
    """A document that cannot be read. The note is removed when the document is readable again, or gone."""

    kind: DocumentKind
    """What the document is."""
    document: str
    """The ``_id`` of the document."""
    connection_id: ConnectionId
    """The connection that it concerns."""
    employee_id: EmployeeId | None = None
    """The employee that it concerns; None if it concerns the whole connection."""
    problem: str
    """What is wrong and what to do, without a value of the document."""
    since: AwareDatetime
    """When a service noted it first."""
