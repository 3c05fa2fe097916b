"""The snapshots in memory."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime

from services.contracts.events import ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.snapshots import Listing, NotedListing, Snapshot, SnapshotState
from services.store.collection import PAGE_SIZE
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.pages import give_turn, page_people, sort_by_person


class FakeSnapshots:
    """``services.store.snapshots.Snapshots`` in memory: each write is conditional on the stored ``revision``."""

    def __init__(self, ledger: FakeLedger) -> None:
        self._ledger = ledger
        self.content: dict[PersonKey, Snapshot] = {}
        self.oversized: dict[PersonKey, int] = {}

    async def read(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> dict[EmployeeId, Snapshot]:
        """Returns the existing snapshots of these employees."""
        await give_turn()
        return {snapshot.employee_id: snapshot for snapshot in self._select(connection, employees)}

    async def read_states(
        self, connection: ConnectionId, employees: Iterable[EmployeeId]
    ) -> dict[EmployeeId, SnapshotState | None]:
        """Returns the states of the existing snapshots; None for one that is needed as a whole."""
        await give_turn()
        return {
            seen.employee_id: None
            if seen.absent_since is not None or seen.oversized
            else SnapshotState(
                seen.content_hash,
                seen.phase,
                seen.next_day,
                seen.status,
                Listing(seen.digest, seen.unfilled if seen.digest else ()),
            )
            for seen in self._select(connection, employees)
        }

    async def save(self, snapshots: Sequence[tuple[Snapshot, int | None]]) -> frozenset[EmployeeId]:
        """Stores each snapshot if the stored revision is the paired one. Returns the employees with another one."""
        await give_turn()
        for snapshot, previous in snapshots:
            stored = self.content.get(snapshot.person)
            if (stored.revision if stored is not None else None) != previous:
                continue
            emitted = max(snapshot.emitted_revision, stored.emitted_revision if stored is not None else 0)
            self.content[snapshot.person] = snapshot.model_copy(update={"emitted_revision": emitted})
            self.oversized.pop(snapshot.person, None)
        return frozenset(snapshot.employee_id for snapshot, _ in snapshots if not self._is_stored(snapshot))

    def _is_stored(self, snapshot: Snapshot) -> bool:
        stored = self.content.get(snapshot.person)
        return stored is not None and stored.to_record() == snapshot.to_record()

    async def replace_attributes(self, snapshots: Sequence[Snapshot]) -> None:
        """Stores the attributes of these snapshots, unless their revision has changed."""
        await give_turn()
        for snapshot in snapshots:
            stored = self.content.get(snapshot.person)
            if stored is not None and stored.revision == snapshot.revision:
                fields = snapshot.model_dump(include={"attributes_json", "content_hash", "oversized"})
                self.content[snapshot.person] = Snapshot.model_validate(stored.model_dump() | fields)

    async def note_listings(self, connection: ConnectionId, noted: Sequence[NotedListing]) -> None:
        """Notes how Personio lists employees, unless their content has changed since the comparison."""
        await give_turn()
        for note in noted:
            person = PersonKey(connection, note.employee_id)
            stored = self.content.get(person)
            if stored is not None and stored.content_hash == note.content_hash:
                self.content[person] = stored.model_copy(update=note.listing._asdict())

    async def mark_emitted(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that Kafka has acknowledged these revisions."""
        await give_turn()
        for employee, revision in revisions:
            self._mark_emitted(PersonKey(connection, employee), revision)

    async def mark_oversized(self, connection: ConnectionId, revisions: Iterable[tuple[EmployeeId, int]]) -> None:
        """Notes that these revisions are too large for Kafka."""
        await give_turn()
        for employee, revision in revisions:
            person = PersonKey(connection, employee)
            if self._mark_emitted(person, revision):
                self.oversized[person] = max(revision, self.oversized.get(person, 0))

    def _mark_emitted(self, person: PersonKey, revision: int) -> bool:
        stored = self.content.get(person)
        if stored is None or stored.revision < revision:
            return False
        emitted = max(stored.emitted_revision, revision)
        self.content[person] = stored.model_copy(update={"emitted_revision": emitted})
        return True

    async def read_pending(self, connection: ConnectionId, limit: int) -> tuple[Snapshot, ...]:
        """Returns stored changes that are not known to be published."""
        await give_turn()
        return tuple(snapshot for snapshot in self.list_snapshots(connection) if snapshot.is_pending)[:limit]

    async def stream(
        self, connection: ConnectionId, employees: Iterable[EmployeeId] | None = None, batch: int = PAGE_SIZE
    ) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Yields the snapshots of all employees, or of the named ones, in batches."""
        if employees is None:
            async for people in page_people(lambda: [s.person for s in self.list_snapshots(connection)], batch):
                yield tuple(self.content[person] for person in people)
            return
        names = sorted(set(employees))
        for start in range(0, len(names), batch):
            await give_turn()
            if snapshots := self._select(connection, names[start : start + batch]):
                yield snapshots

    async def stream_employee_ids(self, connection: ConnectionId) -> AsyncIterator[EmployeeId]:
        """Yields the ids of all employees with a snapshot."""
        async for people in page_people(lambda: [s.person for s in self.list_snapshots(connection)], 10 * PAGE_SIZE):
            for person in people:
                yield person.employee_id

    async def mark_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a complete scan did not list these employees. Keeps an earlier time."""
        await give_turn()
        for snapshot in self._select(connection, employees):
            if snapshot.absent_since is None:
                self.content[snapshot.person] = snapshot.model_copy(update={"absent_since": since})

    async def find_marked_absent(self, connection: ConnectionId) -> frozenset[EmployeeId]:
        """Returns the employees that an earlier complete scan no longer listed, and none listed since."""
        await give_turn()
        return frozenset(s.employee_id for s in self.list_snapshots(connection) if s.absent_since is not None)

    async def find_unknown(self, connection: ConnectionId, before: datetime, limit: int) -> tuple[EmployeeId, ...]:
        """Returns absent employees that a first lookup has not found, at this time or earlier, and without a decision."""
        await give_turn()
        absent = self._list_undecided(connection)
        return tuple(s.employee_id for s in absent if s.unknown_since is not None and s.unknown_since <= before)[:limit]

    async def find_not_looked_up(self, connection: ConnectionId, limit: int) -> tuple[EmployeeId, ...]:
        """Returns absent employees without a lookup and without a decision."""
        await give_turn()
        return tuple(s.employee_id for s in self._list_undecided(connection) if s.unknown_since is None)[:limit]

    def _list_undecided(self, connection: ConnectionId) -> list[Snapshot]:
        """Returns the snapshots of absent employees without a decision, the longest absent first."""
        absent = [
            (snapshot.absent_since, snapshot.employee_id, snapshot)
            for snapshot in self.list_snapshots(connection)
            if snapshot.absent_since is not None
            and not snapshot.is_absence_acknowledged
            and snapshot.kind is not ChangeKind.REMOVED
        ]
        return [snapshot for _, _, snapshot in sorted(absent, key=lambda found: found[:2])]

    async def mark_unknown(self, connection: ConnectionId, employees: Iterable[EmployeeId], since: datetime) -> None:
        """Notes that a first lookup has not found these absent employees. Keeps an earlier time."""
        await give_turn()
        for snapshot in self._select(connection, employees):
            if snapshot.absent_since is not None and snapshot.unknown_since is None:
                self.content[snapshot.person] = snapshot.model_copy(update={"unknown_since": since})

    async def clear_absent(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> None:
        """Notes that Personio lists these employees again."""
        await give_turn()
        for snapshot in self._select(connection, employees):
            listed = {"absent_since": None, "unknown_since": None, "is_absence_acknowledged": False}
            self.content[snapshot.person] = snapshot.model_copy(update=listed)

    async def acknowledge_absence(self, person: PersonKey) -> bool:
        """Notes that the account of an absent employee stays as it is. Returns False if the employee is not absent."""
        await give_turn()
        stored = self.content.get(person)
        if stored is None or stored.absent_since is None:
            return False
        self.content[person] = stored.model_copy(update={"is_absence_acknowledged": True})
        return True

    async def lower_revision(self, person: PersonKey, revision: int) -> bool:
        """Replaces a revision above this one. Returns whether it was above."""
        await give_turn()
        stored = self.content.get(person)
        if stored is None or stored.revision <= revision:
            return False
        self.content[person] = stored.model_copy(update={"revision": revision, "emitted_revision": 0})
        return True

    async def find_due(self, connection: ConnectionId, today: date, limit: int) -> tuple[EmployeeId, ...]:
        """Returns listed employees with a ``next_day`` that has come, the longest due first."""
        await give_turn()
        due = [
            (snapshot.next_day, str(snapshot.person), snapshot.employee_id)
            for snapshot in self.list_snapshots(connection)
            if snapshot.next_day is not None and snapshot.next_day <= today and snapshot.absent_since is None
        ]
        return tuple(employee for _, _, employee in sorted(due)[:limit])

    async def page_upcoming(self, connection: ConnectionId, until: date) -> AsyncIterator[tuple[Snapshot, ...]]:
        """Yields listed employees with a ``next_day`` on or before this day, in one page."""
        due = await self.find_due(connection, until, len(self.content))
        yield tuple(self.content[PersonKey(connection, employee)] for employee in due)

    async def count(self, connection: ConnectionId) -> int:
        """Returns the number of snapshots."""
        await give_turn()
        return len(self.list_snapshots(connection))

    async def count_present(self, connection: ConnectionId) -> int:
        """Returns the number of employees that are listed, and neither inactive nor removed."""
        await give_turn()
        snapshots = self.list_snapshots(connection)
        return sum(seen.absent_since is None and seen.status != "inactive" for seen in snapshots)

    async def find_oversized(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an attribute that is too large, or with a newest event that is too large for Kafka."""
        await give_turn()
        snapshots = self.list_snapshots(connection)
        return tuple(s.employee_id for s in snapshots if s.oversized or self.oversized.get(s.person) == s.revision)

    async def find_absent(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those that complete scans no longer list."""
        await give_turn()
        return frozenset(p for p in people if p in self.content and self.content[p].absent_since is not None)

    async def find_unsettled(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those with a snapshot of an active employee of which no change was ever settled."""
        await give_turn()
        active = {p for p in set(people) & self.content.keys() if self.is_listed_as_active(self.content[p])}
        return frozenset(p for p in active if p not in self._ledger.content or not self._ledger.content[p].decided)

    @staticmethod
    def is_listed_as_active(snapshot: Snapshot) -> bool:
        """Returns whether Personio lists the employee as active."""
        return snapshot.status == "active" and snapshot.absent_since is None

    def list_snapshots(self, connection: ConnectionId) -> list[Snapshot]:
        """Returns the snapshots of a connection in the order of their keys. For the other fakes."""
        return [self.content[person] for person in sort_by_person(self.content) if person.connection_id == connection]

    def _select(self, connection: ConnectionId, employees: Iterable[EmployeeId]) -> tuple[Snapshot, ...]:
        people = sort_by_person({PersonKey(connection, employee) for employee in employees})
        return tuple(self.content[person] for person in people if person in self.content)
