"""What a process says of itself over HTTP: whether it lives, whether it is ready, its metrics."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.errors import ConfigurationError
from services.runtime.log import describe
from services.runtime.metrics import Metrics

logger = logging.getLogger(__name__)

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is not."""

CHECK_SECONDS = 3.0


class Health:
    """``/health/live`` fails once the process cannot heal by itself; ``/health/ready`` also while a server is away."""

    def __init__(self, name: str, metrics: Metrics) -> None:
        self._name = name
        self._metrics = metrics
        self._checks: dict[str, Check] = {}
        self.started = False
        self.failure: str | None = None
        self.app = Starlette(
            routes=[
                Route("/health/live", self._live),
                Route("/health/ready", self._ready),
                Route("/metrics", self._show_metrics),
            ]
        )

    def add_check(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def _live(self, _: Request) -> Response:
        alive = self.failure is None
        return JSONResponse({"service": self._name, "alive": alive}, 200 if alive else 503)

    async def _ready(self, _: Request) -> Response:
        checks = {name: await _ask(check) for name, check in self._checks.items()} if self.started else {}
        checks["started"] = "ok" if self.started else "starting: its servers have not answered yet"
        good = self.failure is None and all(answer == "ok" for answer in checks.values())
        return JSONResponse({"service": self._name, "checks": checks}, 200 if good else 503)

    async def _show_metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is no
        return describe(error)


class Http:
    """Serves ``app`` until it is stopped; the process that it belongs to handles the signals."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2))
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="http")
        logger.info("health and metrics are served", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving
        self._socket.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"HTTP_HOST={host}, HTTP_PORT={port} cannot be served ({error.strerror}): "
            "does another process listen there? Set HTTP_PORT to a free port."
        ) from None
    return listening


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
