"""Prepares what other processes settle: the independent employees, each with everything that the settlement may ask for."""

from collections.abc import AsyncIterator, Collection

from services.accounts.dry_writer import DryWriter, list_manager_accounts
from services.accounts.index import AccountIndex
from services.admin.preview.batches import GivenBatch, GivenEmployee
from services.admin.preview.collection import CollectedEmployees
from services.admin.preview.independent import find_independent, find_reach
from services.contracts.claims import ClaimKind
from services.contracts.connections import Connection, normalise_server
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.runtime.clock import Clock
from services.store.database import Store
from services.store.errors import StoreFailedError


class Giver:
    """The independent employees of one connection. Nothing of them is read from the server: the list has shown it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        connection: Connection,
        writer: DryWriter,
        index: AccountIndex,
        employees: CollectedEmployees,
    ) -> None:
        """``writer`` settles all others. ``index`` are the listed accounts. The entries of all ``employees`` have been noted."""
        self.independent = find_independent(index, employees)
        """The employees that may be settled apart."""
        self._store = store
        self._clock = clock
        self._connection = connection
        self._writer = writer
        self._index = index
        self._employees = employees

    async def give(self, employees: Collection[EmployeeId]) -> GivenBatch:
        """Returns independent employees, after their managers were settled. Leaves out an employee if something is not known."""
        return GivenBatch(
            connection=self._connection.without_secrets(),
            memory=self._writer.memory.copy(),
            renamed=dict(self._writer.accounts.renamed),
            now=self._clock.now(),
            requests=self._employees.packer,
            contents=self._index.packer,
            employees=tuple([employee async for employee in self._iterate(employees)]),
        )

    async def _iterate(self, employees: Collection[EmployeeId]) -> AsyncIterator[GivenEmployee]:
        people = {employee: PersonKey(self._connection.id, employee) for employee in employees}
        found = ((employee, find_reach(self._index, self._employees, employee)) for employee in employees)
        reaches = {employee: reach for employee, reach in found if reach is not None}
        entries = await read_entries(self._store, self._connection.id, self._writer, self._employees, employees)
        stored_managers = list_manager_accounts(entries)
        try:
            decided = {person for person, _ in await self._store.links.read(people.values())}
        except StoreFailedError:  # a damaged decision concerns one employee: each is asked for alone, in order
            return
        owners = await self._store.claims.read_owners(
            normalise_server(self._connection.declaree.url),
            {account for reach in reaches.values() for account in reach.accounts},
            {external_id for reach in reaches.values() for external_id in reach.marks.external_ids},
        )
        for employee, reach in reaches.items():
            packed = [self._index.get_packed(account) for account in reach.accounts]
            accounts = tuple(account for account in packed if account is not None)
            is_changed = any(account in self._writer.accounts for account in reach.accounts)
            if len(accounts) < len(packed) or is_changed or people[employee] in decided:
                continue
            claims: set[tuple[ClaimKind, str]] = {(ClaimKind.ACCOUNT, account) for account in reach.accounts}
            claims |= {(ClaimKind.EXTERNAL_ID, external_id) for external_id in reach.marks.external_ids}
            entry, manager = entries.get(people[employee]), self._employees.managers.get(employee)
            known = (
                self._writer.people.find_manager_account(manager) or stored_managers.get(manager) if manager else None
            )
            yield GivenEmployee(
                id=employee,
                request=self._employees.get_packed(employee),
                entry=None if entry is None else entry.model_dump_json(exclude_none=True),
                managers={} if manager is None or known is None else {manager: known},
                accounts=accounts,
                found=reach.found,
                owners={claim: owners[claim] for claim in owners.keys() & claims},
            )


async def read_entries(
    store: Store,
    connection: ConnectionId,
    writer: DryWriter,
    employees: CollectedEmployees,
    chunk: Collection[EmployeeId],
) -> dict[PersonKey, LedgerEntry]:
    """Returns the stored entries of some of the employees, and of their managers that ``writer`` has not settled yet."""
    named = {employees.managers[employee] for employee in chunk if employee in employees.managers}
    people = {*chunk, *(manager for manager in named if not writer.people.is_settled(manager))}
    return await store.ledger.read(PersonKey(connection, employee) for employee in people)
