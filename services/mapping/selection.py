"""Selects the attributes that are requested and stored: those that are wanted and visible. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from services.contracts.employees import HIRE_DATE, AttributeDefinition, find_missing_attributes, get_parent
from services.errors import ConfigurationError


class MissingAttributesError(ConfigurationError):
    """The credential cannot read the attributes that a synchronisation requires."""

    code: ClassVar[str] = "missing-attributes"


@dataclass(frozen=True)
class Selection:
    """The attributes of one connection during one scan."""

    wanted: frozenset[str]
    """Keys of the wanted attributes. Parts have keys of their own."""
    definitions: tuple[AttributeDefinition, ...]
    """The attributes that the credential can read."""

    @cached_property
    def stored(self) -> frozenset[str]:
        """Keys of the attributes that snapshots may contain: wanted and visible."""
        visible = {definition.key for definition in self.definitions}
        return frozenset(key for key in self.wanted if get_parent(key) in visible)

    @cached_property
    def requested(self) -> frozenset[str]:
        """Keys of the attributes that Personio is asked for. A nested attribute is requested as a whole."""
        return frozenset(map(get_parent, self.stored))

    @property
    def invisible(self) -> tuple[str, ...]:
        """Keys of the wanted attributes that the credential cannot read, in order. A hire date that it hides counts as passed."""
        return tuple(sorted(self.wanted - self.stored - {HIRE_DATE}))


def select_attributes(wanted: frozenset[str], definitions: Iterable[AttributeDefinition]) -> Selection:
    """Returns the selection. Raises ``MissingAttributesError`` if a required attribute is not visible."""
    visible = tuple(definitions)
    missing = find_missing_attributes({definition.key for definition in visible})
    if missing:
        raise MissingAttributesError(
            f"the Personio credential does not release: {', '.join(missing)}. "
            "Release these attributes for the credential in Personio (Settings, API credentials)"
        )
    return Selection(wanted, visible)
