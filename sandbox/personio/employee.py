"""Employee as Personio stores it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

STATUSES = ("onboarding", "active", "leave", "inactive")


@dataclass(frozen=True, slots=True)
class Employee:
    """Employee with the values of its attributes. Every change makes a new object."""

    id: int
    """Id of the employee."""
    values: Mapping[str, Any]
    """Attribute values as API v1 sends them, except references. Responses omit attributes without an entry.

    A reference is the id of a unit or supervisor. Cost centres and absence entitlements are ``[[id, share], ...]``.
    """
    created_at: datetime
    """Time of creation, to the second."""
    modified_at: datetime
    """Time of the last modification, to the second."""
    changed_at: Mapping[str, datetime] = field(default_factory=dict)
    """Time of the last change of each attribute after the creation. ``updated_since`` compares with these times."""

    @property
    def status(self) -> str | None:
        """Status, or None if the attribute is absent or null."""
        return self.values.get("status")

    @property
    def email(self) -> str:
        """E-mail address, or an empty string."""
        return str(self.values.get("email") or "")

    @property
    def supervisor(self) -> int | None:
        """Employee id of the supervisor, or None."""
        value = self.values.get("supervisor")
        return value if isinstance(value, int) else None

    def update(self, changes: Mapping[str, Any], at: datetime) -> "Employee":
        """Returns a copy with these values, marked as modified. Returns the employee itself if no value differs."""
        second = at.replace(microsecond=0)
        differing = {key: second for key, value in changes.items() if self._differs(key, value)}
        if not differing:
            return self
        return replace(
            self,
            values={**self.values, **changes},
            modified_at=second,
            changed_at={**self.changed_at, **differing},
        )

    def update_silently(self, changes: Mapping[str, Any]) -> "Employee":
        """Returns a copy with these values that is not marked as modified, as for a status on its effective date."""
        return replace(self, values={**self.values, **changes})

    def remove(self, keys: Iterable[str], at: datetime) -> "Employee":
        """Returns a copy without these attributes, marked as modified."""
        removed = {key: at.replace(microsecond=0) for key in keys if key in self.values}
        remaining = {key: value for key, value in self.values.items() if key not in removed}
        return replace(
            self, values=remaining, modified_at=at.replace(microsecond=0), changed_at={**self.changed_at, **removed}
        )

    def get_last_change(self, keys: frozenset[str]) -> datetime:
        """Returns the time of the last change of any of these attributes, or the time of creation."""
        return max((at for key, at in self.changed_at.items() if key in keys), default=self.created_at)

    def _differs(self, key: str, value: Any) -> bool:
        return key not in self.values or self.values[key] != value or type(self.values[key]) is not type(value)
