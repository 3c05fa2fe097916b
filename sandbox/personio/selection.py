"""Which employees and attributes one call of the list asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from starlette.datastructures import QueryParams

from sandbox.personio.behaviour import Behaviour
from sandbox.personio.company import Company
from sandbox.personio.employee import Employee
from sandbox.personio.errors import invalid_parameter

DEFAULT_LIMIT, MAXIMUM_LIMIT = 50, 100
UNMARKED = frozenset({"last_modified_at", "created_at", "id"})
"""These cannot be what was updated."""


@dataclass(frozen=True, slots=True)
class Selection:
    """``keys`` are the attributes to answer, already cut to the whitelist."""

    limit: int
    offset: int
    keys: frozenset[str]
    email: str | None
    updated_since: datetime | None

    @classmethod
    def of(cls, query: QueryParams, whitelist: frozenset[str], behaviour: Behaviour) -> "Selection":
        """Raises ``ApiError`` for values that cannot be read."""
        asked = frozenset(query.getlist("attributes[]"))
        since = query.get("updated_since")
        return cls(
            limit=_limit(query.get("limit"), behaviour),
            offset=_number("offset", query.get("offset", "0"), smallest=0),
            keys=whitelist & asked if asked else whitelist,
            email=query.get("email"),
            updated_since=None if since is None else _moment(since, behaviour),
        )

    def people(self, company: Company, behaviour: Behaviour, now: datetime) -> list[Employee]:
        """In the order of the list. ``email`` does not count beside ``updated_since``."""
        if self.updated_since is not None:
            return self._updated(company.listed(), behaviour, now)
        if self.email is not None:
            found = company.by_email(self.email)
            return [] if found is None else [found]
        return company.listed()

    def _updated(self, people: list[Employee], behaviour: Behaviour, now: datetime) -> list[Employee]:
        """Strictly after, and only by a change of an attribute that may be read and is asked for."""
        since = (self.updated_since or now) - timedelta(seconds=behaviour.repeats_seconds)
        visible = now - timedelta(seconds=behaviour.visibility_delay_seconds)
        relevant = self.keys - UNMARKED
        misses = behaviour.misses_every
        return [
            person
            for person in people
            if person.modified_at > since
            and since < person.last_change(relevant) <= visible
            and not (misses and person.id % misses == 0)
        ]


def _number(name: str, text: str, *, smallest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise invalid_parameter(f"The {name} must be an integer.") from None
    if number < smallest:
        raise invalid_parameter(f"The {name} must be at least {smallest}.")
    return number


def _limit(text: str | None, behaviour: Behaviour) -> int:
    """The text is that of 2024, when the maximum was 200; what is answered today is not documented."""
    if text is None:
        return DEFAULT_LIMIT
    limit = _number("limit", text, smallest=1)
    if limit > MAXIMUM_LIMIT and behaviour.above_maximum_limit == "refuse":
        raise invalid_parameter(f"The limit must be between 1 and {MAXIMUM_LIMIT}.")
    return min(limit, MAXIMUM_LIMIT)


def _moment(text: str, behaviour: Behaviour) -> datetime:
    """``2022-12-24T08:15:30`` or ``2022-12-24``; a zone in the text is accepted, though not documented."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_parameter("The updated_since is not a valid date.") from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone(timedelta(minutes=behaviour.updated_since_zone_minutes)))
    return moment
