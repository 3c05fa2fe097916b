"""The ledger in memory."""

from collections.abc import Iterable, Sequence

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from tests.support.fake_store.pages import give_turn, sort_by_person


class FakeLedger:
    """``services.store.ledger.Ledger`` in memory: each write is conditional on the ``seq`` of the stored entry."""

    def __init__(self) -> None:
        self.content: dict[PersonKey, LedgerEntry] = {}

    async def get(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the entry; None if it does not exist."""
        return (await self.read([person])).get(person)

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people."""
        await give_turn()
        return {person: self.content[person] for person in sort_by_person(set(people)) if person in self.content}

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if the stored ``seq`` is one below. Returns the people with another stored entry."""
        if len({entry.person for entry in entries}) != len(entries):
            raise ValueError("a batch holds one entry per person: pass only the last one")
        await give_turn()
        for entry in entries:
            stored = self.content.get(entry.person)
            if entry.seq == (1 if stored is None else stored.seq + 1):
                self.content[entry.person] = entry
        return frozenset(entry.person for entry in entries if self.content.get(entry.person) != entry)

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries for verification; creates the missing ones."""
        await give_turn()
        for person in set(people):
            stored = self.content.get(person)
            if stored is None:
                stored = LedgerEntry(connection_id=person.connection_id, employee_id=person.employee_id)
            self.content[person] = stored.model_copy(update={"verify": True, "seq": stored.seq + 1})

    async def forget_applied(self, connection: ConnectionId) -> int:
        """Removes every ``applied``. Returns the number of entries."""
        await give_turn()
        entries = self.list_entries(connection)
        for entry in entries:
            self.content[entry.person] = entry.model_copy(update={"applied": None, "seq": entry.seq + 1})
        return len(entries)

    async def find_owner(self, connection: ConnectionId, account: AccountId) -> EmployeeId | None:
        """Returns the employee that owns the account; None if no entry has it."""
        await give_turn()
        owners = (entry.employee_id for entry in self.list_entries(connection) if entry.account_id == account)
        return next(owners, None)

    def list_entries(self, connection: ConnectionId) -> list[LedgerEntry]:
        """Returns the entries of a connection in the order of their keys. For the other fakes."""
        return [self.content[person] for person in sort_by_person(self.content) if person.connection_id == connection]
