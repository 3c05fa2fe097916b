"""Finds out what has become of employees that a complete scan no longer lists.

A list can lack an employee that exists. So an employee that is not listed is absent first, and is then looked up twice, with a
pause in between. Only a 404 of the API counts. After the second one, the employee counts as deleted.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from services.contracts.employees import Employee
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.observations import Observation, observe_absence, observe_change
from services.errors import ConnectorError
from services.poller.departures import build_removed
from services.poller.scan_limits import PageReader, ScanStoppedError
from services.poller.snapshot_ports import Snapshots
from services.runtime.clock import Clock

MAX_LOOKUPS = 100
"""Maximum number of employees that one scan looks up. The others follow with the next scans."""
MAX_CANDIDATES = 10 * MAX_LOOKUPS
"""Maximum number of employees of each kind from which a scan selects those that it looks up."""
MAX_FAILURES = 3
"""Number of lookups in a row without an answer after which a scan ends its lookups."""


@dataclass(slots=True)
class Found:
    """What the lookups of one scan have found."""

    observations: list[Observation] = field(default_factory=list)
    """Employees that are absent now, and those that count as deleted."""
    unknown: list[EmployeeId] = field(default_factory=list)
    """Employees that were absent before, and that the first lookup has not found."""
    existing: list[Employee] = field(default_factory=list)
    """Employees that exist, although the list lacks them."""
    absent_before: int = 0
    """Number of employees that an earlier scan did not list either."""
    error: str | None = None
    """Why a lookup has failed; None if none has."""


class Absences:
    """Looks up the employees that one scan no longer lists."""

    def __init__(self, run: str, snapshots: Snapshots, clock: Clock, pause_seconds: float) -> None:
        """``pause_seconds`` is the time between both lookups."""
        self._run = run
        self._snapshots = snapshots
        self._clock = clock
        self._pause = timedelta(seconds=pause_seconds)

    async def examine(self, connection: ConnectionId, missing: Sequence[EmployeeId], reader: PageReader) -> Found:
        """Returns what has become of employees that a complete scan does not list. Looks up at most ``MAX_LOOKUPS`` of them."""
        marked = await self._snapshots.find_marked_absent(connection)
        new = [employee for employee in missing if employee not in marked]
        found = await self._examine(connection, set(missing), new, reader)
        found.absent_before = len(missing) - len(new)
        return found

    async def follow_up(self, connection: ConnectionId, reader: PageReader) -> Found:
        """Returns what has become of employees that an earlier complete scan did not list. Looks up at most ``MAX_LOOKUPS``."""
        return await self._examine(connection, None, [], reader)

    async def look_up(self, employees: Sequence[EmployeeId], reader: PageReader) -> Found:
        """Looks up these employees. Those that Personio does not know stay as they are: a full scan finds out about them."""
        found = Found()
        await self._look_up(employees, MAX_LOOKUPS, reader, found)
        return found

    async def _examine(
        self,
        connection: ConnectionId,
        missing: Collection[EmployeeId] | None,
        new: Sequence[EmployeeId],
        reader: PageReader,
    ) -> Found:
        """``missing`` are the employees to look up, and None for all that are absent; ``new`` are those without a mark."""
        found = Found()
        due = await self._snapshots.find_unknown(connection, self._clock.now() - self._pause, MAX_CANDIDATES)
        waiting = await self._snapshots.find_not_looked_up(connection, MAX_CANDIDATES)
        second = [employee for employee in due if missing is None or employee in missing]
        first = [*(employee for employee in waiting if missing is None or employee in missing), *new]
        # second lookups that always fail leave room for first ones
        most = MAX_LOOKUPS - min(len(first), MAX_LOOKUPS // 2)
        departed = await self._look_up(second, most, reader, found)
        unknown = set(await self._look_up(first, MAX_LOOKUPS - min(len(second), most), reader, found))
        for snapshot in (await self._snapshots.read(connection, departed)).values():
            removed = build_removed(snapshot, self._clock.now())
            found.observations.append(observe_change(self._run, snapshot, removed))
        found.observations += [
            observe_absence(self._run, PersonKey(connection, employee), is_unknown=employee in unknown)
            for employee in new
        ]
        found.unknown = [employee for employee in waiting if employee in unknown]
        return found

    async def _look_up(
        self, employees: Sequence[EmployeeId], limit: int, reader: PageReader, found: Found
    ) -> list[EmployeeId]:
        """Returns those that Personio does not know. One failure concerns its employee alone; several in a row end the lookups.

        Each run has another order, so that lookups that always fail do not keep the other employees waiting.
        """
        unknown: list[EmployeeId] = []
        failures = 0
        for employee in sorted(employees, key=self._rank)[:limit]:
            if failures == MAX_FAILURES:
                break
            try:
                answer = await reader.look_up(employee)
            except ScanStoppedError as error:
                found.error = str(error)
                break
            except ConnectorError as error:
                found.error = str(error)
                failures += 1
                continue
            failures = 0
            if answer is None:
                unknown.append(employee)
            else:
                found.existing.append(answer)
        return unknown

    def _rank(self, employee: EmployeeId) -> bytes:
        return hashlib.sha256(f"{self._run} {employee}".encode()).digest()
