"""When each connection is polled, and by which process, with only the methods that the poller calls."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Protocol

from services.contracts.ids import ConnectionId
from services.contracts.leases import Lease, ProcessIdentity
from services.contracts.polls import PollProgress
from services.poller.ports import PollPlan


class PollSchedule(Protocol):
    """When each connection is polled next."""

    async def find_due(
        self, now: datetime, *, limit: int, without: Iterable[ConnectionId] = ()
    ) -> tuple[ConnectionId, ...]:
        """Returns active connections with a due poll, the longest due first."""
        ...

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        """Stores the time of the next poll."""
        ...

    async def set_progress(self, connection: ConnectionId, progress: PollProgress) -> None:
        """Notes up to when the changes are released."""
        ...

    async def set_verified_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last scheduled verification."""
        ...

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        """Stores the day (UTC) of the last resend of rejected employees."""
        ...


class Polls(Protocol):
    """The plans of polls."""

    async def plan(self, connection: ConnectionId) -> PollPlan:
        """Returns what a connection needs. Sends one query."""
        ...


class Leases(Protocol):
    """Leases with one owner at a time."""

    async def acquire(
        self,
        name: str,
        owner: ProcessIdentity,
        *,
        seconds: float,
        is_dead: Callable[[ProcessIdentity], bool],
    ) -> Lease | None:
        """Returns the lease; None if another live process owns it."""
        ...

    async def find_held(self, names: Iterable[str]) -> tuple[Lease, ...]:
        """Returns those leases of these names that have not ended."""
        ...

    async def count_held(self, prefix: str) -> int:
        """Returns the number of leases with names that begin like this and have not ended."""
        ...

    async def forget_ended(self, prefix: str, *, seconds: float) -> None:
        """Deletes the leases with names that begin like this and ended more than ``seconds`` ago."""
        ...

    async def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """Extends the lease and returns it. None if it was lost."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives the lease back. Does nothing for a lost lease."""
        ...
