"""Employees as the poller sees them, the same for every version of Personio's API."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from services.contracts.ids import EmployeeId
from services.contracts.values import Value

NAMES = ("first_name", "last_name")
"""Keys of the names."""
EMAIL = "email"
"""Key of the e-mail address."""
STATUS = "status"
"""Key of the status."""
HIRE_DATE = "hire_date"
"""Key of the first day of the employment."""
LAST_DAYS = ("last_working_day", "termination_date")
"""Keys of the last day: the last working day, or else the end of the employment."""
REQUIRED_ATTRIBUTES = (*NAMES, EMAIL, STATUS)
"""Keys of the attributes that every synchronisation needs."""
ACTIVE, ONBOARDING, INACTIVE = "active", "onboarding", "inactive"
"""The statuses of Personio that dates and the guard depend on. The life cycle of a mapping has an intent for every status."""


class EmploymentPhase(StrEnum):
    """Whether an employment has begun or ended on the day of a change, by its dates and the rules of the mapping."""

    UPCOMING = "upcoming"
    """It has not begun."""
    CURRENT = "current"
    """It has begun, or its first day is unknown."""
    ENDED = "ended"
    """Its last day has passed."""


def get_string(attributes: Mapping[str, Value], key: str) -> str | None:
    """Returns the value of a string attribute; None if the attribute is absent or has another type."""
    value = attributes.get(key)
    return value if isinstance(value, str) else None


def get_parent(key: str) -> str:
    """Returns the key of the attribute that a part belongs to: ``office`` for ``office.name``."""
    return key.partition(".")[0]


class Employee(NamedTuple):
    """One employee as Personio shows it now."""

    id: EmployeeId
    """Personio's id of the employee."""
    attributes: dict[str, Value]
    """The values of the requested attributes by key; parts of nested attributes have dotted keys such as ``office.name``."""
    modified_at: datetime | None
    """Personio's own timestamp of the last change; None if it sends none."""

    @property
    def digest(self) -> None:
        """None: an employee that is read already is always compared."""

    def read(self) -> "Employee":
        """Returns the employee, which is read already."""
        return self


class ListedEmployee(Protocol):
    """An element of a list of employees. It is read on demand, because most employees are listed as before."""

    @property
    def id(self) -> EmployeeId:
        """Personio's id of the employee."""
        ...

    @property
    def digest(self) -> str | None:
        """Identifies what Personio has sent, in the list of the same requested attributes; None for an employee that is read already."""
        ...

    def read(self) -> Employee | None:
        """Returns the employee; None if the element cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class EmployeePage:
    """One page of the list of employees."""

    employees: tuple[ListedEmployee, ...]
    """The employees of the page."""
    offset: int
    """Number of employees before this page."""
    total: int | None
    """Number of employees that Personio announces; None if it announces none."""
    skipped: int = 0
    """Number of elements without a valid id, which cannot be employees."""


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """An attribute that the credential may read."""

    key: str
    """The key in the attributes of an employee."""
    label: str
    """Personio's display name of the attribute."""
    type: str
    """Personio's type of the attribute."""
    parts: tuple[str, ...] = ()
    """Keys of the parts that a nested attribute always has; empty for any other attribute."""


def find_missing_attributes(visible: Collection[str]) -> tuple[str, ...]:
    """Returns the required attributes that are not among the visible keys."""
    return tuple(key for key in REQUIRED_ATTRIBUTES if key not in visible)
