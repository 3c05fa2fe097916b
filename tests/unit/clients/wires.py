"""Transports for the clients: answers from a script, and the sandboxes without a socket in between."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import ASGIApp


@dataclass(frozen=True)
class Reply:
    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def reply(status: int, body: Any = None, **headers: str) -> Reply:
    """A JSON body if one is given; header names with ``_`` for ``-``."""
    content = b"" if body is None else json.dumps(body).encode()
    return Reply(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


PAGE = Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"})


class Scripted(httpx.AsyncBaseTransport):
    """Gives the answers in turn, and goes on with the last one; an exception is raised instead."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status, headers=answer.headers, content=answer.content)

    @property
    def asked(self) -> list[str]:
        """Method and target of each request, as they go over the wire."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


class InProcess(httpx.AsyncBaseTransport):
    """An application; a connection that it cuts is one without an answer, as on a network."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = httpx.ASGITransport(app)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        try:
            return await self._app.handle_async_request(request)
        except ConnectionError as error:
            raise httpx.RemoteProtocolError("cut") from error
