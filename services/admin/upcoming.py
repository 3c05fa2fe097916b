"""The employees with access that begins or ends in the next days, by the dates in Personio."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta

from services.contracts.employees import HIRE_DATE, INACTIVE, EmploymentPhase
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot
from services.mapping.employment import find_last_day, read_date
from services.runtime.clock import Clock
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An employee with access that begins or ends on a day in the company's time zone."""

    employee: EmployeeId
    """Personio's id of the employee."""
    day: date
    """The day from which the employee has access, or has none."""
    begins: bool
    """Whether access begins. Otherwise it ends."""
    date: date | None
    """The hire date or the last day in Personio; None if it cannot be read."""
    name: str | None = None
    """First and last name; None if it was not asked for, or is empty."""


async def stream_upcoming(
    store: Store, clock: Clock, connection: ConnectionId, *, days: int, with_names: bool
) -> AsyncIterator[Upcoming]:
    """Yields the employees of the next ``days``, by employee id. ``with_names`` adds names, which are personal data.

    The end of an employment is known only if the mapping disables accounts after the last day. Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    today = clock.now().astimezone((await store.polls.plan(connection)).time_zone).date()
    async for page in store.snapshots.page_upcoming(connection, today + timedelta(days=days)):
        for snapshot in page:
            if snapshot.next_day is not None and snapshot.status != INACTIVE:
                yield _describe(snapshot, snapshot.next_day, with_names=with_names)


def _describe(snapshot: Snapshot, day: date, *, with_names: bool) -> Upcoming:
    attributes = snapshot.attributes
    begins = snapshot.phase is EmploymentPhase.UPCOMING
    return Upcoming(
        snapshot.employee_id,
        day,
        begins,
        read_date(attributes, HIRE_DATE) if begins else find_last_day(attributes),
        snapshot.full_name if with_names else None,
    )
