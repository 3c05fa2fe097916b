"""The surroundings of an employee that is settled apart from all others: what was read before, and nothing else.

A settlement that asks for anything else ends with ``NotGivenError``, so that its result never depends on what it was not given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Never

from services.accounts.dry_writer import Perform
from services.contracts.brakes import Brake
from services.contracts.claims import ClaimKind, LinkDecision
from services.contracts.ids import AccountId, ConnectionId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.provisioning.calls import Answer, Call, FindAccounts, Found, Resource
from services.provisioning.marks import normalise_lookup
from services.provisioning.server import ServerDescription


class NotGivenError(Exception):
    """A settlement asks for something that it was not given."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known about one employee without decisions about accounts."""

    accounts: Mapping[AccountId, Resource]
    """The accounts that the lookups find, and the one that the ledger remembers."""
    found: Mapping[FindAccounts, tuple[AccountId, ...]]
    """The accounts that each lookup finds, as ``normalise_lookup`` writes it."""
    owners: Mapping[tuple[ClaimKind, str], PersonKey | None]
    """The owners of these accounts, and of the external ids; None for one without an owner."""


class ConfinedLookups:
    """The lookups on the server."""

    def __init__(self, given: Surroundings) -> None:
        """Answers from ``given``."""
        self._given = given

    def get_content(self, account: AccountId) -> Resource | None:
        """Returns a given account; None for any other."""
        return self._given.accounts.get(account)

    async def find(self, call: FindAccounts, perform: Perform) -> Answer:
        """Returns the given accounts that a lookup finds. ``perform`` sends a lookup that needs the server."""
        found = self._given.found.get(normalise_lookup(call))
        if call.is_fresh or found is None:
            return await perform(call)
        return Found(tuple(self._given.accounts[account] for account in found))


class ConfinedServer:
    """A server that is not asked."""

    async def discover(self) -> ServerDescription:
        """Raises ``NotGivenError``."""
        _refuse("the description of the server")

    async def perform(self, call: Call) -> Answer:
        """Raises ``NotGivenError``."""
        _refuse(f"an answer of the server ({call.code})")


class ConfinedDatabase:
    """A database that has the owners of the given accounts, and is not asked for anything else."""

    def __init__(self, given: Surroundings) -> None:
        """Answers from ``given``."""
        self.ledger = _Entries()
        self.claims = _Claims(given)
        self.links = _Links()
        self.brakes = _Brakes()
        self.followups = _HeldDisablings()
        self.counters = _Counters()


class _Entries:
    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Raises ``NotGivenError``."""
        del people
        _refuse("the ledger entries of other employees")

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Raises ``NotGivenError``."""
        del person, account
        _refuse("the ledger entries of other employees")


class _Claims:
    def __init__(self, given: Surroundings) -> None:
        self._owners = given.owners

    async def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the owner of a given account; None if it has no owner."""
        del server
        return self._find(ClaimKind.ACCOUNT, account)

    async def find_external_id_owner(self, server: str, external_id: str) -> PersonKey | None:
        """Returns the owner of a given external id; None if it has no owner."""
        del server
        return self._find(ClaimKind.EXTERNAL_ID, external_id)

    def _find(self, kind: ClaimKind, claimed: str) -> PersonKey | None:
        if (kind, claimed) not in self._owners:
            _refuse("the owner of an account or external id")
        return self._owners[kind, claimed]

    async def read_owners(
        self, server: str, accounts: Iterable[AccountId], external_ids: Iterable[str]
    ) -> Mapping[tuple[ClaimKind, str], PersonKey | None]:
        """Raises ``NotGivenError``."""
        del server, accounts, external_ids
        _refuse("the owners of many accounts")

    async def claim_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> frozenset[AccountId]:
        """Raises ``NotGivenError``."""
        del server, owners
        _refuse("a write to the database")

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Raises ``NotGivenError``."""
        del server, account, former, owner
        _refuse("a write to the database")


class _Links:
    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns nothing: the employee has no decisions, and a settlement asks for those of no other one."""
        del people
        return {}


class _Brakes:
    async def read(self, connection: ConnectionId) -> Brake:
        """Raises ``NotGivenError``."""
        del connection
        _refuse("the brake, which counts all employees")

    async def write(self, brake: Brake) -> bool:
        """Raises ``NotGivenError``."""
        del brake
        _refuse("a write to the database")


class _HeldDisablings:
    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Raises ``NotGivenError``."""
        del connection
        _refuse("the brake, which counts all employees")


class _Counters:
    async def count_accounts(self, connection: ConnectionId) -> int:
        """Raises ``NotGivenError``."""
        del connection
        _refuse("the brake, which counts all employees")


def _refuse(what: str) -> Never:
    raise NotGivenError(f"a settlement apart from others asks for {what}")
