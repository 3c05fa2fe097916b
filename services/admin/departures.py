"""Acknowledges absent employees, and resets what was decided for one employee."""

from typing import ClassVar

from services.admin.tasks import build_unknown_employee
from services.contracts.cloudevents import MAX_CLOCK_ERROR
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.tasks import Resend
from services.errors import PermanentError
from services.runtime.clock import Clock
from services.store.database import Store


class NotAbsentError(PermanentError):
    """Personio lists the employee, so there is nothing to decide."""

    code: ClassVar[str] = "not-absent"


async def acknowledge(store: Store, connection: ConnectionId, employee: EmployeeId) -> None:
    """Leaves the account of an absent employee as it is, and no longer reports it.

    Raises ``UnknownConnectionError``, ``UnknownEmployeesError`` and ``NotAbsentError``.
    """
    await ensure_known(store, connection, employee)
    if not await store.snapshots.acknowledge_absence(PersonKey(connection, employee)):
        raise build_not_absent(connection, employee)


async def ensure_known(store: Store, connection: ConnectionId, employee: EmployeeId) -> None:
    """Raises ``UnknownConnectionError``, and ``UnknownEmployeesError`` for an employee without a snapshot."""
    await store.connections.ensure_exists(connection)
    if not await store.snapshots.read(connection, [employee]):
        raise build_unknown_employee(connection, employee)


def build_not_absent(connection: ConnectionId, employee: EmployeeId) -> NotAbsentError:
    """Returns the error for an employee that is not absent."""
    return NotAbsentError(
        f"employee {employee} of connection {connection} is not absent: the account follows the status in Personio"
    )


async def reset(store: Store, clock: Clock, connection: ConnectionId, employee: EmployeeId) -> None:
    """Forgets what was decided for one employee, link decisions included, and resends the employee.

    The writer then looks up the live account and decides again. An account that is linked already stays linked. Raises
    ``UnknownConnectionError`` and ``UnknownEmployeesError``.
    """
    await ensure_known(store, connection, employee)
    person = PersonKey(connection, employee)
    await store.ledger.reset(person)
    await store.links.forget(person)
    now = clock.now()
    await store.snapshots.lower_revision(person, int((now + MAX_CLOCK_ERROR).timestamp() * 1000))
    action = Resend(scope="people", people=(employee,), reason="an operator reset what was decided")
    await store.tasks.file(connection, action, now=now)
