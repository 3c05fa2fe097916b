"""Publishes stored changes. The snapshots are the outbox: a change is marked as emitted once Kafka has acknowledged it.

After a crash before that mark, the same bytes are published again, before any newer revision of that employee.
"""

import asyncio
from collections.abc import Callable, Sequence

from services.contracts.cloudevents import SendReason
from services.contracts.ids import ConnectionId
from services.contracts.snapshots import Snapshot
from services.poller.ports import Publisher
from services.poller.snapshot_ports import Snapshots

BATCH = 500
"""Maximum number of pending snapshots that are published together."""


class Outbox:
    """Publishes the snapshots of one connection while this process owns the connection's lease."""

    def __init__(self, snapshots: Snapshots, publisher: Publisher, ensure_lease: Callable[[], None]) -> None:
        """``ensure_lease`` raises ``LeaseLostError`` if this process no longer owns the lease."""
        self._snapshots = snapshots
        self._publisher = publisher
        self.ensure_lease = ensure_lease

    async def emit(
        self, connection: ConnectionId, snapshots: Sequence[Snapshot], reason: SendReason
    ) -> tuple[int, int]:
        """Publishes the snapshots. Returns two numbers of events: published, and oversized (above Kafka's limit)."""
        if not snapshots:
            return 0, 0
        self.ensure_lease()
        oversized = {
            record.key
            for record in await self._publisher.publish([snapshot.to_record(reason) for snapshot in snapshots])
        }
        unsent = [(s.employee_id, s.revision) for s in snapshots if bytes(s.person) in oversized]
        if unsent:
            await self._snapshots.mark_oversized(connection, unsent)
        sent = [(s.employee_id, s.revision) for s in snapshots if bytes(s.person) not in oversized]
        # one that is stored as pending by damage would be sent for ever
        pending = {s.employee_id for s in snapshots if s.is_pending or reason is SendReason.DETECTED}
        await self._snapshots.mark_emitted(connection, [revision for revision in sent if revision[0] in pending])
        return len(sent), len(unsent)

    async def emit_pending(self, connection: ConnectionId, places: asyncio.Semaphore) -> int:
        """Publishes the changes that an earlier run stored but did not mark as emitted. Returns their number.

        Holds one of the places for each batch, so that other companies take turns with a long list.
        """
        sent = 0
        is_finished = False
        while not is_finished:
            async with places:
                snapshots = await self._snapshots.read_pending(connection, BATCH)
                count, oversized = await self.emit(connection, snapshots, SendReason.DETECTED)
            sent += count
            is_finished = not count and not oversized
        return sent
