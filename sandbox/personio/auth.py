"""POST /v1/auth (developer.personio.de/reference/auth), and the check of its tokens."""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio import errors
from sandbox.personio.credentials import Credential, Token
from sandbox.personio.state import State

SCOPE = "employees:read"


class AuthApi:
    """Gives out tokens."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [Route("/v1/auth", self.log_in, methods=["POST"])]

    async def log_in(self, request: Request) -> Response:
        client_id, client_secret = await self._credentials_in(request)
        now = self._state.now()
        token = self._state.credentials.log_in(client_id, client_secret, now)
        if token is None:
            raise errors.wrong_credentials()
        data: dict[str, Any] = {"token": token.text}
        if self._state.behaviour.send_expires_in:
            data["expires_in"] = token.seconds_left(now)
        if self._state.behaviour.send_scope:
            data["scope"] = SCOPE
        return JSONResponse({"success": True, "data": data})

    async def _credentials_in(self, request: Request) -> tuple[str, str]:
        given: dict[str, Any] = _read(request.headers.get("content-type", ""), await request.body())
        if {"client_id", "client_secret"} & set(request.query_params):
            if self._state.behaviour.query_string_credentials == "refuse":
                raise errors.wrong_credentials()
            given = dict(request.query_params)
        return str(given.get("client_id", "")), str(given.get("client_secret", ""))


def _read(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a JSON or form body; none when it is neither."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        given = json.loads(body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def authenticate(state: State, request: Request) -> tuple[Credential, Token]:
    """Whose token this request carries. Raises ``ApiError`` for none, a wrong, an old or a revoked one."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise errors.not_authenticated()
    if state.credentials.is_revoked(text):
        raise errors.token_revoked()
    token = state.credentials.token(text, state.now())
    if token is None:
        raise errors.not_authorized()
    credential = state.credentials.get(token.client_id)
    if not credential.may_read_employees:
        raise errors.access_forbidden()
    return credential, token
