"""The fake store as one life sees it: every command may crash the life, fail, take effect unanswered, or be slow."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import detangle

from services.contracts.leases import Fence
from services.store.errors import StoreUnavailableError
from tests.simulation.faults import Fault
from tests.simulation.process import Life

READS = ("get", "read", "find", "filter", "list", "count", "is_", "has_", "ensure", "stream", "page")
"""Beginnings of the names of commands that change nothing."""
PAGED = ("stream", "page")
"""Beginnings of the names of commands that yield pages."""
SLOW_SECONDS = (0.5, 4.0, 15.0)
"""How long a slow command takes."""


class GuardedStore:
    """All repositories, each behind the faults of one life."""

    def __init__(self, store: Any, life: Life, see_write: Callable[[str], None]) -> None:
        """``store`` is a fake one, or its repositories with a fence. ``see_write`` receives the names of repository and method
        after each write.
        """
        self._store = store
        self._life = life
        self._see_write = see_write

    def fence(self, fence: Fence) -> "GuardedStore":
        """Returns the repositories of the work that this fence guards."""
        return GuardedStore(self._store.fence(fence), self._life, self._see_write)

    def __getattr__(self, name: str) -> Any:
        repository = _GuardedRepository(name, getattr(self._store, name), self._life, self._see_write)
        setattr(self, name, repository)
        return repository


class _GuardedRepository:
    def __init__(self, name: str, target: Any, life: Life, see_write: Callable[[str], None]) -> None:
        self._name = name
        self._target = target
        self._life = life
        self._see_write = see_write

    def __getattr__(self, name: str) -> Any:
        command = f"{self._name}.{name}"
        guarded = (self._guard_pages if name.startswith(PAGED) else self._guard)(command, getattr(self._target, name))
        setattr(self, name, guarded)
        return guarded

    def _guard(self, command: str, method: Any) -> Any:
        is_read = command.partition(".")[2].startswith(READS)

        async def call(*args: Any, **options: Any) -> Any:
            await self._begin(command)
            result = await method(*args, **options)
            if is_read:
                return result
            self._see_write(command)
            await self._life.reach(f"{command} (done)")
            if self._life.faults.strikes(Fault.STORE_UNANSWERED):
                self._fail(command, "carried out, no answer")
            return result

        return call

    def _guard_pages(self, command: str, method: Any) -> Any:
        async def iterate(*args: Any, **options: Any) -> AsyncIterator[Any]:
            await self._begin(command)
            async for page in method(*args, **options):
                yield page
                await self._begin(command)

        return iterate

    async def _begin(self, command: str) -> None:
        await self._life.reach(command)
        if self._life.faults.strikes(Fault.STORE_SLOW):
            await self._life.sleep(detangle.choice(SLOW_SECONDS))
        if self._life.faults.strikes(Fault.STORE_REFUSES):
            self._fail(command, "not carried out")

    def _fail(self, command: str, details: str) -> None:
        self._life.history.note(self._life.name, f"MongoDB fails: {command} ({details})")
        raise StoreUnavailableError(f"MongoDB does not answer: {command}")
