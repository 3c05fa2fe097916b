"""The command ``people forget``: shows what is stored about a person, and erases it after a confirmation."""

from collections.abc import Iterator
from typing import Annotated

import typer

from services.admin import forget as admin_forget
from services.admin.tombstones import RecordEraser
from services.cli.context import CliSettings, Id, Json, fail, find_id, open_publisher, run
from services.cli.inputs import confirm
from services.cli.output import format_columns, print_error, print_result
from services.contracts.ids import EmployeeId, PersonKey
from services.runtime.clock import SystemClock
from services.store.database import Store


def forget(
    connection: Id,
    employee: Annotated[str, typer.Argument(help="The employee's Personio id.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is stored and erase nothing.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Forget an employee that Personio still lists, or with an account that may be enabled."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without a question.")] = False,
    seconds: Annotated[float, typer.Option(help="Seconds to wait for each of poller, mapper and writer.")] = 60,
    as_json: Json = False,
) -> None:
    """Erase everything that is stored about an employee, in MongoDB and in Kafka. The account in Declaree stays.

    Exit code 1 if Personio still lists the employee or the account is not confirmed as disabled, unless --force is given.
    Exit code 75 if mapper or writer has not consumed the employee's records in time: the command can then be repeated.
    """
    target = find_id(connection)
    ids = target, EmployeeId(employee)

    async def find(settings: CliSettings, store: Store) -> tuple[admin_forget.StoredPerson, int, CliSettings]:
        stored = await admin_forget.find_stored(store, *ids)
        return stored, await admin_forget.count_letters(settings, store, PersonKey(*ids)), settings

    stored, letters, settings = run(find)
    lines = list(_format(stored, letters, settings.kafka_retention_days))
    if dry_run:
        print_result("\n".join(lines), _summarize(stored, letters, is_forgotten=False), as_json=as_json)
        return
    if stored.obstacles and not force:
        fail(admin_forget.build_not_forgettable(stored))
    if not yes:
        print_error("\n".join(lines))
        if not confirm(f"Forget employee {employee}?"):
            print_error("nothing was erased")
            raise typer.Exit(1)

    async def work(settings: CliSettings, store: Store) -> None:
        async with open_publisher(settings) as publisher:
            eraser = RecordEraser(settings, store, publisher, SystemClock(), seconds=seconds)
            await admin_forget.forget(store, SystemClock(), eraser, *ids, force=force, seconds=seconds)

    run(work)
    text = f"forgotten: MongoDB holds nothing about employee {employee}. {format_compaction(settings)}"
    print_result(text, _summarize(stored, letters, is_forgotten=True), as_json=as_json)


def format_compaction(settings: CliSettings) -> str:
    """Returns when Kafka erases records with a tombstone."""
    return (
        f"Kafka erases the records between {settings.kafka_min_compaction_days:g} and "
        f"{settings.kafka_max_compaction_days:g} days from now, or {settings.kafka_retention_days} days after the last record "
        "of a quiet partition."
    )


def _format(stored: admin_forget.StoredPerson, letters: int, retention_days: int) -> Iterator[str]:
    yield f"Stored about employee {stored.employee}:"
    yield format_columns((f"  {name}", str(count)) for name, count in stored.counts.items())
    if letters:
        yield f"Dead letters: {letters}. They cannot be erased, and end {retention_days} days after they were written."
    if stored.account_id is not None:
        yield f"Account {stored.account_id} in Declaree stays. Its last confirmed state: {stored.account_state}."
    if stored.reports:
        yield (
            f"Employees with this manager: {stored.reports}. Their data may name the manager until Personio names another one."
        )
    yield from (f"Against it: {obstacle}." for obstacle in stored.obstacles)


def _summarize(stored: admin_forget.StoredPerson, letters: int, *, is_forgotten: bool) -> dict[str, object]:
    return {
        "employee": stored.employee,
        "counts": stored.counts,
        "dead_letters": letters,
        "account_id": stored.account_id,
        "account_state": stored.account_state,
        "reports": stored.reports,
        "obstacles": stored.obstacles,
        "is_forgotten": is_forgotten,
    }
