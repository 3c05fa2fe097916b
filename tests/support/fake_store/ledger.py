"""The ledger in memory."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import WaitingCause
from tests.support.fake_store.pages import give_turn, sort_by_person


class FakeLedger:
    """``services.store.ledger.Ledger`` in memory: each write is conditional on the ``seq`` of the stored entry."""

    def __init__(self) -> None:
        self.content: dict[PersonKey, LedgerEntry] = {}
        self.taken: dict[PersonKey, datetime] = {}
        """When employees that were taken to be tried again are due again, unless their entry is written before."""

    async def get(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the entry; None if it does not exist."""
        return (await self.read([person])).get(person)

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people."""
        await give_turn()
        return {person: self.content[person] for person in sort_by_person(set(people)) if person in self.content}

    async def find_by_accounts(
        self, connection: ConnectionId, accounts: Iterable[AccountId]
    ) -> dict[AccountId, EmployeeId]:
        """Returns the employees of a connection that have one of these accounts."""
        await give_turn()
        wanted = set(accounts)
        return {
            entry.account_id: entry.employee_id
            for entry in self.list_entries(connection)
            if entry.account_id is not None and entry.account_id in wanted
        }

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if the stored ``seq`` is one below. Returns the people with another stored entry."""
        if len({entry.person for entry in entries}) != len(entries):
            raise ValueError("a batch holds one entry per person: pass only the last one")
        await give_turn()
        for entry in entries:
            stored = self.content.get(entry.person)
            if entry.seq == (1 if stored is None else stored.seq + 1):
                self.content[entry.person] = entry
                self.taken.pop(entry.person, None)
        return frozenset(entry.person for entry in entries if self.content.get(entry.person) != entry)

    async def note_waiting(self, waiting: Mapping[PersonKey, Waiting]) -> None:
        """Notes that changes wait, except for an entry with a newer change."""
        await give_turn()
        for person, change in waiting.items():
            stored = self.content.get(person) or LedgerEntry(
                connection_id=person.connection_id, employee_id=person.employee_id
            )
            if stored.newest_version > change.version:
                continue
            before = stored.waiting
            is_undecided = before is not None and stored.decided_version < before.version < change.version
            replaced = (*stored.replaced, before) if before is not None and is_undecided else stored.replaced
            self.taken.pop(person, None)
            self.content[person] = stored.model_copy(
                update={"waiting": change, "replaced": replaced, "seq": stored.seq + 1}
            )

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries for verification; creates the missing ones."""
        await give_turn()
        for person in set(people):
            stored = self.content.get(person)
            if stored is None:
                stored = LedgerEntry(connection_id=person.connection_id, employee_id=person.employee_id)
            self.taken.pop(person, None)
            self.content[person] = stored.model_copy(update={"verify": True, "seq": stored.seq + 1})

    async def mark_lost(self, entries: Sequence[LedgerEntry]) -> None:
        """Marks entries for verification, and keeps what the unwritten ones know of writes without an answer."""
        await give_turn()
        for entry in entries:
            stored = self.content.get(entry.person)
            if stored is None:
                continue
            names = tuple(dict.fromkeys((*stored.attempted_names, *entry.attempted_names)))
            kept = {
                "attempted": entry.attempted or stored.attempted,
                "attempted_names": names,
                "suspected_since": entry.suspected_since or stored.suspected_since,
                "look_at": max((look for look in (entry.look_at, stored.look_at) if look is not None), default=None),
            }
            self.content[entry.person] = stored.model_copy(update={"verify": True, "seq": stored.seq + 1, **kept})

    async def allow_disabling(self, revisions: Mapping[PersonKey, int]) -> None:
        """Notes from which revision on accounts may be disabled. A change that the brake holds is retried now."""
        await give_turn()
        for person, revision in revisions.items():
            stored = self.content.get(person)
            if stored is None:
                continue
            waiting = stored.waiting
            if waiting is not None and waiting.cause is WaitingCause.DISABLING_HELD:
                waiting = waiting.model_copy(update={"cause": WaitingCause.BACKLOG, "attempts": 0, "retry_at": None})
                self.taken.pop(person, None)
            self.content[person] = stored.model_copy(
                update={
                    "disabling_allowed_from": revision,
                    "is_disabling_held": False,
                    "waiting": waiting,
                    "seq": stored.seq + 1,
                }
            )

    async def forget_applied(self, connection: ConnectionId) -> int:
        """Removes every ``applied``. Returns the number of entries."""
        await give_turn()
        entries = self.list_entries(connection)
        for entry in entries:
            self.content[entry.person] = entry.model_copy(update={"applied": None, "seq": entry.seq + 1})
        return len(entries)

    async def reset(self, person: PersonKey) -> bool:
        """Forgets what was decided for one person, except the account. Returns False if no entry exists."""
        await give_turn()
        stored = self.content.get(person)
        if stored is None:
            return False
        kept = stored.model_dump(
            include={"connection_id", "employee_id", "account_id", "external_id", "user_name", "enabled"}
            | {"attempted", "attempted_names", "suspected_since", "look_at"}
        )
        self.content[person] = LedgerEntry.model_validate({**kept, "verify": True, "seq": stored.seq + 1})
        return True

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Removes the account from an entry that has it."""
        await give_turn()
        stored = self.content.get(person)
        if stored is not None and stored.account_id == account:
            released = {"account_id": None, "applied": None, "enabled": None, "seq": stored.seq + 1}
            self.content[person] = stored.model_copy(update=released)

    def list_entries(self, connection: ConnectionId) -> list[LedgerEntry]:
        """Returns the entries of a connection in the order of their keys. For the other fakes."""
        return [self.content[person] for person in sort_by_person(self.content) if person.connection_id == connection]
