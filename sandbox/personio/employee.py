"""Employee as Personio stores it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

STATUSES = ("onboarding", "active", "leave", "inactive")
KEPT_CHANGES = 10
"""Number of changes of one attribute to keep, so that a delayed ``updated_since`` still reports the earlier ones."""


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
    changed_at: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    """Times of the latest changes of each attribute after the creation. ``updated_since`` compares with these times."""

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
        differing = [key for key, value in changes.items() if self._differs(key, value)]
        return self._mark({**self.values, **changes}, differing, second) if differing else self

    def update_silently(self, changes: Mapping[str, Any]) -> "Employee":
        """Returns a copy with these values that is not marked as modified, as for a status on its effective date."""
        return replace(self, values={**self.values, **changes})

    def remove(self, keys: Iterable[str], at: datetime) -> "Employee":
        """Returns a copy without these attributes, marked as modified."""
        removed = [key for key in keys if key in self.values]
        remaining = {key: value for key, value in self.values.items() if key not in removed}
        return self._mark(remaining, removed, at.replace(microsecond=0))

    def has_changed(self, keys: frozenset[str], after: datetime, until: datetime) -> bool:
        """Returns whether one of these attributes changed after one time and until another. The creation counts, too."""
        if self.modified_at <= after:
            return False
        times = [self.created_at, *(at for key in keys for at in self.changed_at.get(key, ()))]
        return any(after < at <= until for at in times)

    def _mark(self, values: Mapping[str, Any], keys: Iterable[str], at: datetime) -> "Employee":
        """Returns a copy with these values, on which these attributes count as changed."""
        changed = {key: (*self.changed_at.get(key, ()), at)[-KEPT_CHANGES:] for key in keys}
        modified_at = max(self.modified_at, at)
        return replace(self, values=values, modified_at=modified_at, changed_at={**self.changed_at, **changed})

    def _differs(self, key: str, value: Any) -> bool:
        return key not in self.values or self.values[key] != value or type(self.values[key]) is not type(value)
