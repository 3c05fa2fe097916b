"""What the writer needs from outside, with only the methods that it calls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from services.contracts.connections import Connection
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.tasks import Action
from services.provisioning.calls import Answer, Call

UpdateVerb: TypeAlias = Literal["patch", "put"]
"""How a server is asked to change an account."""


class Ledger(Protocol):
    """The ledger entries of all connections."""

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people."""
        ...

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if its stored ``seq`` is one below. Returns the people with another stored ``seq``."""
        ...

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries, so that the next writer looks up the live account."""
        ...

    async def find_owner(self, connection: ConnectionId, account: AccountId) -> EmployeeId | None:
        """Returns the employee that owns an account; None if the ledger knows no owner."""
        ...


class FollowUps(Protocol):
    """Queries for employees with a change that can be retried now."""

    async def find_waiting_reports(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> tuple[EmployeeId, ...]:
        """Returns the employees that report to one of these managers and are not yet written with its account."""
        ...

    async def find_blocked_by(self, connection: ConnectionId, accounts: Iterable[AccountId]) -> tuple[EmployeeId, ...]:
        """Returns the employees that were rejected because of a conflict with one of these accounts."""
        ...

    async def find_unblocked(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns the rejected employees for which the conflicting account has another user name now."""
        ...


class WaitingCounts(Protocol):
    """Counts of waiting employees."""

    async def count_waiting(self) -> dict[ConnectionId, int]:
        """Returns the number of waiting employees for each connection that has any."""
        ...


class Connections(Protocol):
    """The connections with their credentials."""

    async def get_readable(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Returns the connections that exist, except those with secrets that cannot be decrypted."""
        ...

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist."""
        ...


class Tasks(Protocol):
    """The tasks for the lease owners of the connections."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> object:
        """Files a task. With ``once``, an open task of the same key stands for the new one."""
        ...


class ScimServer(Protocol):
    """The SCIM server of one connection."""

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """Sends one request and returns the answer; raises ``TransientError`` if the answer is missing or unusable.

        ``before`` is called just before the request is sent. It forbids the request by raising.
        """
        ...

    async def probe(self) -> None:
        """Raises ``TransientError`` if the server does not accept requests with the stored key."""
        ...

    async def close(self) -> None:
        """Closes the connections to the server."""
        ...
