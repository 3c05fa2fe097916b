"""All services of a small installation as one group of processes. A process that ends is restarted after a back-off."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from services.runtime import parent_death
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.stopping import run_until

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop the supervisor and its children."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
"""Seconds before a restart: at first, and at most."""
STABLE_SECONDS = 60.0
"""Uptime in seconds after which the back-off of a child is reset."""


class Supervisor:
    """Runs child processes until SIGTERM or SIGINT. If it is killed itself, Linux kills its children."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        clock: Clock,
        *,
        grace_seconds: float,
        environments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """``commands`` are the command lines of the children by name.

        A child that still runs ``grace_seconds`` after SIGTERM is killed. ``environments`` are each child's variables, in
        addition to those of this process.
        """
        variables = environments or {}
        self._children = [
            _Child(name, command, variables.get(name, {}), clock, grace_seconds) for name, command in commands.items()
        ]
        self._stop = asyncio.Event()

    async def main(self) -> None:
        """Runs the children until a signal, then stops them one after the other in the order of ``commands``."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        running = [asyncio.create_task(child.run(), name=child.name) for child in self._children]
        stopping = asyncio.create_task(self._stop.wait())
        try:
            # before the signal, the task of a child ends only with an error
            await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            for child, task in zip(self._children, running, strict=True):
                child.stop()
                await asyncio.wait({task})
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        await asyncio.gather(*running)


class _Child:
    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], clock: Clock, grace_seconds: float
    ) -> None:
        self.name = name
        self._command = command
        self._environment = {**os.environ, **environment}
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Lets ``run`` end the process and return."""
        self._stop.set()

    async def run(self) -> None:
        """Runs the process until ``stop``, and restarts it whenever it ends."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stop.is_set():
            started_at = self._clock.monotonic()
            process = await self._start()
            if not await run_until(self._stop, process.wait()):
                await self._end(process)
                return
            if self._clock.monotonic() - started_at > STABLE_SECONDS:
                backoff.reset()
            pause = backoff.next_pause()
            logger.error("%s ended with exit code %s; restart in %.1f s", self.name, process.returncode, pause)
            await run_until(self._stop, self._clock.sleep(pause))

    async def _start(self) -> asyncio.subprocess.Process:
        command = (sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid()), *self._command)
        # in a session of its own: Ctrl-C reaches the supervisor only, which then stops the children in order
        return await asyncio.create_subprocess_exec(*command, env=self._environment, start_new_session=True)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._grace_seconds):
                await process.wait()
        except TimeoutError:
            logger.warning("%s did not end in time and is killed", self.name)
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
