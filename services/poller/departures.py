"""Turns employees that Personio no longer lists into departures, which disable their accounts."""

from collections.abc import Sequence
from datetime import datetime

from services.contracts.cloudevents import SendReason
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.snapshots import Snapshot
from services.mapping.observe import REMOVED
from services.poller.outbox import Outbox
from services.poller.snapshot_ports import Snapshots
from services.poller.verification_ports import Ledger
from services.runtime.clock import Clock


class Departures:
    """Removes absent employees of one connection while its lease is held."""

    def __init__(self, snapshots: Snapshots, ledger: Ledger, outbox: Outbox, clock: Clock) -> None:
        """``outbox`` publishes the departures, and raises ``LeaseLostError`` once the lease is lost."""
        self._snapshots = snapshots
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock

    async def remove(self, connection: ConnectionId, people: Sequence[EmployeeId]) -> int:
        """Stores and publishes the departure of those that are absent. Returns their number."""
        stored = await self._snapshots.read(connection, people)
        # before a departure replaces them: a former lease owner may still send them
        await self._outbox.emit(connection, [s for s in stored.values() if s.is_pending], SendReason.DETECTED)
        absent = [snapshot for snapshot in stored.values() if snapshot.absent_since is not None]
        removed = [(build_removed(snapshot, self._clock.now()), snapshot.revision) for snapshot in absent]
        self._outbox.ensure_lease()
        # an administrator has decided about each of them, so that the brake of the writers does not hold them
        await self._ledger.allow_disabling({snapshot.person: snapshot.revision for snapshot, _ in removed})
        lost = await self._snapshots.save(removed) if removed else frozenset()
        saved = [snapshot for snapshot, _ in removed if snapshot.employee_id not in lost]
        await self._outbox.emit(connection, saved, SendReason.DETECTED)
        return len(saved)


def build_removed(snapshot: Snapshot, now: datetime) -> Snapshot:
    """Returns the snapshot of an employee that Personio has deleted, as the change that is published."""
    return snapshot.model_copy(
        update={
            "revision": max(snapshot.revision + 1, int(now.timestamp() * 1000)),
            "kind": ChangeKind.REMOVED,
            "changed": (),
            "next_day": None,
            "content_hash": REMOVED,
            "detected_at": now,
            "source_modified_at": None,
        }
    )
