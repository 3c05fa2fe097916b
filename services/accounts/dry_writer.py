"""Settles requests as the writer does, and writes nothing: neither to Declaree nor to the database."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeAlias

from services.accounts.brake import BrakeKeeper
from services.accounts.index import AccountIndex
from services.accounts.owners import AccountOwners
from services.accounts.ports import Brakes, Counters, Entries, HeldDisablings, Links, ManyClaims
from services.accounts.rehearsed import (
    RehearsedBrakes,
    RehearsedClaims,
    RehearsedEntries,
    RehearsedLinks,
    RehearsedPeople,
    find_manager_account,
)
from services.contracts.addresses import fold_address
from services.contracts.connections import Connection, normalise_server
from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, RefusedField
from services.contracts.outcomes import ABOUT_ONE_LOOKUP, WaitingCause
from services.errors import TransientError
from services.provisioning import paths
from services.provisioning.calls import (
    Answer,
    AskBrake,
    AskOwnership,
    Body,
    Braked,
    Call,
    ClaimAccount,
    CreateAccount,
    FindAccounts,
    Found,
    ListAccounts,
    Pause,
    ReadAccount,
    ReplaceAccount,
    Reply,
    Resource,
    Step,
    Write,
    Written,
)
from services.provisioning.circumstances import Circumstances
from services.provisioning.manager import ManagerAccount
from services.provisioning.rehearsal import Rehearsal, SentWrite, list_new_addresses
from services.provisioning.server import ServerDescription, ServerMemory
from services.provisioning.settlement import Settlement
from services.runtime.clock import Clock
from services.store.errors import StoreFailedError

LATE_WRITE_TIME = timedelta(minutes=5)
"""How long a server may take to carry out a write without an answer: the default of WRITER_LATE_WRITE_SECONDS."""
MAX_FAILURES = 20
"""Number of accounts with a failed lookup, one after another, after which the server counts as the cause."""

Perform: TypeAlias = Callable[[Call], Awaitable[Answer]]
"""Sends a lookup to the server."""


class Database(Protocol):
    """What a rehearsal reads of the database, which ``Store`` provides."""

    @property
    def ledger(self) -> Entries:
        """The ledger entries."""
        ...

    @property
    def claims(self) -> ManyClaims:
        """The owners of accounts."""
        ...

    @property
    def links(self) -> Links:
        """The decisions about accounts that existed before."""
        ...

    @property
    def brakes(self) -> Brakes:
        """The numbers of disabled accounts."""
        ...

    @property
    def followups(self) -> HeldDisablings:
        """The changes that the brake holds."""
        ...

    @property
    def counters(self) -> Counters:
        """The numbers of enabled accounts."""
        ...


class Lookups(Protocol):
    """The lookups on one server, which ``AccountLookups`` provides."""

    def get_content(self, account: AccountId) -> Resource | None:
        """Returns an account as a list has shown it; None without a list that is young and shows all of an account."""
        ...

    async def find(self, call: FindAccounts, perform: Perform) -> Answer:
        """Returns the answer to a lookup. ``perform`` sends a call."""
        ...


class Server(Protocol):
    """The SCIM server of one connection."""

    async def discover(self) -> ServerDescription:
        """Returns what the server says about itself; raises ``TransientError`` if it does not accept the key."""
        ...

    async def perform(self, call: Call) -> Answer:
        """Sends one request and returns the answer; raises ``TransientError``."""
        ...


@dataclass(frozen=True, slots=True)
class DrySettlement:
    """How the writer would settle one request."""

    entry: LedgerEntry
    """The ledger entry that would be stored."""
    outcome: AccountSynced | None
    """The outcome; None for a change that waits."""
    cause: WaitingCause | None
    """Why the change waits; None for one that is settled."""
    sent: tuple[SentWrite, ...] = ()
    """The writes, in order."""
    account_before: AccountId | None = None
    """The account of the ledger entry before; None without one."""
    written: tuple[str, ...] = ()
    """SCIM paths of the fields that were sent."""
    before: Body = field(default_factory=dict)
    """The account before the first write; empty for a new one, and without a write."""
    after: Body = field(default_factory=dict)
    """The account after the last write; empty without a write."""


@dataclass(slots=True)
class _Visit:
    """What one settlement has read and written so far."""

    person: PersonKey
    """The employee."""
    refused: Mapping[str, RefusedField]
    """The fields that the server has refused for the employee, by path."""
    seen: dict[AccountId, Resource] = field(default_factory=dict)
    """The accounts as they were read last."""
    before: dict[AccountId, Body] = field(default_factory=dict)
    """The accounts before their first write."""
    sent: list[SentWrite] = field(default_factory=list)
    """The writes."""


class DryWriter:
    """The writer of one connection in a rehearsal. It decides with the same settlement, owners, lookups and brake."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        server: Server,
        lookups: Lookups,
        memory: ServerMemory,
        clock: Clock,
        *,
        people: RehearsedPeople | None = None,
        accounts: Rehearsal | None = None,
    ) -> None:
        """Reads ``database`` and ``server``, and changes copies in memory, and ``memory``.

        ``people`` and ``accounts`` keep the copies; with None, there may be thousands.
        """
        self.people = people or RehearsedPeople(connection.id)
        self.accounts = accounts or Rehearsal()
        self.entries = RehearsedEntries(database.ledger, self.people)
        self.memory = memory
        self._lookups = lookups
        self._connection = connection
        self._server_address = normalise_server(connection.declaree.url)
        self._server = server
        self._clock = clock
        self._claims = RehearsedClaims(database.claims, self.people)
        self._links = RehearsedLinks(database.links)
        self._owners = AccountOwners(self._server_address, self._claims, self._links, self.entries, self.people)
        self._brakes = RehearsedBrakes(database.brakes, database.followups)
        self._brake = BrakeKeeper(self._brakes, self._brakes, database.counters, clock)
        self._failures = 0

    async def describe_server(self) -> None:
        """Asks the server for its description. Raises ``TransientError`` if it refuses the key or limits the rate."""
        try:
            self.memory.describe(await self._server.discover())
        except TransientError as error:
            if error.code != WaitingCause.SERVER_UNAVAILABLE:
                raise

    async def read_ahead(
        self, requests: Iterable[AccountRequested], stored: Mapping[PersonKey, LedgerEntry], index: AccountIndex | None
    ) -> None:
        """Reads at once what the settlements of these requests ask the database for. They ask for anything else alone.

        ``stored`` are the entries of the employees, and ``index`` are the listed accounts; None without a list.
        """
        people, accounts, external_ids = list[PersonKey](), set[AccountId](), set[str]()
        for request in requests:
            people.append(request.person)
            entry = stored.get(request.person)
            if entry is not None and entry.account_id is not None:
                accounts.add(entry.account_id)
            if request.desired is not None:
                external_ids.add(request.desired.external_id)
            identity = request.desired or request.identity
            if index is not None and identity is not None:
                accounts.update(index.find(FindAccounts("externalId", identity.external_id)))
                accounts.update(index.find(FindAccounts("userName", identity.user_name or "")))
        await self._claims.read_ahead(self._server_address, accounts, external_ids)
        await self._links.read_ahead(people)

    async def settle(
        self,
        request: AccountRequested,
        entry: LedgerEntry | None,
        managers: Mapping[EmployeeId, ManagerAccount],
        *,
        is_absent: bool,
        raises: bool = False,
    ) -> DrySettlement:
        """Settles a request. ``entry`` is the present entry of the employee; None without one.

        ``managers`` are the stored accounts of managers; those of the rehearsal take precedence. ``is_absent`` tells whether Personio
        no longer lists the employee. A lookup that fails for this account alone makes the change wait, unless ``raises`` is set.
        Raises ``TransientError``.
        """
        person = request.person
        if entry is not None and entry.damage is not None:
            return DrySettlement(entry, None, WaitingCause.UNREADABLE_ENTRY)
        stored = entry or LedgerEntry(connection_id=person.connection_id, employee_id=person.employee_id)
        visit = _Visit(person, {refused.path: refused for refused in stored.refused})
        try:
            settlement = await self._begin(request, stored, managers, is_absent=is_absent)
            cause = await self._perform_all(settlement, visit, stored.account_id)
        except StoreFailedError:
            return DrySettlement(stored, None, WaitingCause.UNREADABLE_DOCUMENT)
        except TransientError as error:
            cause = WaitingCause(error.code)
            self._failures += 1
            if raises or cause not in ABOUT_ONE_LOOKUP or self._failures > MAX_FAILURES:
                raise
            return DrySettlement(stored, None, cause)
        self._failures = 0
        if cause is not None:
            settlement.wait(cause, self._clock.now())
            self._brakes.note_cause(person.connection_id, cause)
        self._keep(settlement)
        account = next((sent.account for sent in reversed(visit.sent) if sent.is_taken), None)
        live = None if account is None else self.accounts.get(account)
        return DrySettlement(
            settlement.entry,
            None if cause is not None else settlement.outcome,
            cause,
            tuple(visit.sent),
            stored.account_id,
            tuple(settlement.trail.written),
            {} if account is None else visit.before[account],
            {} if live is None else live.body,
        )

    async def _begin(
        self,
        request: AccountRequested,
        stored: LedgerEntry,
        managers: Mapping[EmployeeId, ManagerAccount],
        *,
        is_absent: bool,
    ) -> Settlement:
        is_taken = False
        if request.desired is not None and request.desired.external_id != stored.external_id:
            is_taken = not await self._claims.claim_external_id(
                self._server_address, request.desired.external_id, request.person
            )

        def find_manager(manager: EmployeeId) -> ManagerAccount | None:
            is_settled = self.people.is_settled(manager)
            return self.people.find_manager_account(manager) if is_settled else managers.get(manager)

        return Settlement(
            request,
            stored,
            find_manager,
            self.memory,
            Circumstances(
                now=self._clock.now(),
                late_write_time=LATE_WRITE_TIME,
                policy=self._connection.link_policy,
                is_resent=True,
                is_external_id_taken=is_taken,
                is_absent=is_absent,
            ),
        )

    async def _perform_all(
        self, settlement: Settlement, visit: _Visit, own_account: AccountId | None
    ) -> WaitingCause | None:
        """Performs steps until the settlement has a result. Returns why the change waits; None if it is settled."""
        while settlement.step is not None:
            settlement.receive(await self._perform(settlement.step, visit, own_account))
        if settlement.cause is None:
            settlement.conclude(self._clock.now())
        return settlement.cause

    def _keep(self, settlement: Settlement) -> None:
        entry = settlement.entry
        self.people.keep(entry)
        for account in (settlement.trail.owned_id, entry.account_id):
            if account is not None:
                self._owners.note_account(entry.person, account)

    async def _perform(self, step: Step, visit: _Visit, own_account: AccountId | None) -> Reply:
        match step:
            case Pause():
                return None
            case AskBrake():
                return Braked(await self._brake.hold(visit.person.connection_id, self._connection.guard))
            case ClaimAccount():
                return await self._owners.claim(visit.person, step)
            case AskOwnership():
                return await self._owners.ask(visit.person, step, own_account)
            case ReadAccount() | FindAccounts() | ListAccounts():
                answer = await self._look_up(step)
                if isinstance(answer, Found):
                    visit.seen |= {live.id: live for live in answer.resources}
                return answer
        return await self._write(step, visit)

    async def _look_up(self, call: ReadAccount | FindAccounts | ListAccounts) -> Answer:
        """Returns what the server and the copies show."""
        match call:
            case ReadAccount(account):
                known = self.accounts.get(account) or self._lookups.get_content(account)
                answer = Found((known,)) if known is not None else await self._send(call)
            case FindAccounts():
                answer = self.accounts.cover_lookup(call, await self._lookups.find(call, self._send))
            case _:
                answer = await self._send(call)
        return self.accounts.show_managers(answer)

    async def _write(self, call: Write, visit: _Visit) -> Answer:
        """Changes a copy, and returns the answer of a server that takes the write if nothing conflicts."""
        if isinstance(call, CreateAccount):
            account, live = name_new_account(visit.person.employee_id), Resource(AccountId(""), {})
        else:
            account = _find_written(call)
            live = await self._read_whole(account, visit)
        has_conflict = await self._has_conflict(call, account, live.body)
        visit.before.setdefault(account, live.body)
        answer = self.accounts.write(call, account, live.body, visit.refused, has_conflict=has_conflict)
        visit.sent.append(SentWrite(call, account, is_taken=isinstance(answer, Written)))
        if isinstance(answer, Written) and answer.resource is not None:
            visit.seen[account] = answer.resource
        return answer

    async def _read_whole(self, account: AccountId, visit: _Visit) -> Resource:
        """Returns the account before a write. A list may show less than the account has."""
        seen = visit.seen.get(account)
        if seen is not None and not seen.is_listed:
            return self.accounts.get(account) or seen
        answer = await self._look_up(ReadAccount(account))
        lives = answer.resources if isinstance(answer, Found) else ()
        return next(iter(lives), seen or Resource(account, {}))

    async def _has_conflict(self, call: Write, account: AccountId, live: Body) -> bool:
        """Returns whether another account has an address of the write. A server that says that it allows this has no conflict."""
        if self.memory.description.unique_user_names is False:
            return False
        for address in list_new_addresses(call, live):
            for attribute in ("userName", "emails.value"):
                answer = await self._look_up(FindAccounts(attribute, address))
                others = answer.resources if isinstance(answer, Found) else ()
                if any(other.id != account and _has_address(other, address) for other in others):
                    return True
        return False

    async def _send(self, call: Call) -> Answer:
        """Sends a lookup. Raises ``TypeError`` for a write, which a rehearsal never sends."""
        if isinstance(call, Write):
            raise TypeError("a rehearsal sends no write")
        return await self._server.perform(call)


def name_new_account(employee: EmployeeId) -> AccountId:
    """Returns the made-up id of an account that would be created."""
    return AccountId(f"new-account-of-{employee}")


def list_manager_accounts(entries: Mapping[PersonKey, LedgerEntry]) -> dict[EmployeeId, ManagerAccount]:
    """Returns the accounts of employees with these entries."""
    accounts = ((person.employee_id, find_manager_account(entry)) for person, entry in entries.items())
    return {employee: account for employee, account in accounts if account is not None}


def _has_address(live: Resource, address: str) -> bool:
    return fold_address(address) in map(fold_address, paths.list_addresses(live.body))


def _find_written(call: Write) -> AccountId:
    """Returns the account that a PATCH or PUT changes. ``PUT /Users`` names it in the body."""
    if isinstance(call, ReplaceAccount) and call.id is None:
        return AccountId(str(call.body.get("id", "")))
    if isinstance(call, CreateAccount) or call.id is None:
        raise TypeError("a create changes no account")
    return call.id
