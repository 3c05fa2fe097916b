"""The command ``verify``: compares the accounts in Declaree with their desired state."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, NoReturn

import typer

from services.admin import verify as admin_verify
from services.admin.verify import Verified
from services.cli import inputs
from services.cli.context import EX_TEMPFAIL, CliSettings, Json, find_id, run
from services.cli.output import print_result
from services.cli.progress import show_progress
from services.cli.sync import STATE_TEXTS
from services.contracts.drift import Drift
from services.contracts.events import AccountSynced
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.tasks import Task, TaskState
from services.contracts.verifications import VerificationReport
from services.runtime.clock import SystemClock
from services.store.database import Store

MAX_LINES = 50
"""Maximum number of findings of one kind in the text. JSON has all of them."""


def verify(
    connection: Annotated[
        str | None,
        typer.Argument(
            callback=inputs.parse_optional_id,
            help="The connection: its name, its id, or the beginning of either. Without it, all active connections.",
        ),
    ] = None,
    employee: Annotated[
        str | None,
        typer.Option(
            callback=inputs.parse_optional_id,
            help="Verify only this employee (Personio id), and write every difference.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Also write fields with other values, and enable active employees.")
    ] = False,
    last: Annotated[bool, typer.Option("--last", help="Show the last report, without a new verification.")] = False,
    seconds: Annotated[float, typer.Option(help="Seconds to wait for each connection.")] = 3600,
    as_json: Json = False,
) -> None:
    """Compare all accounts in Declaree with what they should be. Repair missing accounts, and enabled accounts of leavers.

    Waiting, rejected and absent employees are left out: `people list` shows them.

    Exit code 0 if nothing differs or all is being repaired, 1 if something needs a person, 75 if no poller finished it in time.
    """
    if employee is not None and connection is None:
        raise typer.BadParameter("an employee id is unique only within its connection: add the connection")
    target = None if connection is None else find_id(connection)
    if employee is not None and target is not None:
        _verify_employee(target, EmployeeId(employee), seconds, as_json=as_json)
    verified = _verify_connections(target, repair=repair, last=last, seconds=seconds)
    lines = [line for one in verified for line in _format(one)]
    print_result("\n".join(lines) or "No connection is active.", verified, as_json=as_json)
    if any(one.needs_person for one in verified):
        raise typer.Exit(1)
    if any(one.is_late for one in verified):
        raise typer.Exit(EX_TEMPFAIL)


def _verify_connections(connection: ConnectionId | None, *, repair: bool, last: bool, seconds: float) -> list[Verified]:
    """Returns the verification of one connection, or of all active ones. With ``last``, reads the last reports."""
    with show_progress(STATE_TEXTS[TaskState.OPEN]) as step:

        def progress(task: Task) -> None:
            state = STATE_TEXTS.get(task.state, task.state.value)
            step(f"{task.connection_id}: {state}", task.counts.get("listed"), None)

        async def work(_: CliSettings, store: Store) -> list[Verified]:
            named = (connection,) if connection is not None else await admin_verify.find_active(store)
            if last:
                return [await admin_verify.get_last(store, one) for one in named]
            return [
                await admin_verify.verify_accounts(
                    store, SystemClock(), one, repair=repair, seconds=seconds, progress=progress
                )
                for one in named
            ]

        return run(work)


def _verify_employee(connection: ConnectionId, employee: EmployeeId, seconds: float, *, as_json: bool) -> NoReturn:
    with show_progress(STATE_TEXTS[TaskState.OPEN]) as step:

        async def work(_: CliSettings, store: Store) -> AccountSynced:
            return await admin_verify.verify_employee(
                store,
                SystemClock(),
                connection,
                employee,
                seconds=seconds,
                progress=lambda task: step(STATE_TEXTS.get(task.state, "the writer is working"), None, None),
            )

        settled = run(work)
    parts = [settled.outcome.value]
    parts.extend([f"account {settled.account_id}"] if settled.account_id else [])
    parts.extend([f"written: {', '.join(settled.written)}"] if settled.written else [])
    parts.extend([settled.reason] if settled.reason else [])
    print_result("; ".join(parts), settled, as_json=as_json)
    raise typer.Exit(1 if settled.outcome in admin_verify.NEEDS_PERSON else 0)


def _format(verified: Verified) -> Iterator[str]:
    if verified.error is not None:
        yield f"{verified.connection}: {verified.error}"
    elif verified.report is None:
        yield f"{verified.connection}: not verified yet, see `verify {verified.connection}`"
    else:
        yield f"{verified.connection}: {_format_report(verified.report)}"
        for (kind, is_repaired), group in groupby(verified.findings, lambda drift: (drift.kind, drift.is_repaired)):
            drifts = list(group)
            state = f"being repaired: {kind.fact}" if is_repaired else f"needs a person: {kind.text}"
            yield f"  {kind.value} {len(drifts)}, {state}"
            yield from (f"    {_format_drift(drift)}" for drift in drifts[:MAX_LINES])
            if len(drifts) > MAX_LINES:
                yield f"    and {len(drifts) - MAX_LINES} more: `verify --last --json` prints all"


def _format_report(report: VerificationReport) -> str:
    counts = report.counts
    parts = [f"{counts.get('listed', 0)} accounts listed"]
    if counts.get("read"):
        parts.append(f"{counts['read']} read one by one")
    if counts.get("unreadable"):
        parts.append(f"{counts['unreadable']} without a usable answer")
    repaired = counts.get("repaired", 0)
    found = report.open_findings - counts.get("unreadable", 0)
    result = f"{repaired} being repaired, {found} need a person" if repaired or found else "no differences"
    return f"{', '.join(parts)} ({report.finished_at:%Y-%m-%d %H:%M} UTC): {result}"


def _format_drift(drift: Drift) -> str:
    parts = [f"employee {drift.employee_id}"] if drift.employee_id else []
    parts.extend([f"account {drift.account_id}"] if drift.account_id else [])
    return ", ".join(parts) + (f": {', '.join(drift.fields)}" if drift.fields else "")
