"""The repositories in memory as the work on one connection sees them: with a fence."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from services.contracts.leases import Fence

if TYPE_CHECKING:
    from tests.support.fake_store import FakeStore

GUARDED: Mapping[str, frozenset[str]] = {
    "snapshots": frozenset(
        {
            "save",
            "replace_attributes",
            "note_listings",
            "mark_emitted",
            "mark_oversized",
            "mark_absent",
            "mark_unknown",
            "clear_absent",
        }
    ),
    "expiry": frozenset({"remove_missing", "reduce_leavers", "remove_examples"}),
    "marks": frozenset({"repair_unsettled", "repair_all"}),
    "catalogues": frozenset({"save"}),
    "runs": frozenset({"fail_unfinished", "replace_held", "decide"}),
    "observations": frozenset({"drop", "drop_person", "drop_others"}),
    "tasks": frozenset({"start", "set_progress", "finish", "fail", "reopen_running"}),
    "verifications": frozenset({"begin", "restart", "note_repaired", "finish"}),
    "schedule": frozenset({"set_next_poll", "set_rejected_resent_on", "set_verified_on", "set_progress"}),
}
"""The writes that a fence guards, by repository."""
UNGUARDED: Mapping[str, frozenset[str]] = {
    "runs": frozenset({"begin", "save"}),
    "observations": frozenset({"save"}),
    "tasks": frozenset({"file"}),
    "verifications": frozenset({"save_step"}),
    "ledger": frozenset({"mark_verify", "allow_disabling"}),
}
"""The writes that need no fence. ADR 029 says why."""


async def _continue(_: str) -> None:
    """Stops nothing."""


class FencedFakeStore:
    """``services.store.fenced.FencedStore`` in memory: a guarded write after the end of the lease changes nothing."""

    def __init__(
        self, store: "FakeStore", fence: Fence, before_write: Callable[[str], Awaitable[None]] = _continue
    ) -> None:
        """``before_write`` runs before each write takes effect. It receives its name, such as ``runs.decide``."""
        self._store = store
        self._fence = fence
        self._before_write = before_write

    def __getattr__(self, name: str) -> Any:
        return _FencedRepository(self, name, getattr(self._store, name))

    def is_over(self) -> bool:
        """Returns whether the lease has ended, by the clock of the database."""
        return self._store.leases.now() >= self._fence.ends_at

    async def write(self, path: str, method: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Carries out a write, unless it is guarded and late."""
        repository, name = path.split(".")
        await self._before_write(path)
        if name in UNGUARDED.get(repository, ()):
            return await method(*args, **options)
        result = None
        if not self.is_over():
            result = await method(*args, **options)
        elif path == "snapshots.save":  # an insert is not guarded
            await method([(snapshot, previous) for snapshot, previous in args[0] if previous is None])
        self._fence.ensure_held()
        return result


class _FencedRepository:
    def __init__(self, store: FencedFakeStore, name: str, target: Any) -> None:
        self._fenced = store
        self._name = name
        self._target = target

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name not in GUARDED.get(self._name, frozenset()) | UNGUARDED.get(self._name, frozenset()):
            return method
        return lambda *args, **options: self._fenced.write(f"{self._name}.{name}", method, args, options)
