"""Looks up single employees in Personio that an administrator names. Their changes are released at once, without the guard."""

from collections.abc import Sequence

from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.observations import observe_change
from services.mapping.observe import detect_change
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan, Source
from services.poller.repositories import Repositories
from services.poller.scan_limits import ScanLimits
from services.poller.selection import read_mapping
from services.poller.source_catalogue import SourceCatalogueKeeper
from services.poller.staging import Releaser
from services.runtime.clock import Clock

LOOKUP_RUN = "lookup"
"""In place of the id of a run: a lookup belongs to no run, and stores no observation."""


class Lookup:
    """Looks up single employees of one connection while its lease is held."""

    def __init__(
        self, repositories: Repositories, source: Source, outbox: Outbox, limits: ScanLimits, clock: Clock
    ) -> None:
        """``outbox`` publishes the changes. ``limits`` are shared with the scans of other companies."""
        self._repositories = repositories
        self._source = source
        self._outbox = outbox
        self._limits = limits
        self._clock = clock

    async def look_up(self, plan: PollPlan, people: Sequence[EmployeeId]) -> dict[str, int]:
        """Looks up the named employees, and releases their changes. Returns the counts.

        The count ``unknown`` is the number of ids that Personio does not know. Their employees stay as they are. What runs hold of
        the others is dropped: it is older. The changes of the employees before an error are released. Raises
        ``MissingAttributesError``, ``ScanStoppedError``, ``LeaseLostError`` and the errors of Personio.
        """
        repositories, connection = self._repositories, plan.connection_id
        if plan.needs_any("pending_event"):
            await self._outbox.emit_pending(connection, self._limits.places)
        releaser = Releaser(connection, repositories.snapshots, self._outbox, self._clock, self._limits.places)
        catalogue = SourceCatalogueKeeper(
            repositories.catalogues, repositories.snapshots, self._outbox, plan, self._clock.now()
        )
        wanted, calendar = read_mapping(plan, self._clock.now())
        counts = {"seen": 0, "changed": 0, "emitted": 0, "unknown": 0}
        async with self._source(plan) as personio, self._limits.open(personio) as reader:
            selection = await reader.begin(wanted)
            async with self._limits.places:
                await catalogue.begin(selection)
            for employee in people:
                found = await reader.look_up(employee)
                if found is None:
                    counts["unknown"] += 1
                    continue
                counts["seen"] += 1
                previous = (await repositories.snapshots.read(connection, [employee])).get(employee)
                now = self._clock.now()
                snapshot = detect_change(connection, previous, found, now, selection.stored, calendar)
                if snapshot is not None:
                    counts["changed"] += 1
                    released = await releaser.release_in_turn([observe_change(LOOKUP_RUN, previous, snapshot)])
                    counts["emitted"] += released.emitted
                self._outbox.ensure_lease()
                await repositories.observations.drop_person(PersonKey(connection, employee))
        return counts
