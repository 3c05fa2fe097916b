"""A deployable's life: HTTP first, then its parts in order, each tried until its servers answer; stop in reverse."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.health import Check, Health, Http
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from services.runtime.stopping import unless

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
LEAST_SECONDS = 2.0
"""Each part gets at least so long to stop, even when those before it have used up the time."""


class Part(Protocol):
    async def start(self) -> None:
        """Raises ``TransientError`` while a server that it needs is away; it is then called again.

        It may be cancelled, when the process is told to stop, and leaves nothing behind then.
        """
        ...

    async def stop(self) -> None: ...


class Process:
    """``main`` runs until a signal or ``fatal``; its result is the exit code."""

    def __init__(self, name: str, settings: ProcessSettings, clock: Clock, metrics: Metrics) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._parts: list[tuple[str, Part]] = []
        self._health = Health(name, metrics)
        self._stop = asyncio.Event()
        self.http_port: int | None = None
        """Set while it runs; the one that was found free when the setting is 0."""

    def add(self, name: str, part: Part) -> None:
        self._parts.append((name, part))

    def add_check(self, name: str, check: Check) -> None:
        self._health.add_check(name, check)

    def fatal(self, reason: str) -> None:
        """Something that only a new process can heal: ends this one with an exit code that says so."""
        logger.error("the process ends, to be started again: %s", reason)
        self._health.failure = self._health.failure or reason
        self._stop.set()

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        http = Http(self._health.app, self._settings.http_host, self._settings.http_port)
        self.http_port = http.port
        started: list[tuple[str, Part]] = []
        try:
            await self._start(started)
            await self._stop.wait()
        finally:
            self._health.started = False
            await self._stop_all(started)
            await http.stop()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        return 1 if self._health.failure else 0

    async def _start(self, started: list[tuple[str, Part]]) -> None:
        for name, part in self._parts:
            if not await self._try_until_started(name, part):
                return
            started.append((name, part))
        self._health.started = True
        logger.info("started")

    async def _try_until_started(self, name: str, part: Part) -> bool:
        """False when the process was told to stop before the part had started."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                return await unless(self._stop, part.start())
            except TransientError as error:
                logger.warning("waiting for %s: %s", name, error)
            await unless(self._stop, self._clock.sleep(pause))
            pause = min(pause * 2, LONGEST_PAUSE)
        return False

    async def _stop_all(self, started: list[tuple[str, Part]]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.graceful_timeout_seconds
        for name, part in reversed(started):
            try:
                async with asyncio.timeout_at(max(deadline, loop.time() + LEAST_SECONDS)):
                    await part.stop()
            except TimeoutError:
                logger.warning("%s did not stop in time; what it had in work is done again", name)
            except Exception as error:  # noqa: BLE001 - the others have to be stopped all the same
                logger.warning("%s did not stop in order: %s", name, describe(error))
        logger.info("stopped")


class Background:
    """A part that is a loop and must never end silently: when it does, the process is told so and ends."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], fatal: Callable[[str], None]) -> None:
        self._name = name
        self._work = work
        self._fatal = fatal
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        if not self.running:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:
            logger.error("%s has ended", self._name, exc_info=error)
            self._fatal(f"{self._name} has ended: {describe(error)}")
        else:
            self._fatal(f"{self._name} has ended, although it never should")
