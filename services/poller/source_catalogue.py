"""Keeps the source catalogue of a connection, and removes from its snapshots what is no longer wanted or visible."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceAttribute, SourceCatalogue
from services.mapping.observe import trim
from services.mapping.readers import find_reading_fields
from services.poller.attribute_changes import note_changes
from services.poller.outbox import Outbox
from services.poller.ports import PollPlan
from services.poller.selection import Selection
from services.poller.snapshot_ports import Catalogues, Snapshots

logger = logging.getLogger(__name__)


class SourceCatalogueKeeper:
    """The catalogue of one connection during one scan."""

    def __init__(
        self, catalogues: Catalogues, snapshots: Snapshots, outbox: Outbox, plan: PollPlan, now: datetime
    ) -> None:
        """``outbox`` tells whether this process still owns the lease. ``plan`` has the catalogue of the last scan.

        ``now`` is the time of the changes that the scan finds.
        """
        self._catalogues = catalogues
        self._snapshots = snapshots
        self._outbox = outbox
        self._connection = plan.connection_id
        self._saved = plan.catalogue
        self._plan = plan
        self._now = now
        self._changes = () if plan.catalogue is None else plan.catalogue.changes

    async def begin(self, selection: Selection) -> None:
        """Removes values that may no longer be stored, from all snapshots, and notes which attributes have changed.

        The catalogue says what snapshots may contain. It is stored before the scan adds anything to them, so that the next
        scan knows of it even if this one ends early.
        """
        stored = None if self._saved is None else frozenset(self._saved.stored)
        if stored is None or stored - selection.stored:
            await self._trim_snapshots(selection.stored)
        has_changed = self._note_changes(selection)
        if stored != selection.stored or has_changed:
            filled = {} if self._saved is None else {entry.key: entry.filled or 0 for entry in self._saved.attributes}
            await self._save(selection, filled, 0 if self._saved is None else self._saved.employees)

    async def end(self, selection: Selection, filled: Mapping[str, int], employees: int) -> None:
        """Stores how many of the employees have a value. ``filled`` has the numbers by the requested key."""
        await self._save(selection, filled, employees)

    def _note_changes(self, selection: Selection) -> bool:
        """Notes and logs the changes of attributes. Returns whether there are any; the first scan of a connection has none."""
        if self._saved is None:
            return False
        before = self._saved.changes
        self._changes = note_changes(self._saved, selection.definitions, self._now)
        if self._changes == before:
            return False
        self._log([change for change in self._changes if change not in before])
        return True

    def _log(self, changes: Sequence[AttributeChange]) -> None:
        """Logs the keys of changed attributes, and the fields that keep their values because of one that vanished."""
        mapping = self._plan.open_mapping()
        vanished = [change.key for change in changes if change.kind is AttributeChangeKind.VANISHED]
        fields = [field for key in vanished if mapping for field in find_reading_fields(mapping.mapping, key)]
        keys = {kind.value: [change.key for change in changes if change.kind is kind] for kind in AttributeChangeKind}
        logger.log(
            logging.WARNING if fields else logging.INFO,
            "visible attributes have changed",
            extra={
                "connection": self._connection,
                "attributes": {kind: found for kind, found in keys.items() if found},
                "kept_fields": fields,
            },
        )

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
            changes=self._changes,
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
