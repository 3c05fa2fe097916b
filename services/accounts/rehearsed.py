"""The database during a rehearsal: it is read, and what would be written is kept in memory."""

from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress

from services.accounts.ports import Brakes, Entries, HeldDisablings, Links, ManyClaims
from services.contracts.brakes import Brake
from services.contracts.claims import ClaimKind, LinkDecision
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import WaitingCause
from services.provisioning.manager import ManagerAccount
from services.provisioning.packing import PackedDict
from services.store.errors import StoreFailedError


class RehearsedPeople:
    """The employees of one connection that were settled in the rehearsal, and the accounts that they were given."""

    def __init__(
        self, connection: ConnectionId, entries: MutableMapping[EmployeeId, LedgerEntry] | None = None
    ) -> None:
        """Starts without employees.

        ``entries`` is an empty dictionary for their entries; with None they are packed, because there may be thousands.
        """
        self._connection = connection
        self._entries = PackedDict[EmployeeId, LedgerEntry](_dump, _load) if entries is None else entries
        self._accounts: dict[EmployeeId, ManagerAccount] = {}
        self._owners: dict[AccountId, PersonKey] = {}

    def keep(self, entry: LedgerEntry) -> None:
        """Keeps the entry that the writer would store."""
        self._entries[entry.employee_id] = entry
        account = find_manager_account(entry)
        if account is None:
            self._accounts.pop(entry.employee_id, None)
        else:
            self._accounts[entry.employee_id] = account

    def find_entry(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the entry of an employee that was settled; None for others."""
        return self._entries.get(person.employee_id) if person.connection_id == self._connection else None

    def find_owner(self, server: str, account: AccountId) -> PersonKey | None:  # noqa: ARG002 - the port's signature
        """Returns the employee that was given the account in the rehearsal; None if none was."""
        return self._owners.get(account)

    def note_account(self, server: str, account: AccountId, owner: PersonKey) -> None:  # noqa: ARG002 - as above
        """Notes the account that an employee was given. A former owner no longer has it."""
        self._owners[account] = owner

    def is_settled(self, employee: EmployeeId) -> bool:
        """Returns whether an employee was settled."""
        return employee in self._entries

    def find_manager_account(self, manager: EmployeeId) -> ManagerAccount | None:
        """Returns the account of an employee that was settled; None without one."""
        return self._accounts.get(manager)


def _dump(entry: LedgerEntry) -> bytes:
    return entry.model_dump_json(exclude_none=True).encode()


def _load(text: bytes) -> LedgerEntry:
    return LedgerEntry.model_validate_json(text)


def find_manager_account(entry: LedgerEntry) -> ManagerAccount | None:
    """Returns the account of an employee, as the reports of the employee name it; None without one."""
    return ManagerAccount(entry.account_id, entry.external_id) if entry.account_id else None


class RehearsedClaims:
    """The claims of accounts and external ids on one server."""

    def __init__(self, claims: ManyClaims, people: RehearsedPeople) -> None:
        """``claims`` are those of the database. ``people`` notes the accounts that employees are given."""
        self._claims = claims
        self._people = people
        self._external_ids: dict[str, PersonKey] = {}
        self._known: Mapping[tuple[ClaimKind, str], PersonKey | None] = {}

    async def read_ahead(self, server: str, accounts: Iterable[AccountId], external_ids: Iterable[str]) -> None:
        """Reads the owners of accounts and external ids at once. They replace those that were read ahead before."""
        self._known = await self._claims.read_owners(server, accounts, external_ids)

    async def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the employee that owns the account; None if it has no owner."""
        owner = self._people.find_owner(server, account)
        if owner is None and (ClaimKind.ACCOUNT, account) in self._known:
            return self._known[ClaimKind.ACCOUNT, account]
        return owner or await self._claims.find_owner(server, account)

    async def find_external_id_owner(self, server: str, external_id: str) -> PersonKey | None:
        """Returns the owner of an external id; None if it has no owner."""
        owner = self._external_ids.get(external_id)
        if owner is None and (ClaimKind.EXTERNAL_ID, external_id) in self._known:
            return self._known[ClaimKind.EXTERNAL_ID, external_id]
        return owner or await self._claims.find_external_id_owner(server, external_id)

    async def claim_external_id(self, server: str, external_id: str, person: PersonKey) -> bool:
        """Claims an external id. Returns False if another employee owns it."""
        owner = await self.find_external_id_owner(server, external_id)
        if owner is None:
            self._external_ids[external_id] = person
        return owner in {None, person}

    async def claim_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> frozenset[AccountId]:
        """Claims each account for its employee. Returns the accounts that another employee owns."""
        taken: set[AccountId] = set()
        for account, person in owners.items():
            if await self.find_owner(server, account) in {None, person}:
                self._people.note_account(server, account, person)
            else:
                taken.add(account)
        return frozenset(taken)

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Passes an account from one employee to another. Returns False if the former one does not own it."""
        if await self.find_owner(server, account) not in {former, owner}:
            return False
        self._people.note_account(server, account, owner)
        return True


class RehearsedLinks:
    """The decisions about accounts that existed before. A rehearsal asks for none."""

    def __init__(self, links: Links) -> None:
        """``links`` are those of the database."""
        self._links = links
        self._people: frozenset[PersonKey] = frozenset()
        self._known: Mapping[tuple[PersonKey, AccountId], LinkDecision] = {}

    async def read_ahead(self, people: Iterable[PersonKey]) -> None:
        """Reads the decisions about employees at once. They replace those that were read ahead before."""
        self._people, self._known = frozenset(), {}
        wanted = frozenset(people)
        with suppress(StoreFailedError):  # a damaged decision concerns one employee: each is asked for alone
            self._known = await self._links.read(wanted)
            self._people = wanted

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions about these employees, open ones included."""
        wanted = frozenset(people)
        if wanted <= self._people:
            return {key: decision for key, decision in self._known.items() if key[0] in wanted}
        return await self._links.read(wanted)


class RehearsedEntries:
    """The ledger entries."""

    def __init__(self, ledger: Entries, people: RehearsedPeople) -> None:
        """``ledger`` holds the stored entries, ``people`` those of the rehearsal."""
        self._ledger = ledger
        self._people = people

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the entries of these people: those of the rehearsal, or else the stored ones."""
        wanted = set(people)
        known = {person: entry for person in wanted if (entry := self._people.find_entry(person)) is not None}
        return {**(await self._ledger.read(wanted - known.keys()) if wanted - known.keys() else {}), **known}

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Removes the account from an entry that has it."""
        entry = (await self.read([person])).get(person)
        if entry is not None and entry.account_id == account:
            self._people.keep(entry.model_copy(update={"account_id": None, "applied": None, "enabled": None}))


class RehearsedBrakes:
    """The brakes, and whether one of them holds a change."""

    def __init__(self, brakes: Brakes, held: HeldDisablings) -> None:
        """``brakes`` and ``held`` are those of the database."""
        self._brakes = brakes
        self._held = held
        self._counted: dict[ConnectionId, Brake] = {}
        self._is_held: dict[ConnectionId, bool] = {}

    async def read(self, connection: ConnectionId) -> Brake:
        """Returns the brake of a connection."""
        if connection not in self._counted:
            self._counted[connection] = await self._brakes.read(connection)
        return self._counted[connection]

    async def write(self, brake: Brake) -> bool:
        """Keeps a brake."""
        self._counted[brake.connection_id] = brake
        return True

    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Returns whether the brake holds a change of the connection."""
        if connection not in self._is_held:
            self._is_held[connection] = await self._held.has_held_disabling(connection)
        return self._is_held[connection]

    def note_cause(self, connection: ConnectionId, cause: WaitingCause | None) -> None:
        """Notes why a change waits."""
        if cause is WaitingCause.DISABLING_HELD:
            self._is_held[connection] = True
