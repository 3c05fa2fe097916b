"""What the writer needs from outside, with only the methods that it calls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.accounts.ports import Brakes as Brakes
from services.accounts.ports import Counters as Counters
from services.contracts.claims import LinkDecision
from services.contracts.connections import Connection, ConnectionState
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.tasks import Action
from services.contracts.work_ranges import WorkRange
from services.provisioning.calls import Answer, Call
from services.provisioning.server import ServerDescription


class Ledger(Protocol):
    """The ledger entries of all connections."""

    async def read(self, people: Iterable[PersonKey]) -> dict[PersonKey, LedgerEntry]:
        """Returns the existing entries of these people, damaged ones with ``damage``."""
        ...

    async def note_waiting(self, waiting: Mapping[PersonKey, Waiting]) -> None:
        """Notes that changes wait, without a look at the entries. An entry with a newer change stays as it is."""
        ...

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes each entry if its stored ``seq`` is one below. Returns the people with another stored ``seq``."""
        ...

    async def mark_lost(self, entries: Sequence[LedgerEntry]) -> None:
        """Marks entries for verification with a new state that was not written, because another writer changed them.

        Keeps what the unwritten entries know of writes without an answer: the attempted creates, and ``look_at`` if it is
        later than the stored one.
        """
        ...

    async def mark_verify(self, people: Iterable[PersonKey]) -> None:
        """Marks the entries, so that the next writer looks up the live account."""
        ...

    async def release_account(self, person: PersonKey, account: AccountId) -> None:
        """Removes the account from an entry that has it: another employee owns the account now."""
        ...


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

    async def claim_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> frozenset[str]:
        """Claims each external id for its employee. Returns those that another employee owns: they are not claimed."""
        ...

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Passes an account from one employee to another. Returns False if the former one does not own it."""
        ...

    async def release_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> int:
        """Removes the claim of each account that still has this owner. Returns their number."""
        ...

    async def release_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> int:
        """Removes the claim of each external id that still has this owner. Returns their number."""
        ...


class Links(Protocol):
    """Decisions about accounts that existed before."""

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions about these employees, open ones included."""
        ...

    async def ask(self, asked: Sequence[LinkDecision]) -> None:
        """Stores open decisions. A decision that exists for the same employee and account stays as it is."""
        ...

    async def withdraw(self, people: Iterable[PersonKey], asked: Iterable[LinkDecision]) -> int:
        """Removes the open decisions about these employees, except those in ``asked``. Returns their number."""
        ...


class Mappings(Protocol):
    """The published mappings of all connections."""

    async def find_newest_versions(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, int]:
        """Returns the numbers of the newest versions of those connections that have any."""
        ...


class WorkRanges(Protocol):
    """The records that writers have in progress."""

    async def begin(self, ranges: Sequence[WorkRange]) -> dict[int, WorkRange]:
        """Stores the records in progress, one range for each partition. Returns the ranges that were stored before."""
        ...


class Snapshots(Protocol):
    """What the poller has stored of the employees."""

    async def find_absent(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those that Personio no longer lists."""
        ...

    async def find_unsettled(self, people: Iterable[PersonKey]) -> frozenset[PersonKey]:
        """Returns those with a snapshot of an active employee of which no change was ever settled."""
        ...


class Runs(Protocol):
    """The polls of all connections."""

    async def find_first(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns those with a run in progress of which no earlier run has succeeded: not every employee is stored yet."""
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

    async def find_pending_reports(
        self, connection: ConnectionId, managers: Iterable[EmployeeId]
    ) -> tuple[EmployeeId, ...]:
        """Returns the employees with a change that waits until the account of one of these managers is created."""
        ...

    async def find_exchanging(self, connection: ConnectionId, among: Iterable[EmployeeId]) -> tuple[EmployeeId, ...]:
        """Returns those of the rejected employees that exchange their e-mail addresses: each blocks another of them."""
        ...

    async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
        """Returns the connections with employees that wait or are marked for verification."""
        ...

    async def take_due(
        self, connection: ConnectionId, now: datetime, most: int, patience: timedelta
    ) -> tuple[EmployeeId, ...]:
        """Returns employees that are due to be tried again. They are due again after ``patience``."""
        ...

    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Returns whether the brake holds a change of the connection."""
        ...

    async def take_due_looks(self, now: datetime) -> dict[ConnectionId, tuple[EmployeeId, ...]]:
        """Marks entries with a due look for verification, and removes their ``look_at``. Returns their employees."""
        ...


class Connections(Protocol):
    """The connections with their credentials."""

    async def get_readable(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Returns the connections that exist, except those with secrets that cannot be decrypted."""
        ...

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist."""
        ...

    async def find_states(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, ConnectionState]:
        """Returns the states of the connections that exist, readable or not."""
        ...


class Tasks(Protocol):
    """The tasks for the lease owners of the connections."""

    async def file(self, connection: ConnectionId, action: Action, *, now: datetime, once: str | None = None) -> object:
        """Files a task. With ``once``, an open task of the same key stands for the new one."""
        ...


class ScimServer(Protocol):
    """The SCIM server of one connection."""

    async def discover(self) -> ServerDescription:
        """Returns what the server says about itself; raises ``TransientError`` if it does not accept the key."""
        ...

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
