"""What the writer and the preview read from the database about accounts, with only the methods that they call."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from services.contracts.brakes import Brake
from services.contracts.claims import ClaimKind, LinkDecision
from services.contracts.ids import AccountId, ConnectionId, PersonKey
from services.contracts.ledger import LedgerEntry


class Claims(Protocol):
    """Which employee owns which account, across all connections. ``server`` is the normalised address of the server."""

    async def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the employee that owns the account; None if it has no owner."""
        ...

    async def find_external_id_owner(self, server: str, external_id: str) -> PersonKey | None:
        """Returns the owner of an external id; None if it has no owner."""
        ...

    async def claim_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> frozenset[AccountId]:
        """Claims each account for its employee. Returns the accounts that another employee owns: they are not claimed."""
        ...

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Passes an account from one employee to another. Returns False if the former one does not own it."""
        ...


class ManyClaims(Claims, Protocol):
    """Claims that can be read for many accounts at once."""

    async def read_owners(
        self, server: str, accounts: Iterable[AccountId], external_ids: Iterable[str]
    ) -> Mapping[tuple[ClaimKind, str], PersonKey | None]:
        """Returns the owner of each account and external id; None for one without an owner. Damaged claims are left out."""
        ...


class Links(Protocol):
    """Decisions about accounts that existed before."""

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions about these employees, open ones included."""
        ...


class Entries(Protocol):
    """The ledger entries of employees that are not in progress."""

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people, damaged ones with ``damage``."""
        ...

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Removes the account from an entry that has it: another employee owns the account now."""
        ...


class People(Protocol):
    """The employees in progress: what is settled of them is not stored yet."""

    def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the employee in progress that was given the account; None if none was."""
        ...

    def find_entry(self, person: PersonKey) -> LedgerEntry | None:
        """Returns the present entry of an employee in progress; None for others."""
        ...

    def note_account(self, server: str, account: AccountId, owner: PersonKey) -> None:
        """Notes an account that an employee in progress was given, so that no other employee gets it."""
        ...


class Brakes(Protocol):
    """What the writers have counted of the accounts that were disabled within the last hour."""

    async def read(self, connection: ConnectionId) -> Brake:
        """Returns the brake of a connection. A missing document is an empty brake, and a damaged one has ``is_damaged``."""
        ...

    async def write(self, brake: Brake) -> bool:
        """Writes a brake if its stored ``seq`` is one below. Returns False if another writer was first."""
        ...


class HeldDisablings(Protocol):
    """The changes that the brake holds."""

    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Returns whether the brake holds a change of the connection."""
        ...


class Counters(Protocol):
    """Numbers of employees."""

    async def count_accounts(self, connection: ConnectionId) -> int:
        """Returns the number of employees with an enabled account."""
        ...
