"""Restarts components of an installation that have ended, with a pause that grows from failure to failure."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from sandbox.stack.errors import StackError

CHECK_SECONDS = 0.5
"""Seconds between two checks of all components."""

FIRST_PAUSE_SECONDS = 0.5
"""Pause before the first restart of a component."""

LONGEST_PAUSE_SECONDS = 30.0
"""Upper limit of the pause, which doubles with each restart."""

STABLE_SECONDS = 60.0
"""Uptime in seconds after which the pause is reset to ``FIRST_PAUSE_SECONDS``."""


class Component(Protocol):
    """A process, or a server that runs as a process."""

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        ...

    async def start(self) -> None:
        """Starts the process and waits until it is ready. Raises ``StackError`` if it does not become ready."""
        ...


class Supervisor:
    """Restarts ended components until ``run`` is cancelled. Components may be added to the mapping at any time."""

    def __init__(self, components: Mapping[str, Component], report: Callable[[str], None]) -> None:
        self._components = components
        self._report = report
        self._pauses: dict[str, float] = {}
        self._start_times: dict[str, float] = {}

    async def run(self) -> None:
        """Checks all components at intervals and restarts the ended ones. Returns only by cancellation."""
        async with asyncio.TaskGroup() as group:
            restarts: dict[str, asyncio.Task[None]] = {}
            while True:
                for name, component in self._components.items():
                    if not component.is_running and (name not in restarts or restarts[name].done()):
                        restarts[name] = group.create_task(self._restart(name, component))
                await asyncio.sleep(CHECK_SECONDS)

    async def _restart(self, name: str, component: Component) -> None:
        uptime = time.monotonic() - self._start_times.get(name, 0.0)
        pause = FIRST_PAUSE_SECONDS if uptime > STABLE_SECONDS else self._pauses.get(name, FIRST_PAUSE_SECONDS)
        self._pauses[name] = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self._report(f"{name} has ended; it is restarted in {pause:g} s")
        await asyncio.sleep(pause)
        self._start_times[name] = time.monotonic()
        try:
            await component.start()
        except StackError as error:
            self._report(str(error).splitlines()[0])
