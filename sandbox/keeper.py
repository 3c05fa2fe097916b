"""Starts again what has died, with a pause that grows while it keeps dying."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from sandbox.stack.errors import StackError

LOOK_SECONDS = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STABLE_SECONDS = 60.0
"""Who has lived so long is started again after the first pause."""


class Part(Protocol):
    """A process, or a server that has one."""

    @property
    def running(self) -> bool: ...

    async def start(self) -> None: ...


class Keeper:
    """``run`` goes on until it is cancelled. Parts may be added meanwhile: ``parts`` is looked at each time."""

    def __init__(self, parts: Mapping[str, Part], say: Callable[[str], None]) -> None:
        self._parts = parts
        self._say = say
        self._pauses: dict[str, float] = {}
        self._started: dict[str, float] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            reviving: dict[str, asyncio.Task[None]] = {}
            while True:
                for name, part in self._parts.items():
                    if not part.running and (name not in reviving or reviving[name].done()):
                        reviving[name] = group.create_task(self._revive(name, part))
                await asyncio.sleep(LOOK_SECONDS)

    async def _revive(self, name: str, part: Part) -> None:
        lived = time.monotonic() - self._started.get(name, 0.0)
        pause = FIRST_PAUSE if lived > STABLE_SECONDS else self._pauses.get(name, FIRST_PAUSE)
        self._pauses[name] = min(pause * 2, LONGEST_PAUSE)
        self._say(f"{name} has ended; it is started again")
        await asyncio.sleep(pause)
        self._started[name] = time.monotonic()
        try:
            await part.start()
        except StackError as error:
            self._say(str(error).splitlines()[0])
