"""Serves the sandbox with uvicorn, with a connection that an application can drop without an answer."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.personio.gateway import ABORT


class AbortableProtocol(H11Protocol):
    """HTTP/1.1 that offers the ASGI extension ``sandbox.abort``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = _Abortable(self.app, self._abort)

    def _abort(self) -> None:
        self.transport.abort()


class _Abortable:
    def __init__(self, app: Any, abort: Callable[[], None]) -> None:
        self._app: ASGIApp = app
        self._abort = abort

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[ABORT] = {"call": self._abort}
        await self._app(scope, receive, send)


class AnnouncingServer(uvicorn.Server):
    """Says in one line, once it listens, where. Being asked to stop is no failure: the process then ends with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again when it has stopped, which ends the process with the signal's code
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                print(f"Personio sandbox listening on http://{host}:{port}", flush=True)


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Until SIGINT or SIGTERM. Port 0 takes a free one."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=AbortableProtocol,
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    asyncio.run(AnnouncingServer(config).serve())
