"""A deployable's life: HTTP first, then its parts in order, each tried until its servers answer; stop in reverse."""

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.errors import TransientError
from services.runtime.clock import Clock
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings

logger = logging.getLogger(__name__)

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is not."""

LONGEST_PAUSE = 10.0


class Part(Protocol):
    async def start(self) -> None:
        """Raises ``TransientError`` while a server that it needs is away; it is then called again."""
        ...

    async def stop(self) -> None: ...


class Process:
    """``main`` runs until a signal or ``fatal``; its result is the exit code."""

    def __init__(self, name: str, settings: ProcessSettings, clock: Clock, metrics: Metrics) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._parts: list[tuple[str, Part]] = []
        self._checks: dict[str, Check] = {}
        self._stop = asyncio.Event()
        self._failure: str | None = None
        self._up = False

    def add(self, name: str, part: Part) -> None:
        self._parts.append((name, part))

    def add_check(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def fatal(self, reason: str) -> None:
        """Something that only a new process can heal: ends this one with an exit code that says so."""
        logger.error("the process ends: %s", reason)
        self._failure = reason
        self._stop.set()

    async def main(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = _Server(
            uvicorn.Config(self._app(), self._settings.http_host, self._settings.http_port, log_config=None)
        )
        serving = asyncio.create_task(server.serve(), name="http")
        started: list[tuple[str, Part]] = []
        try:
            await self._start(started)
            await self._stop.wait()
        finally:
            self._up = False
            await self._stop_all(started)
            server.should_exit = True
            await serving
        return 1 if self._failure else 0

    async def _start(self, started: list[tuple[str, Part]]) -> None:
        for name, part in self._parts:
            if not await self._try_until_started(name, part):
                return
            started.append((name, part))
        self._up = True
        logger.info("started")

    async def _try_until_started(self, name: str, part: Part) -> bool:
        pause = 0.5
        while not self._stop.is_set():
            try:
                await part.start()
            except TransientError as error:
                logger.warning("waiting for %s: %s", name, error)
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return True
        return False

    async def _pause(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        stopping = asyncio.ensure_future(self._stop.wait())
        _, pending = await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def _stop_all(self, started: list[tuple[str, Part]]) -> None:
        for name, part in reversed(started):
            try:
                async with asyncio.timeout(self._settings.graceful_timeout_seconds):
                    await part.stop()
            except TimeoutError:
                logger.warning("%s did not stop in time; what it had in work is done again", name)
        logger.info("stopped")

    # ------------------------------------------------------------ health

    def _app(self) -> Starlette:
        routes = [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._show_metrics),
        ]
        return Starlette(routes=routes)

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"service": self.name, "alive": self._failure is None}, 503 if self._failure else 200)

    async def _ready(self, _: Request) -> Response:
        checks = {name: await self._ask(check) for name, check in self._checks.items()} if self._up else {}
        checks["started"] = "ok" if self._up else "starting: its servers have not answered yet"
        good = all(answer == "ok" for answer in checks.values())
        return Response(
            json.dumps({"service": self.name, "checks": checks}), 200 if good else 503, media_type="application/json"
        )

    async def _ask(self, check: Check) -> str:
        try:
            async with asyncio.timeout(3):
                return await check() or "ok"
        except TransientError as error:
            return str(error)
        except TimeoutError:
            return "no answer within 3 s"

    async def _show_metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


class _Server(uvicorn.Server):
    """The process handles its signals itself."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
