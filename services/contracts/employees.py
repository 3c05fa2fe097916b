"""Employees as the poller sees them, the same for every version of Personio's API."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.contracts.ids import EmployeeId
from services.contracts.values import FrozenModel, Value

REQUIRED_ATTRIBUTES = ("first_name", "last_name", "email", "status")
"""Keys of the attributes that every synchronisation needs."""


class Attribute(FrozenModel):
    """One Personio attribute of an employee."""

    value: Value = None
    """The value in Personio; null if it is empty. Dates are `YYYY-MM-DD`, timestamps stay as Personio sends them."""
    label: str = ""
    """Personio's display name of the attribute. It may change or be translated."""
    type: str = "standard"
    """Personio's type of the attribute."""


def string_value(attributes: Mapping[str, Attribute], key: str) -> str | None:
    """Returns the value of a string attribute; None if the attribute is absent or has another type."""
    attribute = attributes.get(key)
    value = attribute.value if attribute is not None else None
    return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Employee:
    """One employee as Personio shows it now."""

    id: EmployeeId
    """Personio's id of the employee."""
    attributes: dict[str, Attribute]
    """The visible attributes by key; parts of nested attributes have dotted keys such as ``office.name``."""
    modified_at: datetime | None
    """Personio's own timestamp of the last change; None if it sends none."""


@dataclass(frozen=True, slots=True)
class EmployeePage:
    """One page of the list of employees."""

    employees: tuple[Employee, ...]
    """The employees of the page."""
    offset: int
    """Number of employees before this page."""
    total: int | None
    """Number of employees that Personio announces; None if it announces none."""
    skipped: int = 0
    """Number of elements without an id, which cannot be employees."""


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """An attribute that the credential may read."""

    key: str
    """The key in the attributes of an employee."""
    label: str
    """Personio's display name of the attribute."""
    type: str
    """Personio's type of the attribute."""
    universal_id: str | None
    """Personio's id of a standard attribute; None for a company's own attribute."""


def find_missing_attributes(visible: Collection[str]) -> tuple[str, ...]:
    """Returns the required attributes that are not among the visible keys."""
    return tuple(key for key in REQUIRED_ATTRIBUTES if key not in visible)
