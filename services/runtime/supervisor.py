"""All services of a small installation as one group of processes: what dies is started again, with back-off."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence

from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STABLE_SECONDS = 60.0
"""Who has lived so long is started anew without a pause."""


class Supervisor:
    """``main`` runs until SIGTERM or SIGINT, then stops all children and waits for them."""

    def __init__(self, commands: Mapping[str, Sequence[str]], clock: Clock, *, grace_seconds: float) -> None:
        self._commands = commands
        self._clock = clock
        self._grace = grace_seconds
        self._stop = asyncio.Event()

    async def main(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with asyncio.TaskGroup() as group:
            for name, command in self._commands.items():
                group.create_task(self._keep(name, command), name=name)

    async def _keep(self, name: str, command: Sequence[str]) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = self._clock.monotonic()
            # a session of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order
            child = await asyncio.create_subprocess_exec(*command, start_new_session=True)
            if await self._until_it_ends(child):
                return
            lived = self._clock.monotonic() - began
            pause = FIRST_PAUSE if lived > STABLE_SECONDS else pause
            logger.error("%s ended with %s and is started again in %.1f s", name, child.returncode, pause)
            await self._wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _until_it_ends(self, child: asyncio.subprocess.Process) -> bool:
        """True when it was stopped on purpose."""
        ended, stop = asyncio.ensure_future(child.wait()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not self._stop.is_set():
            return False
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait({ended}, timeout=self._grace)
            if not done:
                os.killpg(child.pid, signal.SIGKILL)
                await ended
        return True

    async def _wait(self, seconds: float) -> None:
        sleeping, stop = asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._stop.wait())
        _, pending = await asyncio.wait({sleeping, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
