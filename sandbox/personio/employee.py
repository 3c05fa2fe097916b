"""One employee as Personio keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

STATUSES = ("onboarding", "active", "leave", "inactive")


@dataclass(frozen=True, slots=True)
class Employee:
    """``values`` has what API v1 sends, except that references are ids: a unit's or supervisor's id, or
    ``[[id, share], ...]`` for cost centres and absence entitlements. What has no entry is absent from answers.

    ``changed_at`` tells when an attribute last changed after the creation; it is what ``updated_since`` looks at.
    """

    id: int
    values: Mapping[str, Any]
    created_at: datetime
    modified_at: datetime
    changed_at: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def status(self) -> str | None:
        return self.values.get("status")

    @property
    def email(self) -> str:
        return str(self.values.get("email") or "")

    @property
    def supervisor(self) -> int | None:
        value = self.values.get("supervisor")
        return value if isinstance(value, int) else None

    def changed(self, changes: Mapping[str, Any], at: datetime) -> "Employee":
        """With these values, marked as modified if one of them differs."""
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

    def silently_changed(self, changes: Mapping[str, Any]) -> "Employee":
        """With these values and no trace of a modification, as a status flips on its effective date."""
        return replace(self, values={**self.values, **changes})

    def without(self, keys: Iterable[str], at: datetime) -> "Employee":
        """With these attributes absent, not empty."""
        gone = {key: at.replace(microsecond=0) for key in keys if key in self.values}
        kept = {key: value for key, value in self.values.items() if key not in gone}
        return replace(self, values=kept, modified_at=at.replace(microsecond=0), changed_at={**self.changed_at, **gone})

    def last_change(self, keys: frozenset[str]) -> datetime:
        """When one of these attributes last changed; the creation set them all."""
        return max((at for key, at in self.changed_at.items() if key in keys), default=self.created_at)

    def _differs(self, key: str, value: Any) -> bool:
        return key not in self.values or self.values[key] != value or type(self.values[key]) is not type(value)
