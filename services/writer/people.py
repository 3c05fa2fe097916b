"""The people of one batch, and their managers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

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


class BatchPeople:
    """The entries of the people of a batch and of their managers."""

    def __init__(
        self,
        people: Mapping[PersonKey, PersonWork],
        managers: Mapping[PersonKey, LedgerEntry],
        damaged: frozenset[PersonKey],
        others: Sequence["BatchPeople"] = (),
    ) -> None:
        """``managers`` are the existing entries of managers, as they were read. ``damaged`` are the people to leave alone,
        because their entry cannot be read. ``others`` are the batches of the same connection that are in progress.
        """
        self.people = people
        self.damaged = damaged
        self._managers = managers
        self._others = others
        self._unsettled: frozenset[PersonKey] = frozenset()
        self.accounts: dict[tuple[str, AccountId], PersonKey] = {}
        """The accounts that people of this batch were given, by the address of their server."""

    @classmethod
    async def read(
        cls,
        ledger: Ledger,
        snapshots: Snapshots,
        runs: Runs,
        queues: Queues,
        others: Sequence["BatchPeople"] = (),
    ) -> "BatchPeople":
        """Reads the entries, and which of the managers without an account are about to get one.

        While Personio is read for the first time, that is every manager that is not settled: a later page may list them.
        """
        managers = {manager for records in queues.values() if (manager := find_manager(records[-1])) is not None}
        entries = await ledger.read({*queues, *managers})
        damaged = frozenset(key for key in queues if key in entries and entries[key].damage is not None)
        people = {key: _begin_person(key, entries.get(key)) for key in queues if key not in damaged}
        batch = cls(people, {key: entries[key] for key in (managers | damaged) & entries.keys()}, damaged, others)
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

    def forget_others(self) -> None:
        """Forgets the other batches, because this one has ended.

        Batches overlap for as long as an import takes. Each would keep all earlier ones in memory through the one before it.
        """
        self._others = ()

    def find_entry(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the present entry of a person in progress; None for other people."""
        work = self._find_work(person)
        return work.entry if work else None

    def _find_work(self, person: PersonKey) -> PersonWork | None:
        return next((batch.people[person] for batch in (self, *self._others) if person in batch.people), None)

    def note_account(self, server: str, account: AccountId, owner: PersonKey) -> None:
        """Notes an account that a person of this batch was given, so that no other person of the batch gets it."""
        self.accounts[server, account] = owner

    def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the person in progress that was given the account; None if none was."""
        owners = (batch.accounts.get((server, account)) for batch in (self, *self._others))
        return next((owner for owner in owners if owner is not None), None)

    def find_manager_account(self, manager: PersonKey) -> ManagerAccount | None:
        """Returns the account of a manager; None if it does not exist yet."""
        entry = self.find_entry(manager) or self._managers.get(manager)
        return ManagerAccount(entry.account_id, entry.external_id) if entry and entry.account_id else None

    def is_manager_pending(self, person: PersonKey, manager: PersonKey) -> bool:
        """Returns whether a manager is about to get an account, and does not wait for this person."""
        work = self._find_work(manager)
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
