"""One life of a replica: everything between its start and its crash. What a life does to the world passes through it."""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import detangle

from tests.simulation.faults import Fault, Faults
from tests.simulation.history import History
from tests.support.builders import NOW

_LIFE: ContextVar["Life | None"] = ContextVar("life", default=None)

PAUSES = (5.0, 40.0, 90.0)
"""How long a suspended replica does nothing, in seconds. Some are longer than a session and a lease."""


class Life:
    """One life of a replica.

    Every port of the product passes through ``reach``: there the life may crash or be suspended. A dead life reaches
    nothing any longer, so the cleanup of its cancelled tasks has no effect, as after a killed process.
    """

    def __init__(self, name: str, faults: Faults, history: History) -> None:
        """``name`` names the replica."""
        self.name = name
        self.history = history
        self.faults = faults
        self.tasks: list[asyncio.Task[Any]] = []
        """All tasks that the life has started."""
        self.shake: Callable[[], None] = lambda: None
        """Is called at every await; it may move the partitions of the life."""
        self.end = asyncio.Event()
        """Is set when the life is over."""
        self._paused_until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the life has ended."""
        return self.end.is_set()

    def start(self, coroutine: Any) -> None:
        """Starts a task of this life. Tasks that it starts belong to the life as well."""
        token = _LIFE.set(self)
        try:
            asyncio.get_running_loop().create_task(coroutine, name=self.name)
        finally:
            _LIFE.reset(token)

    def kill(self, why: str) -> None:
        """Ends the life: all of its memory is lost."""
        if not self.is_over:
            self.history.note(self.name, why)
            self.end.set()
        for task in self.tasks:
            task.cancel()

    async def reach(self, what: str) -> None:
        """Gives the others a turn before an effect or after it. May crash or suspend the life."""
        if not self.is_over:
            if self.faults.strikes(Fault.CRASH):
                self.kill(f"crashes at {what}")
            elif self.faults.strikes(Fault.PAUSE):
                seconds = detangle.choice(PAUSES)
                self._paused_until = asyncio.get_running_loop().time() + seconds
                self.history.note(self.name, f"is suspended for {seconds:.0f} s at {what}")
            self.shake()
        await asyncio.sleep(0)
        await self._wait_out_pause()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, or later if the life is suspended then."""
        await asyncio.sleep(seconds)
        await self._wait_out_pause()

    async def _wait_out_pause(self) -> None:
        while (rest := self._paused_until - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - virtual time, not a condition
            await asyncio.sleep(rest)
        if self.is_over:
            raise asyncio.CancelledError


class LifeClock:
    """The product's clock on virtual time."""

    def __init__(self, life: Life | None = None) -> None:
        """Without ``life``, the clock belongs to the world."""
        self._life = life

    def now(self) -> datetime:
        """Returns the virtual time, to the millisecond."""
        return NOW + timedelta(milliseconds=int(self.monotonic() * 1000))

    def monotonic(self) -> float:
        """Returns the virtual seconds since the start."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Returns after that many virtual seconds."""
        await (asyncio.sleep(seconds) if self._life is None else self._life.sleep(seconds))


class OrderedTask(asyncio.Task[Any]):
    """A task with a hash that is the same in every run, so that sets of tasks have the same order in every run."""

    def __init__(self, number: int, coroutine: Any, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class TaskFactory:
    """Makes the tasks of a simulated loop, and notes to which life they belong."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None) -> OrderedTask:
        """Makes a task."""
        task = OrderedTask(next(self._numbers), coroutine, loop=loop, context=context)
        life = _LIFE.get() if context is None else context.get(_LIFE)
        if life is not None:
            life.tasks.append(task)
        return task
