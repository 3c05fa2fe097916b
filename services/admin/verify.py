"""Verifies the accounts of a connection, or of one employee, and reads the report of the last verification."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from services.admin.connections import ensure_started
from services.admin.people import ABSENT_STEP
from services.admin.tasks import POLL_SECONDS, build_resync, build_unknown_employee, file_and_wait
from services.contracts.connections import ConnectionState
from services.contracts.drift import Drift
from services.contracts.events import AccountSynced, ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.outcomes import Outcome
from services.contracts.tasks import Task, TaskState, Verify
from services.contracts.verifications import VerificationReport
from services.errors import ConnectorError, PermanentError, TransientError
from services.runtime.clock import Clock
from services.store.database import Store

Progress = Callable[[Task], None]
"""Receives the task after each read of its state."""
NEEDS_PERSON = frozenset({Outcome.REJECTED, Outcome.INCOMPLETE})
"""Outcomes after which the account is not as it should be."""


class AbsentEmployeeError(PermanentError):
    """Personio no longer lists the employee: a resend could enable the account."""

    code: ClassVar[str] = "absent-employee"


class NewerDecisionError(PermanentError):
    """A revision above the newest one was decided, so that the writer supersedes every resend."""

    code: ClassVar[str] = "newer-decision"


class NoOutcomeError(TransientError):
    """The writer has not settled a resent change in time."""

    code: ClassVar[str] = "no-outcome"


@dataclass(frozen=True, slots=True)
class Verified:
    """The last verification of one connection."""

    connection: ConnectionId
    """The connection."""
    report: VerificationReport | None
    """The report; None if no verification has ended yet."""
    findings: tuple[Drift, ...] = ()
    """What is wrong, by kind and employee."""
    error: str | None = None
    """Why no verification has ended; None if one has."""
    is_late: bool = False
    """Whether the verification did not finish in time, and continues."""

    @property
    def needs_person(self) -> bool:
        """Whether something is wrong that no verification repairs, or the verification has failed."""
        has_open = self.report is not None and self.report.open_findings > 0
        return has_open or (self.error is not None and not self.is_late)


async def find_active(store: Store) -> tuple[ConnectionId, ...]:
    """Returns the active connections, in the order in which they were added."""
    return tuple(
        connection.id for connection in await store.connections.list_all() if connection.state is ConnectionState.ACTIVE
    )


async def verify_accounts(
    store: Store, clock: Clock, connection: ConnectionId, *, repair: bool, seconds: float, progress: Progress
) -> Verified:
    """Verifies all accounts of a connection and returns the report. A failure is part of the result.

    With ``repair``, every difference is repaired, also that of a change that was published just now and has no outcome yet.
    Raises ``UnknownConnectionError`` and ``NotStartedError``.
    """
    await ensure_started(store, connection)
    action = Verify(repair=repair, is_patient=not repair)
    try:
        task = await file_and_wait(store, clock, connection, action, seconds=seconds, progress=progress)
    except ConnectorError as error:
        return Verified(connection, None, error=str(error), is_late=isinstance(error, TransientError))
    if task.state is TaskState.FAILED:
        return Verified(connection, None, error=task.error)
    return await get_last(store, connection)


async def get_last(store: Store, connection: ConnectionId) -> Verified:
    """Returns the last verification that has ended. Raises ``UnknownConnectionError``."""
    await store.connections.ensure_exists(connection)
    report = await store.verifications.get_report(connection)
    if report is None:
        return Verified(connection, None)
    findings = [drift async for drift in store.verifications.iterate_drifts(connection, report.run)]
    return Verified(connection, report, tuple(sorted(findings, key=_get_order)))


def _get_order(drift: Drift) -> tuple[str, bool, int, str, str]:
    employee = drift.employee_id or ""
    return drift.kind.value, drift.is_repaired, len(employee), employee, drift.account_id or ""


async def verify_employee(
    store: Store, clock: Clock, connection: ConnectionId, employee: EmployeeId, *, seconds: float, progress: Progress
) -> AccountSynced:
    """Marks and resends one employee, and returns how the writer settled it. The writer writes every difference.

    Raises ``UnknownConnectionError``, ``UnknownEmployeesError``, ``AbsentEmployeeError``, ``NewerDecisionError`` and,
    after ``seconds``, ``TaskTimeoutError`` or ``NoOutcomeError``.
    """
    await store.connections.ensure_exists(connection)
    snapshot = (await store.snapshots.read(connection, [employee])).get(employee)
    if snapshot is None:
        raise build_unknown_employee(connection, employee)
    if snapshot.absent_since is not None and snapshot.kind is not ChangeKind.REMOVED:
        raise AbsentEmployeeError(
            f"Personio no longer lists employee {employee} of connection {connection}, so no change of the account is verified: "
            f"{ABSENT_STEP}"
        )
    deadline = clock.monotonic() + seconds
    person = PersonKey(connection, employee)
    entry = await store.ledger.get(person)
    if entry is not None and entry.decided is not None and entry.decided.revision > snapshot.revision:
        raise NewerDecisionError(
            f"employee {employee} of connection {connection} was decided by an event with a newer revision than the data from "
            f"Personio, so changes have no effect: run `people reset {connection} {employee}`"
        )
    await store.ledger.mark_verify([person])
    await file_and_wait(store, clock, connection, build_resync((employee,)), seconds=seconds, progress=progress)
    entry = None
    while entry is None or clock.monotonic() < deadline:
        entry = await store.ledger.get(person)
        if entry is not None and entry.decided is not None and not entry.verify and entry.waiting is None:
            return entry.decided
        await asyncio.sleep(POLL_SECONDS)
    cause = f": {entry.waiting.cause.text}" if entry.waiting else ": check that mapper and writer are running"
    raise NoOutcomeError(
        f"employee {employee} of connection {connection} was resent and has no outcome after {seconds:.0f} s{cause}"
    )
