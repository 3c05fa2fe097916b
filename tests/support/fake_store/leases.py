"""The leases in memory."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.contracts.leases import Lease, ProcessIdentity
from tests.support.builders import NOW
from tests.support.fake_store.pages import give_turn


def _assume_alive(_owner: ProcessIdentity) -> bool:
    return False


class FakeLeases:
    """``services.store.leases.Leases`` in memory: one owner at a time, and a fence that grows."""

    def __init__(self) -> None:
        self.content: dict[str, Lease] = {}
        self.now: Callable[[], datetime] = lambda: NOW
        """The clock of the database. It stands still unless a test sets another one."""

    async def acquire(
        self,
        name: str,
        owner: ProcessIdentity,
        *,
        seconds: float,
        is_dead: Callable[[ProcessIdentity], bool] = _assume_alive,
    ) -> Lease | None:
        """Returns the lease; None if another live process owns it."""
        await give_turn()
        stored = self.content.get(name)
        is_free = stored is None or stored.expires_at <= self.now() or stored.owner.token == owner.token
        if stored is not None and not is_free and not is_dead(stored.owner):
            return None
        fence = 1 if stored is None else stored.fence + 1
        self.content[name] = Lease(name, owner, fence, self.now() + timedelta(seconds=seconds))
        return self.content[name]

    async def renew(self, lease: Lease, *, seconds: float) -> Lease | None:
        """Extends the lease and returns it. None if it was lost."""
        await give_turn()
        if not self._is_current(lease):
            return None
        ends_at = self.now() + timedelta(seconds=seconds)
        self.content[lease.name] = replace(self.content[lease.name], expires_at=ends_at)
        return self.content[lease.name]

    async def release(self, lease: Lease) -> None:
        """Gives the lease back. Does nothing for a lost lease."""
        await give_turn()
        if self._is_current(lease):
            long_ago = datetime(1970, 1, 1, tzinfo=UTC)
            self.content[lease.name] = replace(self.content[lease.name], expires_at=long_ago)

    async def find_held(self, names: Iterable[str]) -> tuple[Lease, ...]:
        """Returns those leases of these names that have not ended."""
        await give_turn()
        known = [self.content[name] for name in names if name in self.content]
        return tuple(lease for lease in known if lease.expires_at > self.now())

    async def list_held(self, prefix: str) -> tuple[Lease, ...]:
        """Returns the leases that ``count_held`` counts."""
        return await self.find_held(name for name in sorted(self.content) if name.startswith(prefix))

    async def count_held(self, prefix: str) -> int:
        """Returns the number of leases with names that begin like this and have not ended."""
        await give_turn()
        return sum(name.startswith(prefix) and lease.expires_at > self.now() for name, lease in self.content.items())

    async def forget_ended(self, prefix: str, *, seconds: float) -> None:
        """Deletes the leases with names that begin like this and ended more than ``seconds`` ago."""
        await give_turn()
        before = self.now() - timedelta(seconds=seconds)
        ended = [name for name, lease in self.content.items() if name.startswith(prefix) and lease.expires_at < before]
        for name in ended:
            del self.content[name]

    async def find(self, name: str) -> Lease | None:
        """Returns the current or last lease of this name; None if there was none."""
        await give_turn()
        return self.content.get(name)

    def _is_current(self, lease: Lease) -> bool:
        stored = self.content.get(lease.name)
        return stored is not None and (stored.owner.token, stored.fence) == (lease.owner.token, lease.fence)
