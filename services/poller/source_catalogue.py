"""Keeps the source catalogue of a connection, and removes from its snapshots what is no longer wanted or visible."""

from collections.abc import Mapping

from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.poller.observe import trim
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.selection import Selection
from services.poller.snapshot_ports import Catalogues, Snapshots


class SourceCatalogueKeeper:
    """The catalogue of one connection during one scan."""

    def __init__(self, catalogues: Catalogues, snapshots: Snapshots, outbox: Outbox, plan: PollPlan) -> None:
        """``outbox`` tells whether this process still owns the lease. ``plan`` has the catalogue of the last scan."""
        self._catalogues = catalogues
        self._snapshots = snapshots
        self._outbox = outbox
        self._connection = plan.connection_id
        self._saved = plan.catalogue

    async def begin(self, selection: Selection) -> None:
        """Removes values that may no longer be stored, from all snapshots of the connection.

        The catalogue says what snapshots may contain. It is stored before the scan adds anything to them, so that the next
        scan knows of it even if this one ends early.
        """
        stored = None if self._saved is None else frozenset(self._saved.stored)
        if stored is None or stored - selection.stored:
            await self._trim_snapshots(selection.stored)
        if stored != selection.stored:
            filled = {} if self._saved is None else {entry.key: entry.filled or 0 for entry in self._saved.attributes}
            await self._save(selection, filled, 0 if self._saved is None else self._saved.employees)

    async def end(self, selection: Selection, filled: Mapping[str, int], employees: int) -> None:
        """Stores how many of the employees have a value. ``filled`` has the numbers by the requested key."""
        await self._save(selection, filled, employees)

    async def _save(self, selection: Selection, filled: Mapping[str, int], employees: int) -> None:
        requested = selection.requested
        catalogue = SourceCatalogue(
            connection_id=self._connection,
            attributes=tuple(
                SourceAttribute.describe(
                    definition, filled.get(definition.key, 0) if definition.key in requested else None
                )
                for definition in selection.definitions
            ),
            employees=employees,
            stored=tuple(sorted(selection.stored)),
        )
        if catalogue != self._saved:
            self._outbox.ensure_lease()
            await self._catalogues.save(catalogue)
            self._saved = catalogue

    async def _trim_snapshots(self, stored: frozenset[str]) -> None:
        async for page in self._snapshots.stream(self._connection):
            trimmed = [reduced for snapshot in page if (reduced := trim(snapshot, stored)) is not None]
            if trimmed:
                self._outbox.ensure_lease()
                await self._snapshots.replace_attributes(trimmed)
