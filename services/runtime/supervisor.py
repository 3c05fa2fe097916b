"""All services of a small installation as one group of processes: what dies is started again, with back-off."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from services.runtime import leash
from services.runtime.clock import Clock
from services.runtime.stopping import unless

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STABLE_SECONDS = 60.0
"""Who has lived so long is started anew after the first pause again."""


class Supervisor:
    """``main`` runs until SIGTERM or SIGINT, then stops its children in the order given, each before the next.

    When it is killed itself, the kernel kills them (on Linux).
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        grace_seconds: float,
        environments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """``environments`` are each child's own variables, over those of this process."""
        own = environments or {}
        self._children = [
            _Child(name, command, own.get(name, {}), clock, grace_seconds) for name, command in commands.items()
        ]
        self._stop = asyncio.Event()

    async def main(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        keeping = [asyncio.create_task(child.keep(), name=child.name) for child in self._children]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            # a task that keeps a child ends by an error only
            await asyncio.wait({*keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for child, task in zip(self._children, keeping, strict=True):
                child.stop()
                await asyncio.wait({task})
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        await asyncio.gather(*keeping)


class _Child:
    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], clock: Clock, grace: float
    ) -> None:
        self.name = name
        self._command = command
        self._environment = {**os.environ, **environment}
        self._clock = clock
        self._grace = grace
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def keep(self) -> None:
        """Until it is stopped: whenever the child ends, another one is started."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = self._clock.monotonic()
            process = await self._start()
            if not await unless(self._stop, process.wait()):
                await self._end(process)
                return
            pause = FIRST_PAUSE if self._clock.monotonic() - began > STABLE_SECONDS else pause
            logger.error("%s ended with %s and is started again in %.1f s", self.name, process.returncode, pause)
            await unless(self._stop, self._clock.sleep(pause))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _start(self) -> asyncio.subprocess.Process:
        held = (sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *self._command)
        # a session of its own: Ctrl-C reaches the supervisor alone, which then stops the children in order
        return await asyncio.create_subprocess_exec(*held, env=self._environment, start_new_session=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace):
                await process.wait()
        except TimeoutError:
            logger.warning("%s does not end in time and is killed", self.name)
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
