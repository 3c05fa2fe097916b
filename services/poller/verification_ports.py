"""What a verification needs from outside, with only the methods that it calls."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import PublishedMapping
from services.contracts.verifications import VerificationStep
from services.provisioning.calls import Answer, Page


class AccountList(Protocol):
    """The accounts of one connection's Declaree."""

    @property
    def server(self) -> str:
        """The normalised address of the server."""
        ...

    def iterate_accounts(self, start: int) -> AsyncIterator[tuple[int, Page]]:
        """Yields the accounts page by page, each with the number of its first account."""
        ...

    async def read_account(self, account: AccountId) -> Answer:
        """Reads one account. Answered as ``ReadAccount``."""
        ...


class AccountSource(Protocol):
    """Opens a connection's Declaree for one verification."""

    def __call__(self, connection: ConnectionId) -> AbstractAsyncContextManager[AccountList]:
        """Returns the list as a context manager."""
        ...


class Ledger(Protocol):
    """The ledger entries of all connections."""

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people."""
        ...

    async def find_by_accounts(
        self, connection: ConnectionId, accounts: Iterable[AccountId]
    ) -> dict[AccountId, EmployeeId]:
        """Returns the employees of a connection that have one of these accounts."""
        ...

    async def allow_disabling(self, revisions: Mapping[PersonKey, int]) -> None:
        """Notes that an administrator has decided to disable the accounts of these employees, from this revision on."""
        ...

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries, so that the writer looks up the live account."""
        ...


class Claims(Protocol):
    """Which employee owns which account."""

    async def find_owners(self, server: str, accounts: Iterable[AccountId]) -> dict[AccountId, PersonKey]:
        """Returns the owners of those accounts that have one."""
        ...


class Mappings(Protocol):
    """The published mappings."""

    async def get_published(self, connection: ConnectionId) -> PublishedMapping | None:
        """Returns the newest published version; None if none was published."""
        ...


class Verifications(Protocol):
    """Verifications in progress and their findings."""

    async def begin(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of an abandoned verification."""
        ...

    async def restart(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of a verification, so that it begins again."""
        ...

    def iterate_steps(self, connection: ConnectionId, run: str) -> AsyncIterator[VerificationStep]:
        """Yields the stored steps of a verification, in order. Raises ``ConnectorError`` for a damaged one."""
        ...

    async def save_step(self, connection: ConnectionId, run: str, step: VerificationStep) -> bool:
        """Stores the next step. Returns False if another process has stored a step of this number."""
        ...

    async def note_repaired(self, connection: ConnectionId, run: str, step: int) -> None:
        """Notes that the employees of a step were resent."""
        ...

    async def finish(self, connection: ConnectionId, run: str, counts: dict[str, int], *, now: datetime) -> None:
        """Stores the report of a verification."""
        ...
