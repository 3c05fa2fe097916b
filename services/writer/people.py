"""The people of one batch, and their managers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from services.contracts.claims import WorkRange
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import WaitingCause
from services.provisioning.manager import ManagerAccount
from services.runtime.kafka.decoding import Incoming
from services.writer.order import Queues, find_manager
from services.writer.ports import Ledger, Runs, Snapshots
from services.writer.work import PersonWork

Request: TypeAlias = Incoming[AccountRequested]
"""A record with a request."""


def group_by_person(records: Iterable[Request]) -> Queues:
    """Returns the requests of each person, the newest last. Those of one version stay in their order."""
    queues: dict[PersonKey, list[Request]] = defaultdict(list)
    for record in records:
        queues[record.event.person].append(record)
    return {person: sorted(requests, key=lambda record: record.event.version) for person, requests in queues.items()}


def build_ranges(records: Iterable[Request]) -> list[WorkRange]:
    """Returns the range of the records in each partition."""
    partitions: dict[int, list[Request]] = defaultdict(list)
    for record in records:
        partitions[record.partition].append(record)
    return [
        WorkRange(
            partition=partition,
            first_offset=members[0].offset,
            last_offset=members[-1].offset,
            timestamp_ms=max(record.timestamp_ms for record in members),
        )
        for partition, members in partitions.items()
    ]


class Takeover:
    """What an earlier writer had in progress of the records of a batch."""

    def __init__(self, records: Sequence[Request], earlier: Mapping[int, WorkRange]) -> None:
        """``earlier`` are the stored ranges of the partitions."""
        self._earlier = earlier
        self._last = {record.partition: record.offset for record in records}

    def is_suspect(self, record: Request) -> bool:
        """Returns whether an earlier writer may have sent requests for the record that it did not note."""
        work = self._earlier.get(record.partition)
        return work is not None and work.contains(record.offset, record.timestamp_ms)

    def is_cut(self, record: Request) -> bool:
        """Returns whether the earlier writer also had records in progress that come in a later batch.

        One of them may be a newer change of the same employee, which has been sent: this one must not be sent after it.
        """
        work = self._earlier.get(record.partition)
        return work is not None and self.is_suspect(record) and work.last_offset > self._last[record.partition]


class BatchPeople:
    """The entries of the people of a batch and of their managers."""

    def __init__(
        self,
        people: Mapping[PersonKey, PersonWork],
        managers: Mapping[PersonKey, LedgerEntry],
        damaged: frozenset[PersonKey],
    ) -> None:
        """``managers`` are the existing entries of managers, as they were read. ``damaged`` are the people to leave alone,
        because their entry cannot be read.
        """
        self.people = people
        self.damaged = damaged
        self._managers = managers
        self._unsettled: frozenset[PersonKey] = frozenset()
        self._owners: dict[tuple[str, AccountId], PersonKey] = {}

    @classmethod
    async def read(cls, ledger: Ledger, snapshots: Snapshots, runs: Runs, queues: Queues) -> "BatchPeople":
        """Reads the entries, and which of the managers without an account are about to get one.

        While Personio is read for the first time, that is every manager that is not settled: a later page may list them.
        """
        managers = {manager for records in queues.values() if (manager := find_manager(records[-1])) is not None}
        entries = await ledger.read({*queues, *managers})
        damaged = frozenset(key for key in queues if key in entries and entries[key].damage is not None)
        people = {key: _begin_person(key, entries.get(key)) for key in queues if key not in damaged}
        batch = cls(people, {key: entries[key] for key in (managers | damaged) & entries.keys()}, damaged)
        waited_for = {
            manager
            for key, records in queues.items()
            if key in people
            and people[key].entry.account_id is None
            and (manager := find_manager(records[-1])) is not None
        }
        unknown = [key for key in waited_for - queues.keys() if _is_undecided(entries.get(key))]
        if unknown:
            first = await runs.find_first({manager.connection_id for manager in unknown})
            unlisted = frozenset(manager for manager in unknown if manager.connection_id in first)
            batch._unsettled = unlisted | await snapshots.find_unsettled(unknown)
        return batch

    def find_entry(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the present entry of a person of this batch; None for other people."""
        work = self.people.get(person)
        return work.entry if work else None

    def note_account(self, server: str, account: AccountId, owner: PersonKey) -> None:
        """Notes an account that a person of this batch was given, so that no other person of the batch gets it."""
        self._owners[server, account] = owner

    def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the person of this batch that was given the account; None if none was."""
        return self._owners.get((server, account))

    def find_manager_account(self, manager: PersonKey) -> ManagerAccount | None:
        """Returns the account of a manager; None if it does not exist yet."""
        entry = self.find_entry(manager) or self._managers.get(manager)
        return ManagerAccount(entry.account_id, entry.external_id) if entry and entry.account_id else None

    def is_manager_pending(self, person: PersonKey, manager: PersonKey) -> bool:
        """Returns whether a manager is about to get an account, and does not wait for this person."""
        work = self.people.get(manager)
        if work is not None:
            return (
                work.entry.account_id is None and work.entry.waiting is not None and not _waits_for(work.entry, person)
            )
        return manager in self._unsettled and not _waits_for(self._managers.get(manager), person)


def _begin_person(key: PersonKey, entry: LedgerEntry | None) -> PersonWork:
    stored = entry or LedgerEntry(connection_id=key.connection_id, employee_id=key.employee_id)
    return PersonWork(stored, stored)


def _is_undecided(entry: LedgerEntry | None) -> bool:
    return entry is None or (entry.decided is None and entry.account_id is None)


def _waits_for(entry: LedgerEntry | None, person: PersonKey) -> bool:
    """Whether a manager itself waits for the account of this person: they report to each other."""
    if entry is None or entry.waiting is None or entry.waiting.cause is not WaitingCause.MANAGER_PENDING:
        return False
    return entry.manager is not None and entry.manager.employee_id == person.employee_id
