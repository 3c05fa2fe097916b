"""``POST /v1/auth`` (developer.personio.de/reference/auth), and the verification of its tokens."""

import json
from datetime import timedelta
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
    """Endpoint that issues tokens."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Returns the routes of this API."""
        return [Route("/v1/auth", self.log_in, methods=["POST"])]

    async def log_in(self, request: Request) -> Response:
        """Returns the token of a credential. Raises ``ApiError`` for wrong credentials."""
        client_id, client_secret = await self._read_credentials(request)
        now = self._state.now()
        lifetime = timedelta(seconds=self._state.behaviour.token_lifetime_seconds)
        token = self._state.credentials.log_in(client_id, client_secret, now, lifetime)
        if token is None:
            raise errors.wrong_credentials()
        data: dict[str, Any] = {"token": token.text}
        if self._state.behaviour.send_expires_in:
            data["expires_in"] = token.get_seconds_left(now)
        if self._state.behaviour.send_scope:
            data["scope"] = SCOPE
        return JSONResponse({"success": True, "data": data})

    async def _read_credentials(self, request: Request) -> tuple[str, str]:
        fields: dict[str, Any] = _parse_body(request.headers.get("content-type", ""), await request.body())
        if {"client_id", "client_secret"} & set(request.query_params):
            if self._state.behaviour.query_string_credentials == "refuse":
                raise errors.wrong_credentials()
            fields = dict(request.query_params)
        return str(fields.get("client_id", "")), str(fields.get("client_secret", ""))


def _parse_body(content_type: str, body: bytes) -> dict[str, Any]:
    """Returns the fields of a JSON or form body, or an empty dictionary for any other body."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def authenticate(state: State, request: Request) -> tuple[Credential, Token]:
    """Returns the credential and token of a request. Raises ``ApiError`` unless the token is valid and may read employees."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise errors.not_authenticated()
    is_expired = state.credentials.is_expired(text, state.now())
    if state.credentials.is_revoked(text) or (is_expired and state.behaviour.expired_token == "unauthorized"):
        raise errors.token_revoked()
    token = state.credentials.find_token(text, state.now())
    if token is None:
        raise errors.not_authorized()
    credential = state.credentials.get(token.client_id)
    if not credential.may_read_employees:
        raise errors.access_forbidden()
    return credential, token
