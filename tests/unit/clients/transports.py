"""Transports for the clients: scripted replies, and the sandboxes without a socket."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Reply:
    """A response that a scripted transport returns."""

    status: int
    """The HTTP status."""
    content: bytes = b""
    """The body."""
    headers: dict[str, str] = field(default_factory=dict)
    """The headers."""


def build_reply(status: int, body: Any = None, **headers: str) -> Reply:
    """Returns a reply with this JSON body; None for an empty body. Header names have ``_`` instead of ``-``."""
    content = b"" if body is None else json.dumps(body).encode()
    return Reply(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


LOGIN_PAGE = Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"})


class ScriptedTransport(httpx.AsyncBaseTransport):
    """Returns the replies in order, then the last one again. An exception is raised instead of returned."""

    def __init__(self, *replies: Reply | Exception) -> None:
        """Records all requests in ``requests``."""
        self.replies = list(replies)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the next reply."""
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        return httpx.Response(reply.status, headers=headers, content=reply.content)

    @property
    def request_lines(self) -> list[str]:
        """Method and target of each request, as they are on the network."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


class InProcessTransport(httpx.AsyncBaseTransport):
    """Sends requests to an application. A connection that the application cuts gives no response, as on a network."""

    def __init__(self, app: ASGIApp) -> None:
        """Records all requests in ``requests``."""
        self._app = httpx.ASGITransport(app)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the application's response."""
        self.requests.append(request)
        try:
            return await self._app.handle_async_request(request)
        except ConnectionError as error:
            raise httpx.RemoteProtocolError("cut") from error
