"""The brake: holds changes that would disable unusually many accounts of a connection within an hour.

The guard of the poller sees the changes in Personio. A mapping, a replay or forged events can disable as many accounts without one.
"""

import asyncio
from collections import defaultdict
from datetime import timedelta

from services.accounts.ports import Brakes, Counters, HeldDisablings
from services.contracts.brakes import Brake
from services.contracts.connections import Guard
from services.contracts.ids import ConnectionId
from services.runtime.clock import Clock

RECOUNT = timedelta(minutes=10)
"""Time after which the enabled accounts of a connection are counted again. The ledger still has the accounts as enabled that the
present batch has disabled, so that they count twice in a new count. The first count of an hour comes before them."""


def is_unusual(guard: Guard, disabled: int, accounts: int) -> bool:
    """Returns whether a number of ``disabled`` accounts is above both thresholds. ``accounts`` is the number that were enabled before."""
    return disabled > guard.people and disabled > guard.share * accounts


class BrakeKeeper:
    """Decides about each account just before it is disabled. Counts with the writers of all replicas together."""

    def __init__(self, brakes: Brakes, followups: HeldDisablings, counters: Counters, clock: Clock) -> None:
        """Counts in ``brakes``. A connection with a held change, as ``followups`` tell, disables no further account."""
        self._brakes = brakes
        self._followups = followups
        self._counters = counters
        self._clock = clock
        self._locks: dict[ConnectionId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def hold(self, connection: ConnectionId, guard: Guard) -> bool:
        """Returns whether an account must stay enabled until an administrator decides. If not, it was counted as disabled."""
        if not guard.is_on:
            return False
        # within one process, the changes of a connection take turns: each write is conditional on the one before
        async with self._locks[connection]:
            while not await self._followups.has_held_disabling(connection):
                brake = await self._brakes.read(connection)
                counted = None if brake.is_damaged else await self._count(brake, guard)
                if counted is None:
                    return True
                if await self._brakes.write(counted):
                    return False
        return True

    async def _count(self, brake: Brake, guard: Guard) -> Brake | None:
        """Returns the brake with one more account; None if that would be unusual."""
        now = self._clock.now()
        recent = brake.count_recent(now)
        if brake.counted_at is None or abs(now - brake.counted_at) >= RECOUNT:
            accounts = await self._counters.count_accounts(brake.connection_id) + recent
            brake = brake.model_copy(update={"accounts": accounts, "counted_at": now})
        if is_unusual(guard, recent + 1, brake.accounts or 0):
            return None
        return brake.add(now).model_copy(update={"seq": brake.seq + 1})
