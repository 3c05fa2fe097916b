"""Limits the time of a task. The time in which it waits for the pace of a server does not count."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

_limit: ContextVar["TimeLimit | None"] = ContextVar("time_limit", default=None)


class TimeLimit:
    """Cancels the code inside after a number of seconds, and raises ``TimeoutError``. Use as an asynchronous context manager."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` is the time that the code inside may take, without the time inside ``stop_time_limit``."""
        self._left = seconds
        self._timeout = asyncio.timeout(None)
        self._task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._task = asyncio.current_task()
        self._token = _limit.set(self)
        self.resume()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _limit.reset(self._token)
        await self._timeout.__aexit__(kind, error, traceback)

    @property
    def is_running(self) -> bool:
        """Whether time counts: in the task that entered the limit, unless the limit has stopped or is exceeded."""
        is_own = asyncio.current_task() is self._task
        return is_own and self._timeout.when() is not None and not self._timeout.expired()

    def stop(self) -> None:
        """Stops the time."""
        self._left = (self._timeout.when() or 0.0) - asyncio.get_running_loop().time()
        self._timeout.reschedule(None)

    def resume(self) -> None:
        """Lets the time run again."""
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)


@contextmanager
def stop_time_limit() -> Iterator[None]:
    """Does not count the time inside against the limit of the current task, if it has one."""
    limit = _limit.get()
    if limit is None or not limit.is_running:
        yield
        return
    limit.stop()
    try:
        yield
    finally:
        limit.resume()
