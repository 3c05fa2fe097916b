"""The commands ``people …``."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.admin import departures as admin_departures
from services.admin import people as admin_people
from services.admin import tasks as admin_tasks
from services.admin.upcoming import Upcoming, stream_upcoming
from services.admin.verdicts import describe_verdict
from services.cli.context import CliSettings, Id, Json, fail, find_id, run
from services.cli.forget import forget
from services.cli.inputs import confirm
from services.cli.output import MINUTES, format_columns, format_time, print_error, print_result
from services.cli.people_lists import find, list_
from services.cli.sync import Seconds
from services.contracts.employees import INACTIVE, EmploymentPhase, get_parent
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.snapshots import Snapshot
from services.contracts.tasks import Disable, Task
from services.contracts.values import Value
from services.runtime.clock import SystemClock
from services.store.database import Store
from services.store.errors import StoreFailedError

app = typer.Typer(no_args_is_help=True, help="Show single employees and the employees that need attention.")

CUSTOM_ATTRIBUTE_PREFIX = "dynamic_"
"""Prefix of the keys of a company's own attributes. Personio numbers them, so only the label says what they mean."""


@app.command("show")
def show(
    connection: Id,
    employee: Annotated[str, typer.Argument(help="The employee's Personio id.")],
    as_json: Json = False,
) -> None:
    """Tell whether one employee has the right account, or why not, with the last snapshot and the account.

    The output contains personal data.
    """
    target = find_id(connection)
    person = run(lambda _, store: admin_people.get_person(store, target, EmployeeId(employee)))
    if person.snapshot is None and person.problems:
        fail(StoreFailedError("; ".join(person.problems)))
    if person.snapshot is None:
        fail(admin_tasks.build_unknown_employee(target, EmployeeId(employee)))
    verdict = describe_verdict(person)
    lines = [f"employee {employee}: {verdict}", "", "from Personio:"]
    lines += [
        f"  {_format_attribute(key, value, person.labels.get(get_parent(key), ''))}"
        for key, value in sorted(person.snapshot.attributes.items())
    ]
    lines += _format_phase(person.snapshot)
    absence = admin_people.describe_absence(person)
    if absence:
        lines.append(f"absent since {person.snapshot.absent_since:%Y-%m-%d %H:%M} UTC: {absence}")
    lines += _format_entry(target, person.entry)
    lines += [f"unreadable: {problem}" for problem in person.problems]
    snapshot = person.snapshot.model_dump(exclude={"attributes_json"}) | {"attributes": person.snapshot.attributes}
    value = {"verdict": verdict, "snapshot": snapshot, "account": person.entry, "problems": person.problems}
    print_result("\n".join(lines), value, as_json=as_json)


def _format_attribute(key: str, value: Value, label: str) -> str:
    has_label = key.startswith(CUSTOM_ATTRIBUTE_PREFIX) and label
    return f"{key}{f' ({_join_lines(label)})' if has_label else ''}: {_join_lines(value)}"


def _format_phase(snapshot: Snapshot) -> Iterator[str]:
    """Yields when the dates of the employment begin or end the access, and nothing if they do not."""
    if snapshot.status == INACTIVE or snapshot.kind is ChangeKind.REMOVED:
        return
    day = snapshot.next_day
    match snapshot.phase:
        case EmploymentPhase.UPCOMING:
            yield f"access begins on {day or '-'}, by the hire date"
        case EmploymentPhase.ENDED:
            yield "access has ended, because the last day is over"
        case EmploymentPhase.CURRENT:
            if day is not None:
                yield f"access ends on {day}, because the last day is over then"


def _join_lines(value: Value) -> str:
    """Returns the value on one line. A value with several lines could imitate lines of this program."""
    if isinstance(value, tuple):
        return ", ".join(map(_join_lines, value))
    return "-" if value is None else " ".join(str(value).split())


def _format_entry(connection: ConnectionId, entry: LedgerEntry | None) -> Iterator[str]:
    if entry is None or entry.decided is None:
        return
    decided = entry.decided
    yield "account:"
    yield f"  {entry.account_id or '-'}, user name {_join_lines(entry.user_name)}"
    at = format_time(decided.settled_at, MINUTES)
    yield f"  last change: {decided.outcome.value} ({at}), with mapping version {decided.mapping_version}"
    yield f"  each field: see `mapping explain {connection} {entry.employee_id}`"


app.command("find")(find)
app.command("list")(list_)

Employee = Annotated[str, typer.Argument(help="The employee's Personio id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without a question.")]


@app.command("upcoming")
def list_upcoming(
    connection: Id,
    days: Annotated[int, typer.Option(min=0, max=366, help="Number of days from today on.")] = 14,
    names: Annotated[bool, typer.Option("--names", help="Show the employees' names, which are personal data.")] = False,
    as_json: Json = False,
) -> None:
    """List the employees with access that begins or ends in the next days, by the dates in Personio.

    Last days are known only if the mapping has `disable_after_last_day`. Days are those of `connections time-zone`.
    """
    target = find_id(connection)

    async def work(_: CliSettings, store: Store) -> list[Upcoming]:
        found = stream_upcoming(store, SystemClock(), target, days=days, with_names=names)
        return sorted([one async for one in found], key=lambda one: (one.day, one.employee))

    listed = run(work)
    rows = [
        (
            f"{one.day}",
            "access begins" if one.begins else "access ends",
            one.employee,
            one.name or "-",
            f"{'hire date' if one.begins else 'last day'} {one.date or '-'}",
        )
        for one in listed
    ]
    lines = (
        format_columns(rows) if rows else f"Access begins or ends for none of the employees in the next {days} days."
    )
    print_result(lines, listed, as_json=as_json)


def _confirm(question: str, *, yes: bool) -> None:
    if not yes and not confirm(question):
        print_error("nothing was changed")
        raise typer.Exit(1)


@app.command()
def disable(connection: Id, employee: Employee, yes: Yes = False, seconds: Seconds = 60, as_json: Json = False) -> None:
    """Disable the account of an employee that Personio no longer lists. Exit code 1 if Personio lists the employee."""
    target = find_id(connection)
    _confirm(f"Disable the account of employee {employee}?", yes=yes)
    ids = target, EmployeeId(employee)

    async def work(_: CliSettings, store: Store) -> Task:
        await admin_departures.ensure_known(store, *ids)
        action = Disable(people=(ids[1],))
        task = await admin_tasks.file_and_wait(
            store, SystemClock(), ids[0], action, seconds=seconds, progress=lambda _: None
        )
        if not task.error and not task.counts.get("disabled"):
            raise admin_departures.build_not_absent(*ids)
        return task

    task = run(work)
    print_result(task.error or "the departure is published: the writer disables the account", task, as_json=as_json)
    if task.error:
        raise typer.Exit(1)


@app.command()
def acknowledge(connection: Id, employee: Employee, yes: Yes = False, as_json: Json = False) -> None:
    """Leave the account of an employee that Personio no longer lists as it is, and no longer report it."""
    target = find_id(connection)
    _confirm(f"Leave the account of employee {employee} as it is?", yes=yes)
    run(lambda _, store: admin_departures.acknowledge(store, target, EmployeeId(employee)))
    print_result(
        "acknowledged: the account stays as it is", {"employee": employee, "acknowledged": True}, as_json=as_json
    )


@app.command()
def reset(connection: Id, employee: Employee, yes: Yes = False, as_json: Json = False) -> None:
    """Forget what was decided for one employee, look up the account, and decide again.

    Helps after an event with a wrong revision, and takes back decisions about links that have not taken effect yet.
    """
    target = find_id(connection)
    _confirm(f"Forget what was decided for employee {employee}?", yes=yes)

    async def work(_: CliSettings, store: Store) -> None:
        await admin_departures.reset(store, SystemClock(), target, EmployeeId(employee))

    run(work)
    print_result("reset: the employee is resent", {"employee": employee, "reset": True}, as_json=as_json)


app.command()(forget)
