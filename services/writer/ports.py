"""What the writer needs of the world, with only the methods that it calls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from services.contracts.accounts import Account
from services.contracts.connections import Connection
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.requests import Task
from services.provisioning.calls import Answer, Call


class Ledger(Protocol):
    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, Account]: ...

    async def write(self, accounts: Sequence[Account]) -> frozenset[PersonKey]:
        """Writes each entry if its stored ``seq`` is one below; gives the people whose race was lost."""
        ...

    async def mark_verify(self, people: Iterable[PersonKey]) -> None: ...

    async def reports_waiting_for(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> tuple[EmployeeId, ...]:
        """People whose manager is one of these and is not written as this account yet."""
        ...

    async def blocked_by(self, connection: ConnectionId, accounts: Iterable[AccountId]) -> tuple[EmployeeId, ...]:
        """People who were rejected because one of these accounts stood in the way."""
        ...

    async def released(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Those of the people whose rejection's cause is gone: the account in the way has another name by now."""
        ...

    async def holder(self, connection: ConnectionId, account: AccountId) -> EmployeeId | None:
        """Whose account it is."""
        ...

    async def waiting_connections(self) -> dict[ConnectionId, int]: ...


class Connections(Protocol):
    async def many(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Those that exist and can be read."""
        ...

    async def existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]: ...


class Requests(Protocol):
    async def file(self, connection: ConnectionId, task: Task, *, now: datetime, once: str | None = None) -> object: ...


class AccountServer(Protocol):
    """One company's SCIM server. ``perform`` raises ``TransientError`` where there is no answer to go on with."""

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """``before`` is called just before the request is sent and may forbid it by raising."""
        ...

    async def probe(self) -> None: ...

    async def close(self) -> None: ...


Verb = Literal["patch", "put"]
