"""The plans of polls in memory."""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.contracts.connections import DEFAULT_TIME_ZONE, Connection, ConnectionState, Guard
from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.tasks import TaskState
from services.store.errors import UnknownConnectionError
from services.store.polls import PollPlan
from tests.support.fake_store.pages import give_turn

if TYPE_CHECKING:
    from tests.support.fake_store import FakeStore


class FakePolls:
    """``services.store.polls.Polls`` over the other fakes."""

    def __init__(self, store: "FakeStore") -> None:
        self._store = store

    async def plan(self, connection: ConnectionId) -> PollPlan:
        """Returns what a connection needs."""
        await give_turn()
        store = self._store
        stored = store.connections.content.get(connection)
        mapping = await store.mappings.get_published(connection)
        newest = await store.runs.list_newest(connection, 1)

        def open_connection() -> Connection:
            if stored is None:
                raise UnknownConnectionError(connection)
            store.connections.ensure_readable(connection)
            return stored

        return PollPlan(
            connection_id=connection,
            is_active=stored is not None and stored.state is ConnectionState.ACTIVE,
            needs=frozenset(name for name, is_needed in self._list_needs(connection).items() if is_needed),
            has_succeeded=bool(newest) and newest[0].state is RunState.SUCCEEDED,
            is_imported=connection in store.schedule.progress,
            progress=store.schedule.progress.get(connection),
            time_zone=ZoneInfo(stored.time_zone if stored is not None else DEFAULT_TIME_ZONE),
            guard=stored.guard if stored is not None else Guard(),
            rejected_resent_on=store.schedule.rejected_resent_on.get(connection),
            verified_on=store.schedule.verified_on.get(connection),
            catalogue=await store.catalogues.get(connection),
            open_mapping=lambda: mapping,
            open_connection=open_connection,
        )

    def _list_needs(self, connection: ConnectionId) -> dict[str, bool]:
        store = self._store
        tasks = [task.state for task in store.tasks.content.values() if task.connection_id == connection]
        runs = [run.state for run in store.runs.content.values() if run.connection_id == connection]
        entries = store.ledger.list_entries(connection)
        snapshots = store.snapshots.list_snapshots(connection)
        return {
            "unfinished_run": RunState.RUNNING in runs,
            "open_task": TaskState.OPEN in tasks,
            "running_task": TaskState.RUNNING in tasks,
            "held_run": RunState.HELD in runs,
            "observation": any(seen.connection_id == connection for seen in store.observations.content.values()),
            "pending_event": any(snapshot.is_pending for snapshot in snapshots),
            "unsettled": any(map(store.counters.is_behind, snapshots)),
            "next_day": any(snapshot.next_day for snapshot in snapshots),
            "undecided_absence": any(
                seen.absent_since and not seen.is_absence_acknowledged and seen.kind is not ChangeKind.REMOVED
                for seen in snapshots
            ),
            "conflict": any(entry.blocked_by for entry in entries),
            "open_reference": any(entry.has_open_reference for entry in entries),
            "changed_account": any(entry.manager and entry.manager.account_id for entry in entries),
        }
