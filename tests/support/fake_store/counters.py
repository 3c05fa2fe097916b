"""Numbers for ``status`` and the metrics in memory."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from services.contracts.events import AccountSynced
from services.contracts.ids import ConnectionId, EmployeeId
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.snapshots import Snapshot
from services.store.counters import Numbers
from services.store.undone import UndoneGroup
from tests.support.fake_store.claims import FakeLinks
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.pages import give_turn
from tests.support.fake_store.snapshots import FakeSnapshots


class FakeCounters:
    """``services.store.counters.Counters`` over a fake ledger and fake snapshots."""

    def __init__(self, ledger: FakeLedger, snapshots: FakeSnapshots, links: FakeLinks | None = None) -> None:
        self._ledger = ledger
        self._links = links or FakeLinks()
        self._snapshots = snapshots

    async def count_waiting_by_cause(self) -> dict[WaitingCause, int]:
        """Returns the number of waiting employees of all connections for each cause that has any."""
        await give_turn()
        return dict(Counter(entry.waiting.cause for entry in self._ledger.content.values() if entry.waiting))

    async def read_undone(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, tuple[UndoneGroup, ...]]:
        """Returns the employees with a change that waits, is rejected or is incomplete, by connection and like reason."""
        await give_turn()
        groups = {connection: self._group_undone(connection) for connection in connections}
        return {connection: found for connection, found in groups.items() if found}

    def _group_undone(self, connection: ConnectionId) -> tuple[UndoneGroup, ...]:
        entries = self._ledger.list_entries(connection)
        waiting: dict[WaitingCause, list[datetime]] = defaultdict(list)
        settled: dict[tuple[str, bool], list[AccountSynced]] = defaultdict(list)
        for entry in entries:
            if entry.waiting is not None:
                waiting[entry.waiting.cause].append(entry.waiting.since)
            elif entry.decided is not None and entry.decided.outcome in {Outcome.REJECTED, Outcome.INCOMPLETE}:
                settled[entry.decided.outcome.value, entry.decided.field == "active"].append(entry.decided)
        return (
            *(UndoneGroup("waiting", len(times), min(times), cause) for cause, times in sorted(waiting.items())),
            *(_build_settled(state, decided, is_access=access) for (state, access), decided in sorted(settled.items())),
        )

    async def count_accounts(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an enabled account, of every status."""
        await give_turn()
        return len(self._find_enabled(connection, lambda snapshot: snapshot.status is not None))

    async def count_looks(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an account that must be looked up again at a later time."""
        await give_turn()
        return sum(entry.look_at is not None for entry in self._ledger.list_entries(connection))

    async def find_absent_with_account(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an enabled account that a complete scan no longer lists."""
        await give_turn()
        return self._find_enabled(connection, _is_undecided_absence)

    async def count_behind(self, connection: ConnectionId) -> int:
        """Returns the number of employees with a snapshot that is newer than the last decision."""
        await give_turn()
        return sum(map(self.is_behind, self._snapshots.list_snapshots(connection)))

    async def count_all_behind(self) -> int:
        """Returns the sum of the balances of all connections."""
        await give_turn()
        return sum(map(self.is_behind, self._snapshots.content.values()))

    def is_behind(self, snapshot: Snapshot) -> bool:
        """Returns whether the newest change is not settled. For the other fakes."""
        entry = self._ledger.content.get(snapshot.person)
        decided = entry.decided_version.revision if entry is not None else 0
        return snapshot.revision > decided and self._snapshots.oversized.get(snapshot.person) != snapshot.revision

    async def read(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Numbers]:
        """Returns the numbers of these connections."""
        return {connection: await self.read_one(connection) for connection in connections}

    async def read_one(self, connection: ConnectionId) -> Numbers:
        """Returns the numbers of one connection."""
        await give_turn()
        outcomes = Counter(e.decided.outcome.value for e in self._ledger.list_entries(connection) if e.decided)
        snapshots = self._snapshots.list_snapshots(connection)
        return Numbers(
            employees=len(snapshots),
            active=sum(map(self._snapshots.is_listed_as_active, snapshots)),
            accounts=len(self._find_enabled(connection, FakeSnapshots.is_listed_as_active)),
            balance=await self.count_behind(connection),
            waiting=sum(entry.waiting is not None for entry in self._ledger.list_entries(connection)),
            held_disablings=sum(entry.is_disabling_held for entry in self._ledger.list_entries(connection)),
            absent=len(await self.find_absent_with_account(connection)),
            open_links=await self._links.count_open(connection),
            outcomes=dict(sorted(outcomes.items())),
        )

    def _find_enabled(self, connection: ConnectionId, is_listed: Callable[[Snapshot], bool]) -> tuple[EmployeeId, ...]:
        snapshots = self._snapshots.content
        return tuple(
            entry.employee_id
            for entry in self._ledger.list_entries(connection)
            if entry.enabled and entry.account_id and entry.person in snapshots and is_listed(snapshots[entry.person])
        )


def _build_settled(state: str, decided: list[AccountSynced], *, is_access: bool) -> UndoneGroup:
    reasons = Counter((one.reason or "", one.field) for one in decided)
    reason, field = min(reasons, key=lambda one: (-reasons[one], str(one[1] or ""), one[0]))
    return UndoneGroup(
        "rejected" if state == Outcome.REJECTED.value else "incomplete",
        len(decided),
        min(one.settled_at for one in decided),
        reason=reason,
        field=field,
        alike=reasons[reason, field],
        is_access=is_access,
    )


def _is_undecided_absence(snapshot: Snapshot) -> bool:
    return snapshot.absent_since is not None and not snapshot.is_absence_acknowledged
