"""Selection of employees and attributes by one request to the list endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from starlette.datastructures import QueryParams

from sandbox.personio.behaviour import Behaviour
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.errors import invalid_parameter

DEFAULT_LIMIT, MAXIMUM_LIMIT = 50, 100
UNTRACKED = frozenset({"last_modified_at", "created_at", "id"})
"""Attributes that ``updated_since`` does not compare."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Parsed query parameters of the list endpoint."""

    limit: int
    """Number of employees per page."""
    offset: int
    """Number of employees before the page."""
    keys: frozenset[str]
    """Keys of the attributes in the response, limited to the whitelist."""
    email: str | None
    """E-mail address of the employee; None for all employees."""
    updated_since: datetime | None
    """Time after which an employee was changed; None for all employees."""

    @classmethod
    def parse(cls, query: QueryParams, whitelist: frozenset[str], behaviour: Behaviour) -> "Selection":
        """Returns the selection of a query string. Raises ``ApiError`` for invalid values."""
        requested = frozenset(query.getlist("attributes[]"))
        since = query.get("updated_since")
        if since is not None:
            _ensure_accepted(behaviour, has_attributes=bool(requested))
        return cls(
            limit=_parse_limit(query.get("limit"), behaviour),
            offset=_parse_number("offset", query.get("offset", "0"), smallest=0),
            keys=whitelist & requested if requested else whitelist,
            email=query.get("email"),
            updated_since=None if since is None else _parse_moment(since, behaviour),
        )

    def select(self, company: Company, behaviour: Behaviour, now: datetime) -> list[Employee]:
        """Returns the selected employees of all pages, in the order of the list. ``updated_since`` overrides ``email``."""
        if self.updated_since is not None:
            return self._select_updated(company.list_employees(), self.updated_since, behaviour, now)
        if self.email is not None:
            employee = company.find_by_email(self.email)
            return [] if employee is None else [employee]
        return company.list_employees()

    def _select_updated(
        self, employees: list[Employee], since: datetime, behaviour: Behaviour, now: datetime
    ) -> list[Employee]:
        """Returns the employees with a change of a selected, readable attribute strictly after ``since``."""
        if behaviour.updated_since == "ignore":
            return employees
        if behaviour.updated_since == "empty":
            return []
        since -= timedelta(seconds=behaviour.repeats_seconds)
        visible = now - timedelta(seconds=behaviour.visibility_delay_seconds)
        relevant = self.keys - UNTRACKED
        misses = behaviour.misses_every
        return [
            employee
            for employee in employees
            if employee.has_changed(relevant, since, visible) and not (misses and employee.id % misses == 0)
        ]


def _ensure_accepted(behaviour: Behaviour, *, has_attributes: bool) -> None:
    """Raises ``ApiError`` if the switch refuses ``updated_since``. Users report it, but neither status nor text."""
    if behaviour.updated_since == "refuse":
        raise invalid_parameter("The updated_since is not supported.")
    if behaviour.updated_since == "refuse_with_attributes" and has_attributes:
        raise invalid_parameter("The updated_since cannot be combined with attributes.")


def _parse_number(name: str, text: str, *, smallest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise invalid_parameter(f"The {name} must be an integer.") from None
    if number < smallest:
        raise invalid_parameter(f"The {name} must be at least {smallest}.")
    return number


def _parse_limit(text: str | None, behaviour: Behaviour) -> int:
    """Returns the limit. The error text dates from 2024, when the maximum was 200; today's text is not documented."""
    if text is None:
        return DEFAULT_LIMIT
    limit = _parse_number("limit", text, smallest=1)
    if limit > MAXIMUM_LIMIT and behaviour.above_maximum_limit == "refuse":
        raise invalid_parameter(f"The limit must be between 1 and {MAXIMUM_LIMIT}.")
    return min(limit, MAXIMUM_LIMIT)


def _parse_moment(text: str, behaviour: Behaviour) -> datetime:
    """Returns the time of ``2022-12-24T08:15:30`` or ``2022-12-24``. A time zone is accepted, but not documented."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_parameter("The updated_since is not a valid date.") from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone(timedelta(minutes=behaviour.updated_since_zone_minutes)))
    return moment
