"""Settles all employees of a preview: in the writer's order, or apart from all others in other processes."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from services.accounts.dry_writer import DryWriter, list_manager_accounts
from services.accounts.index import AccountIndex
from services.admin.existing_accounts import Progress
from services.admin.preview.batches import GivenBatch, settle_apart
from services.admin.preview.collection import CollectedEmployees
from services.admin.preview.giving import Giver, read_entries
from services.admin.preview.tally import Counted, Tally
from services.contracts.ids import ConnectionId, EmployeeId
from services.runtime.processes import Processes
from services.store.database import Store

CHUNK = 200
"""Number of employees with ledger entries that are read together."""
MAX_ROUNDS = 10
"""Number of times that employees are settled again, because an address or the account of a manager has become available."""


class Settler:
    """Settles the employees of one connection with a mapping, and counts the results.

    Leavers, managers and all that share something are settled one after another, in the writer's order. Each of the others depends on
    none but a manager: another process settles them after the manager, in any order.
    """

    def __init__(
        self,
        store: Store,
        connection: ConnectionId,
        writer: DryWriter,
        index: AccountIndex | None,
        employees: CollectedEmployees,
        progress: Progress,
    ) -> None:
        """``index`` are the listed accounts; None if the server does not list them. ``progress`` receives what is settled."""
        self.tally = Tally()
        self._store = store
        self._connection = connection
        self._writer = writer
        self._index = index
        self._employees = employees
        self._progress = progress

    async def settle_all(self, processes: Processes, giver: Giver | None) -> None:
        """Settles all employees, and again those for which something has become available.

        ``giver`` prepares what other processes settle; None settles all in this process.
        """
        order = self._employees.order()
        async with aclosing(processes.map(settle_apart, self._settle_or_give(order, giver))) as batches:
            async for settled in batches:
                for employee, counted in settled.items():
                    self.tally.add(employee, counted)
                await self._report()
        await self._settle([employee for employee in order if not self.tally.has(employee)])
        for _ in range(MAX_ROUNDS):
            writes = self.tally.writes
            await self._settle(self.tally.list_blocked(self._writer))
            if self.tally.writes == writes:
                return

    async def _settle_or_give(
        self, order: Sequence[EmployeeId], giver: Giver | None
    ) -> AsyncGenerator[GivenBatch, None]:
        """Settles the employees in the writer's order, and yields batches of the independent ones when their managers are settled."""
        dependent, given = list[EmployeeId](), list[EmployeeId]()
        for employee in order:
            is_given = giver is not None and employee in giver.independent
            (given if is_given else dependent).append(employee)
            if max(len(dependent), len(given)) == CHUNK:
                await self._settle(dependent)
                dependent = []
            if giver is not None and len(given) == CHUNK:
                yield await giver.give(given)
                given = []
        await self._settle(dependent)
        if giver is not None and given:
            yield await giver.give(given)

    async def _settle(self, employees: Sequence[EmployeeId]) -> None:
        for start in range(0, len(employees), CHUNK):
            await self._settle_chunk(employees[start : start + CHUNK])
            await self._report()

    async def _report(self) -> None:
        await self._progress("preview", len(self.tally), len(self._employees))

    async def _settle_chunk(self, chunk: Sequence[EmployeeId]) -> None:
        writer, requests = self._writer, list(map(self._employees.get, chunk))
        stored = await read_entries(self._store, self._connection, writer, self._employees, chunk)
        managers = list_manager_accounts(stored)
        await writer.read_ahead(requests, stored, self._index)
        for request in requests:
            entry = writer.people.find_entry(request.person) or stored.get(request.person)
            is_absent = request.employee_id in self._employees.absent
            settlement = await writer.settle(request, entry, managers, is_absent=is_absent)
            self.tally.add(request.employee_id, Counted.build(settlement))
