"""Serves an ASGI app in a thread, for clients that block or that call from other threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from sandbox.serving import bind_socket, create_server

TIMEOUT_SECONDS = 30
"""Maximum duration of the start and of the stop."""


@contextmanager
def serve_in_thread(app: ASGIApp) -> Iterator[str]:
    """Yields the address of the app, without a path. The server stops at the end of the block."""
    listener = bind_socket("127.0.0.1", 0)
    is_listening = threading.Event()
    server = create_server(app, is_listening.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert is_listening.wait(TIMEOUT_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_SECONDS)
        listener.close()
