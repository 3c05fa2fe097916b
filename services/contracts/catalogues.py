"""The source catalogue: the attributes that a credential can read. It contains no personal data."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime

from services.contracts.employees import AttributeDefinition
from services.contracts.ids import ConnectionId
from services.contracts.values import FrozenModel


class SourceAttribute(FrozenModel):
    """One attribute that the credential can read."""

    key: str
    """Personio's key of the attribute."""
    label: str
    """Personio's display name of the attribute."""
    type: str
    """Personio's type of the attribute."""
    parts: tuple[str, ...] = ()
    """Keys of the parts of a nested attribute, such as ``office.name``; empty for any other attribute."""
    filled: int | None = None
    """Number of employees with a value at the last full scan; None for an attribute that is not wanted."""

    @classmethod
    def describe(cls, definition: AttributeDefinition, filled: int | None) -> Self:
        """Returns the attribute of a definition, with the number of employees that have a value."""
        return cls(
            key=definition.key, label=definition.label, type=definition.type, parts=definition.parts, filled=filled
        )


class AttributeChangeKind(StrEnum):
    """How what the credential can read has changed."""

    NEW = "new"
    """The attribute became visible for the first time."""
    VANISHED = "vanished"
    """The attribute is no longer visible. The values of the employees are unknown, not empty."""
    RETURNED = "returned"
    """The attribute is visible again, with the type that it had before."""
    TYPE_CHANGED = "type_changed"
    """The attribute has another type."""


class AttributeChange(FrozenModel):
    """The newest change of one attribute, as a poll found it."""

    key: str
    """Personio's key of the attribute."""
    label: str
    """Personio's display name of the attribute."""
    kind: AttributeChangeKind
    """What has changed."""
    at: AwareDatetime
    """When a poll found it."""
    type: str
    """The type; the last known one of an attribute that vanished."""
    type_before: str | None = None
    """The type before a change of the type; None for any other change."""


class SourceCatalogue(FrozenModel):
    """The attributes that the credential of one connection can read. The numbers are those of the last full scan."""

    connection_id: ConnectionId
    """The connection."""
    attributes: tuple[SourceAttribute, ...]
    """The attributes, in Personio's order."""
    employees: int = 0
    """Number of employees that the last full scan listed."""
    stored: tuple[str, ...] = ()
    """Keys of the attributes that snapshots may contain: wanted and visible. Parts have keys of their own."""
    changes: tuple[AttributeChange, ...] = ()
    """The changes of visible attributes since the first poll, newest first: one for each attribute, and a limited number."""
