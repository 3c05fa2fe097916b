"""What the preview of all employees computes in other processes: mapping, and settling employees apart from all others. No I/O."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from services.accounts.confined import ConfinedDatabase, ConfinedLookups, ConfinedServer, NotGivenError, Surroundings
from services.accounts.dry_writer import DrySettlement, DryWriter
from services.accounts.index import PackedAccount
from services.accounts.rehearsed import RehearsedPeople
from services.admin.preview.collection import CollectedEmployee
from services.admin.preview.draft import Draft, DraftMapper
from services.admin.preview.tally import Counted
from services.contracts.claims import ClaimKind
from services.contracts.connections import Connection
from services.contracts.employees import ListedEmployee
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.snapshots import Snapshot
from services.provisioning.calls import FindAccounts
from services.provisioning.manager import ManagerAccount
from services.provisioning.packing import Packer
from services.provisioning.rehearsal import Rehearsal
from services.provisioning.server import ServerMemory
from services.runtime.clock import StoppedClock

R = TypeVar("R")

# ------------------------------------------------------------ mapping


@dataclass(frozen=True, slots=True)
class PageToMap:
    """A page of Personio, to be mapped."""

    draft: Draft
    """The draft."""
    listed: Sequence[ListedEmployee]
    """The employees of the page."""
    stored: Mapping[EmployeeId, Snapshot]
    """Their snapshots."""
    total: int | None
    """Number of employees that Personio announces; None if it announces none."""


@dataclass(frozen=True, slots=True)
class MappedPage:
    """A page of Personio, mapped."""

    employees: tuple[CollectedEmployee, ...]
    """The employees that could be read."""
    unreadable: frozenset[EmployeeId]
    """The employees of the page that could not be read."""
    total: int | None
    """Number of employees that Personio announces; None if it announces none."""


def map_page(page: PageToMap) -> MappedPage:
    """Maps the employees of a page."""
    mapper = open_mapper(page.draft)
    read = [listed.read() for listed in page.listed]
    employees = tuple(
        CollectedEmployee.build(mapper.map_listed(employee, page.stored.get(employee.id)))
        for employee in read
        if employee is not None
    )
    unreadable = frozenset(listed.id for listed in page.listed) - {employee.id for employee in employees}
    return MappedPage(employees, unreadable, page.total)


@lru_cache(maxsize=1)
def open_mapper(draft: Draft) -> DraftMapper:
    """Returns the compiled draft. A process compiles it once."""
    return DraftMapper(draft)


# ------------------------------------------------------------ settling


@dataclass(frozen=True, slots=True)
class GivenEmployee:
    """An employee, with everything that the settlement may ask for."""

    id: EmployeeId
    """The employee."""
    request: bytes
    """What the mapper would ask the writer for, packed."""
    entry: str | None
    """The ledger entry, as JSON; None without one."""
    managers: Mapping[EmployeeId, ManagerAccount]
    """The account of the manager; empty without one."""
    accounts: tuple[PackedAccount, ...]
    """The accounts that the lookups find, and the one that the ledger remembers."""
    found: Mapping[FindAccounts, tuple[AccountId, ...]]
    """The accounts that each lookup finds."""
    owners: Mapping[tuple[ClaimKind, str], PersonKey | None]
    """The owners of the accounts, and of the external ids."""


@dataclass(frozen=True, slots=True)
class GivenBatch:
    """Employees of one connection, each to be settled apart from all others."""

    connection: Connection
    """The connection, without its secrets."""
    memory: ServerMemory
    """What is known about the server."""
    renamed: Mapping[str, str]
    """The external ids that the rehearsal has changed, with the new ones."""
    now: datetime
    """The time of the settlements."""
    requests: Packer
    """What the requests are packed with."""
    contents: Packer
    """What the accounts are packed with."""
    employees: tuple[GivenEmployee, ...]
    """The employees."""


def settle_apart(batch: GivenBatch) -> dict[EmployeeId, Counted]:
    """Settles employees, each apart from all others. Those that need anything else are left out, and are settled with all others."""
    settled: dict[EmployeeId, Counted] = {}
    for employee in batch.employees:
        try:
            settled[employee.id] = Counted.build(_run_at_once(_settle(batch, employee)))
        except NotGivenError:
            continue
    return settled


async def _settle(batch: GivenBatch, employee: GivenEmployee) -> DrySettlement:
    given = Surroundings(
        {account.id: account.unpack(batch.contents) for account in employee.accounts}, employee.found, employee.owners
    )
    writer = DryWriter(
        batch.connection,
        ConfinedDatabase(given),
        ConfinedServer(),
        ConfinedLookups(given),
        batch.memory,
        StoppedClock(batch.now),
        people=RehearsedPeople(batch.connection.id, {}),
        accounts=Rehearsal({}, batch.renamed),
    )
    request = AccountRequested.model_validate_json(batch.requests.unpack(employee.request))
    entry = None if employee.entry is None else LedgerEntry.model_validate_json(employee.entry)
    return await writer.settle(request, entry, employee.managers, is_absent=False)


def _run_at_once(coroutine: Coroutine[Any, Any, R]) -> R:
    """Returns the result of a coroutine that waits for nothing. Raises ``RuntimeError`` for one that does."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise RuntimeError("a settlement apart from others waits")
