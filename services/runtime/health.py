"""HTTP server of a process: liveness, readiness and metrics."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.errors import ConfigurationError
from services.runtime.log import describe
from services.runtime.metrics import Metrics
from services.runtime.version import VERSION

logger = logging.getLogger(__name__)

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""A readiness check. Returns None, or what is wrong."""

CHECK_SECONDS = 3.0
"""Timeout of one check."""


class Health:
    """The answers about one process.

    ``/health/live`` fails once only a restart can help. ``/health/ready`` also fails while a server is unavailable.
    """

    def __init__(self, name: str, metrics: Metrics, token: SecretStr | None = None) -> None:
        """``token`` is required of each request; None answers requests without one."""
        self._name = name
        self._metrics = metrics
        self._checks: dict[str, Check] = {}
        self.is_started = False
        """Whether all parts of the process have started."""
        self.failure: str | None = None
        """Why the process has to be restarted; None while it works."""
        self.app = Starlette(
            routes=[
                Route("/health/live", self._show_liveness),
                Route("/health/ready", self._show_readiness),
                Route("/metrics", self._show_metrics),
            ],
            middleware=[Middleware(TokenCheck, token=token)] if token and token.get_secret_value() else (),
        )
        """The web application that answers."""

    def add_check(self, name: str, check: Check) -> None:
        """Adds a check to ``/health/ready`` under this name."""
        self._checks[name] = check

    async def _show_liveness(self, _: Request) -> Response:
        is_alive = self.failure is None
        return JSONResponse({"service": self._name, "version": VERSION, "alive": is_alive}, 200 if is_alive else 503)

    async def _show_readiness(self, _: Request) -> Response:
        checks = {name: await _run_check(check) for name, check in self._checks.items()} if self.is_started else {}
        checks["started"] = "ok" if self.is_started else "starting: a server has not answered yet"
        is_ready = self.failure is None and all(answer == "ok" for answer in checks.values())
        return JSONResponse({"service": self._name, "version": VERSION, "checks": checks}, 200 if is_ready else 503)

    async def _show_metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


class TokenCheck:
    """Answers 401 to requests without the token, on every path."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._expected = f"Bearer {token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request with the token on."""
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not secrets.compare_digest(given, self._expected):
            await Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _run_check(check: Check) -> str:
    """Returns "ok", or what is wrong. A check that raises, or exceeds ``CHECK_SECONDS``, has failed."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - any error means that the check has failed
        return describe(error)


class HttpServer:
    """Serves an application until it is stopped. The process handles the signals, not this server."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        """Starts serving. Raises ``ConfigurationError`` if the address cannot be used."""
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        """The port; chosen by the system if ``port`` is 0."""
        self._server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2))
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="http")
        logger.info("HTTP server started", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        """Finishes the open requests, for two seconds at most, and closes the socket."""
        self._server.should_exit = True
        await self._serving
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"HTTP_HOST={host}, HTTP_PORT={port} cannot be used ({error.strerror}): "
            "set HTTP_PORT to a port that no other process uses"
        ) from None
    return listener


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leaves the signals to the process."""
        return nullcontext()
