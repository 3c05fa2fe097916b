"""Serving an app of the sandbox over uvicorn, with connections that the app can cut."""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp, Receive, Scope

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as HTTPProtocol
else:  # httptools where it is installed, a third quicker; h11 in the demo's image
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as HTTPProtocol

ABORT = "abort"
YOUNG_OBJECTS = 50_000
"""So many more objects than were freed make the collector look for cycles, of which a sandbox makes few; Python's own 700
would have it look at every account and journal entry again and again."""


class ConnectionCutError(ConnectionResetError):
    """Raised into a caller that runs an app without a server, where there is no connection to cut."""


class CuttableProtocol(HTTPProtocol):
    """Lends every request its connection's ``abort`` in ``scope["state"]``; ASGI has no message for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort}


class AnnouncingServer(uvicorn.Server):
    """Says when it listens; callers wait for that instead of for a time."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again when it has stopped, which ends the process with the signal's code
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


async def cut(scope: Scope, receive: Receive) -> None:
    """Drops the request's connection without a byte of answer, and returns only once the server has noticed.

    Raises ``ConnectionCutError`` where no ``CuttableProtocol`` stands in between.
    """
    abort: Callable[[], None] | None = scope.get("state", {}).get(ABORT)
    if abort is None:
        raise ConnectionCutError("the connection is cut by a fault; only a served sandbox shows that to the client")
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def serve(app: ASGIApp, opened: socket.socket, listening: Callable[[], None]) -> None:
    """What a sandbox's process does until it is told to end."""
    gc.freeze()  # what was imported and loaded stays
    gc.set_threshold(YOUNG_OBJECTS)
    server(app, listening).run(sockets=[opened])


def server(app: ASGIApp, listening: Callable[[], None]) -> AnnouncingServer:
    """To be run on an open socket: ``server(...).run(sockets=[...])``."""
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    return AnnouncingServer(config, listening)


def listening_socket(host: str, port: int) -> socket.socket:
    """Port 0 takes a free one. Raises ``OSError`` when the address is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
