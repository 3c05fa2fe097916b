"""Holds the lease of a connection for a command, so that no poller works on the connection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar, TypeAlias

from services.contracts.ids import ConnectionId
from services.contracts.leases import Lease, ProcessIdentity
from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.identity import identify_process, make_death_check
from services.store.database import Store

KeepLease: TypeAlias = Callable[[], Awaitable[None]]
"""Extends the lease. Raises ``ConnectionBusyError`` if it was lost."""
LEASE_SECONDS = 120
"""Seconds that the lease lasts. Each step of a command takes less, and extends the lease before it."""
ASK_SECONDS = 0.2
"""Seconds between two attempts to acquire the lease."""


class ConnectionBusyError(TransientError):
    """Another process works on the connection."""

    code: ClassVar[str] = "connection-busy"


@asynccontextmanager
async def hold_connection(
    store: Store, clock: Clock, connection: ConnectionId, *, seconds: float
) -> AsyncIterator[KeepLease]:
    """Yields a function that extends the lease of a connection, and gives the lease back at the end.

    Raises ``ConnectionBusyError`` if another process holds the lease for ``seconds``.
    """
    owner = identify_process()
    lease = await _acquire(store, clock, connection, owner, clock.monotonic() + seconds)

    async def keep() -> None:
        if not await store.leases.renew(lease, seconds=LEASE_SECONDS):
            raise ConnectionBusyError(f"the lease of connection {connection} was lost: repeat the command")

    try:
        yield keep
    finally:
        await store.leases.release(lease)


async def _acquire(
    store: Store, clock: Clock, connection: ConnectionId, owner: ProcessIdentity, deadline: float
) -> Lease:
    is_dead = make_death_check(owner)
    while True:
        lease = await store.leases.acquire(f"connection/{connection}", owner, seconds=LEASE_SECONDS, is_dead=is_dead)
        if lease is not None:
            return lease
        if clock.monotonic() >= deadline:
            raise ConnectionBusyError(
                f"a poller or another command works on connection {connection}: repeat the command later, "
                "or wait longer with --seconds"
            )
        await clock.sleep(ASK_SECONDS)
