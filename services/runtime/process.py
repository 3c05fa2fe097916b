"""The life of a service: HTTP first, then its parts in order, each retried until its server answers. Stops in reverse."""

import asyncio
import logging
import signal
from typing import Protocol

from services.errors import TransientError
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.health import Check, Health, HttpServer
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from services.runtime.stopping import run_until

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop the process."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Seconds between the attempts to start a part: at first, and at most."""
MIN_STOP_SECONDS = 2.0
"""Time that each part gets to stop, even if the parts before it have used up the graceful timeout."""


class Part(Protocol):
    """Something that a process starts and stops."""

    async def start(self) -> None:
        """Starts the part. Raises ``TransientError`` while a server that it needs is unavailable; it is then called again.

        May be cancelled when the process stops, and then leaves nothing behind.
        """
        ...

    async def stop(self) -> None:
        """Finishes the current work and releases all resources. Called only after a successful ``start``."""
        ...


class Process:
    """A service as a process: its parts, health server and exit code."""

    def __init__(self, name: str, settings: ProcessSettings, clock: Clock, metrics: Metrics) -> None:
        self.name = name
        """Name of the service."""
        self._settings = settings
        self._clock = clock
        self._parts: list[tuple[str, Part]] = []
        self._health = Health(name, metrics, settings.http_token)
        self._stop = asyncio.Event()
        self.http_port: int | None = None
        """Port of the health server; None before ``main``. Chosen by the system if HTTP_PORT is 0."""

    def add(self, name: str, part: Part) -> None:
        """Adds a part. Parts start in the order in which they were added."""
        self._parts.append((name, part))

    def add_check(self, name: str, check: Check) -> None:
        """Adds a readiness check under this name."""
        self._health.add_check(name, check)

    def fatal(self, reason: str) -> None:
        """Ends the process with exit code 1, because only a restart can help."""
        logger.error("process ends and must be restarted: %s", reason)
        self._health.failure = self._health.failure or reason
        self._stop.set()

    async def main(self) -> int:
        """Runs until a signal or ``fatal``. Returns the exit code: 0 after a signal, 1 after ``fatal``."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        http = HttpServer(self._health.app, self._settings.http_host, self._settings.http_port)
        self.http_port = http.port
        started: list[tuple[str, Part]] = []
        try:
            await self._start(started)
            await self._stop.wait()
        finally:
            self._health.is_started = False
            await self._stop_all(started)
            await http.stop()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        return 1 if self._health.failure else 0

    async def _start(self, started: list[tuple[str, Part]]) -> None:
        for name, part in self._parts:
            if not await self._start_with_retries(name, part):
                return
            started.append((name, part))
        self._health.is_started = True
        logger.info("started")

    async def _start_with_retries(self, name: str, part: Part) -> bool:
        """Starts a part. Returns False if the process has to stop before that succeeds."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stop.is_set():
            try:
                return await run_until(self._stop, part.start())
            except TransientError as error:
                logger.warning("waiting for %s: %s", name, error)
            await run_until(self._stop, self._clock.sleep(backoff.next_pause()))
        return False

    async def _stop_all(self, started: list[tuple[str, Part]]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.graceful_timeout_seconds
        for name, part in reversed(started):
            try:
                async with asyncio.timeout_at(max(deadline, loop.time() + MIN_STOP_SECONDS)):
                    await part.stop()
            except TimeoutError:
                logger.warning("%s did not stop in time; its current work will be repeated", name)
            except Exception as error:  # noqa: BLE001 - the other parts must be stopped too
                logger.warning("%s did not stop cleanly: %s", name, describe(error))
        logger.info("stopped")
