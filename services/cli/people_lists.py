"""The commands ``people find`` and ``people list``."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from services.admin import people as admin_people
from services.admin.people import NeedsAttention
from services.admin.people_search import FoundPerson, find_people
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import MINUTES, format_columns, format_time, print_error, print_result
from services.contracts.ids import ConnectionId, EmployeeId
from services.store.database import Store

State = StrEnum("State", ["unreadable", "waiting", "rejected", "incomplete", "oversized", "absent"])
"""The states of employees that need attention."""
MAX_FOUND = 50
"""Number of found employees that are printed."""


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Employees in one state for one reason."""

    state: str
    """The state."""
    people: int
    """Number of employees."""
    reason: str
    """What happened and what to do."""
    since: datetime | None
    """When the first of them came into this state; None if that is not known."""


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """An employee that needs attention."""

    employee: EmployeeId
    """Personio's id of the employee."""
    state: str
    """Why the employee needs attention."""
    reason: str
    """What happened and what to do."""
    since: datetime | None
    """Start of this state; None if unknown."""
    name: str | None = None
    """First and last name; None unless it was asked for and is known."""


def list_(
    connection: Id,
    state: Annotated[State | None, typer.Option(help="Only employees in this state.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of employees to list.")] = None,
    by_reason: Annotated[bool, typer.Option("--by-reason", help="Count the employees by state and reason.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Show the employees' names, which are personal data.")] = False,
    as_json: Json = False,
) -> None:
    """List the employees that need attention: unreadable, waiting, rejected, incomplete, oversized or absent, with the reason.

    Without --names, the list has ids and no personal data. `people show` prints the data of one employee.
    """
    if by_reason and (names or limit is not None):
        raise typer.BadParameter("leave --names and --limit out: it only counts", param_hint="'--by-reason'")
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> tuple[list[NeedsAttention], Mapping[EmployeeId, str | None]]:
        found = admin_people.find_people_needing_attention(store, target)
        people = [person async for person in found if state in {None, person.state}]
        shown = people if limit is None else people[:limit]
        return people, await _read_names(store, target, shown) if names else {}

    people, known = run(work)
    if by_reason:
        groups = _group(people)
        rows = [(f"{group.people:,}", group.state, _format_since(group.since), group.reason) for group in groups]
        _print_table(("PEOPLE", "STATE", "SINCE", "REASON"), rows, groups, as_json=as_json)
        return
    listed = [
        ListedPerson(one.employee, one.state, one.reason, one.since, known.get(one.employee)) for one in people[:limit]
    ]
    heads = ("EMPLOYEE", "NAME", "STATE", "SINCE", "REASON") if names else ("EMPLOYEE", "STATE", "SINCE", "REASON")
    rows_of_people = [
        (one.employee, *((_join(one.name or "-"),) if names else ()), one.state, _format_since(one.since), one.reason)
        for one in listed
    ]
    _print_table(heads, rows_of_people, listed, as_json=as_json)
    if len(listed) < len(people):
        print_error(f"and {len(people) - len(listed):,} more")


def find(
    connection: Id,
    text: Annotated[str, typer.Argument(help="Words of the name, the e-mail address or the Personio id.")],
    as_json: Json = False,
) -> None:
    """Find employees by name or e-mail address, and print their Personio ids. The output contains personal data.

    Every word has to occur; case makes no difference. Exit code 1 if none is found.
    """
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> list[FoundPerson]:
        return [person async for person in find_people(store, target, text)]

    found = run(work)
    rows = [(one.employee, *(_join(value or "-") for value in (one.name, one.email, one.status))) for one in found]
    text_ = _format_table(("EMPLOYEE", "NAME", "E-MAIL", "STATUS"), rows[:MAX_FOUND]) if rows else "none is found"
    print_result(text_, found[:MAX_FOUND], as_json=as_json)
    if len(found) > MAX_FOUND:
        print_error(f"and {len(found) - MAX_FOUND:,} more: write more of the name")
    if not found:
        raise typer.Exit(1)


async def _read_names(
    store: Store, connection: ConnectionId, people: Iterable[NeedsAttention]
) -> dict[EmployeeId, str | None]:
    found: dict[EmployeeId, str | None] = {}
    async for page in store.snapshots.stream(connection, [person.employee for person in people]):
        found |= {snapshot.employee_id: snapshot.full_name for snapshot in page}
    return found


def _group(people: Iterable[NeedsAttention]) -> list[ReasonGroup]:
    """Returns the number of employees for each state and reason, the most frequent first."""
    groups: dict[tuple[str, str], list[NeedsAttention]] = defaultdict(list)
    for person in people:
        groups[person.state, person.reason].append(person)
    counted = [
        ReasonGroup(state, len(found), reason, min((one.since for one in found if one.since), default=None))
        for (state, reason), found in groups.items()
    ]
    return sorted(counted, key=lambda group: -group.people)


def _print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], value: object, *, as_json: bool) -> None:
    print_result(_format_table(heads, rows) if rows else "No employee needs attention.", value, as_json=as_json)


def _format_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return format_columns([heads, *(tuple(map(_join, row)) for row in rows)])


def _format_since(since: datetime | None) -> str:
    return "-" if since is None else format_time(since, MINUTES)


def _join(text: str) -> str:
    """Returns a text on one line: a name with several lines could imitate lines of this program."""
    return " ".join(text.split())
