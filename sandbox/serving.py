"""Serves a sandbox's ASGI app with uvicorn; the app can cut the connection of a request."""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
else:  # httptools if installed, which takes a third less time; h11 in the image of the demo
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as HTTPProtocol

ABORT = "abort"
"""Key in ``scope["state"]`` of the function that aborts the request's connection."""

GC_THRESHOLD = 50_000
"""Net allocations before a garbage collection. A sandbox makes few reference cycles. Python's default of 700 would scan
all accounts and journal entries many times."""


class ConnectionCutError(ConnectionResetError):
    """The connection cannot be cut, because the app runs without a server."""


class CuttableProtocol(HTTPProtocol):
    """HTTP protocol that puts the connection's ``abort`` into ``scope["state"]``; ASGI has no message for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Stores the ``abort`` of the new connection in the state that each of its requests receives."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort}


class AnnouncingServer(uvicorn.Server):
    """Server that calls ``on_listening`` as soon as it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops the server at SIGINT and SIGTERM, if it runs in the main thread."""
        # uvicorn raises the signal again after the server has stopped, so the process would exit with the signal's code
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen and then calls ``on_listening``."""
        await super().startup(sockets)
        if self.started:
            self._on_listening()


class _DatingApp:
    """ASGI app that adds the header ``Date`` to the responses of another app that lack it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("date", formatdate(usegmt=True))
            await send(message)

        await self._app(scope, receive, send_dated)


async def abort_connection(scope: Scope, receive: Receive) -> None:
    """Closes the request's connection without a response; returns once the server has noticed it.

    Raises ``ConnectionCutError`` if the app runs without a ``CuttableProtocol``.
    """
    abort: Callable[[], None] | None = scope.get("state", {}).get(ABORT)
    if abort is None:
        raise ConnectionCutError("the connection is cut by a fault; only a served sandbox shows that to the client")
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def serve(app: ASGIApp, listener: socket.socket, on_listening: Callable[[], None]) -> None:
    """Serves the app on an open socket until SIGINT or SIGTERM."""
    gc.freeze()  # imported modules and loaded data stay in memory, so the collector need not scan them
    gc.set_threshold(GC_THRESHOLD)
    create_server(app, on_listening).run(sockets=[listener])


def create_server(app: ASGIApp, on_listening: Callable[[], None]) -> AnnouncingServer:
    """Returns a server of the app; run it on an open socket: ``create_server(...).run(sockets=[...])``."""
    config = uvicorn.Config(
        _DatingApp(app),
        date_header=False,  # uvicorn's own would stand beside the one that an app sends
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    return AnnouncingServer(config, on_listening)


def bind_socket(host: str, port: int) -> socket.socket:
    """Returns a TCP socket that is bound to the address; port 0 takes a free one.

    Raises ``OSError`` if the address is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
