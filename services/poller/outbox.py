"""The snapshot is the outbox: a stored change is sent, acknowledged, and only then marked as sent.

A crash anywhere in between sends the same revision again, byte for byte, before anything newer of that person.
"""

from collections.abc import Callable, Sequence

from services.contracts.envelope import Cause
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.snapshots import Snapshot
from services.errors import TransientError
from services.poller.ports import Publisher, Snapshots

BATCH = 500


class LeaseLostError(TransientError):
    """Another replica polls this connection now: nothing more is sent here."""


class Outbox:
    """``check`` raises ``LeaseLostError`` when the lease on the connection was lost: nothing more may be done then."""

    def __init__(self, snapshots: Snapshots, publisher: Publisher, check: Callable[[], None]) -> None:
        self._snapshots = snapshots
        self._publisher = publisher
        self.check = check

    async def emit(self, connection: ConnectionId, snapshots: Sequence[Snapshot], cause: Cause) -> tuple[int, int]:
        """How many events were sent, and how many were refused for their own sake (too large)."""
        if not snapshots:
            return 0, 0
        self.check()
        refused = {
            record.key for record in await self._publisher.publish([snapshot.record(cause) for snapshot in snapshots])
        }
        sent = [(s.employee_id, s.revision) for s in snapshots if bytes(s.person) not in refused]
        if refused:
            keys = {PersonKey.parse((key or b"").decode()) for key in refused}
            await self._snapshots.refuse(
                connection, [(s.employee_id, s.revision) for s in snapshots if s.person in keys]
            )
        pending = {s.employee_id for s in snapshots if s.pending}
        await self._snapshots.mark_emitted(connection, [place for place in sent if place[0] in pending])
        return len(sent), len(refused)

    async def emit_pending(self, connection: ConnectionId) -> int:
        """Sends what an earlier run stored and could not mark as sent."""
        sent = 0
        while found := await self._snapshots.pending(connection, BATCH):
            count, refused = await self.emit(connection, found, Cause.DETECTED)
            sent += count
            if not count and not refused:
                break
        return sent
