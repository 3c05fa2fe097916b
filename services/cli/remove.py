"""The command ``connections remove``: shows what is stored about a connection, and erases it after a confirmation."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from services.admin import removal as admin_removal
from services.admin.tombstones import RecordEraser
from services.cli.context import CliSettings, Id, Json, find_id, open_publisher, run
from services.cli.forget import format_compaction
from services.cli.inputs import confirm_by_name
from services.cli.output import format_columns, print_error, print_result
from services.cli.progress import show_progress
from services.runtime.clock import SystemClock
from services.store.database import Store


def remove(
    connection: Id,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is stored and remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without a question.")] = False,
    seconds: Annotated[float, typer.Option(help="Seconds to wait for each of poller, mapper and writer.")] = 300,
    as_json: Json = False,
) -> None:
    """Remove a connection, with everything that is stored about it and its employees. The accounts in Declaree stay as they are.

    The connection is paused first. Exit code 75 if mapper or writer has not consumed its records in time: the connection then
    stays paused, and the command can be repeated.
    """
    id_ = find_id(connection, is_exact=True)

    async def find(settings: CliSettings, store: Store) -> tuple[admin_removal.StoredConnection, CliSettings]:
        return await admin_removal.find_stored_connection(store, id_), settings

    stored, settings = run(find)
    lines = list(_format(stored))
    if dry_run:
        print_result("\n".join(lines), _summarize(stored, is_removed=False), as_json=as_json)
        return
    if not yes:
        print_error("\n".join(lines))
        if not confirm_by_name("Enter the name or the id of the connection to remove it", {stored.name, stored.id}):
            print_error("nothing was removed")
            raise typer.Exit(1)
    with show_progress("waiting for mapper and writer") as step:
        total = sum(stored.counts.values())

        def progress(counts: Mapping[str, int]) -> None:
            step("erasing documents", sum(counts.values()), total)

        async def work(settings: CliSettings, store: Store) -> admin_removal.StoredConnection:
            async with open_publisher(settings) as publisher:
                eraser = RecordEraser(settings, store, publisher, SystemClock(), seconds=seconds)
                return await admin_removal.remove(store, SystemClock(), eraser, id_, seconds=seconds, progress=progress)

        stored = run(work)
    text = f"removed: MongoDB holds nothing about connection {id_}. {format_compaction(settings)}"
    print_result(text, _summarize(stored, is_removed=True), as_json=as_json)


def _format(stored: admin_removal.StoredConnection) -> Iterator[str]:
    yield f"Stored about connection {stored.id} ({stored.name}):"
    yield format_columns((f"  {name}", str(count)) for name, count in stored.counts.items())
    yield "The accounts in Declaree stay as they are, and nothing disables those of leavers any longer."


def _summarize(stored: admin_removal.StoredConnection, *, is_removed: bool) -> dict[str, object]:
    return {"id": stored.id, "name": stored.name, "counts": stored.counts, "is_removed": is_removed}
