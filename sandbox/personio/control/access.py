"""Control of credentials: whitelists, rights, secrets and tokens."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.catalogue import ALL_KEYS, ATTRIBUTES, DEFAULT_WHITELIST, sort_keys
from sandbox.personio.control.body import read_model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.credentials import Credential, create_random_token
from sandbox.personio.state import State


class _RequestBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Whitelist(_RequestBody):
    """New whitelist of a credential."""

    attributes: list[str]
    """Keys of all attributes that the credential may read."""


class WhitelistChange(_RequestBody):
    """Change of a whitelist."""

    add: list[str] = []
    """Keys to add."""
    remove: list[str] = []
    """Keys to remove."""


class NewCredential(_RequestBody):
    """Credential to create."""

    client_id: str = Field(min_length=1)
    """Client id that no other credential has."""
    client_secret: str = Field(min_length=1)
    """Client secret in plain text."""
    attributes: list[str] | None = None
    """Keys of the attributes that the credential may read. None means the default whitelist."""


class NewSecret(_RequestBody):
    """Secret that replaces the current one."""

    client_secret: str | None = None
    """New client secret. None means a random one."""


class Rights(_RequestBody):
    """Rights of a credential."""

    may_read_employees: bool
    """Whether the credential may read employees."""


class AccessControl:
    """Endpoints for credentials. ``?client_id=`` selects a credential; the default is the first one."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Returns the routes of this API."""
        return [
            Route("/_control/whitelist", self.show_whitelist, methods=["GET"]),
            Route("/_control/whitelist", self.set_whitelist, methods=["PUT"]),
            Route("/_control/whitelist", self.change_whitelist, methods=["PATCH"]),
            Route("/_control/credentials", self.list_credentials, methods=["GET"]),
            Route("/_control/credentials", self.add, methods=["POST"]),
            Route("/_control/credentials/rotate", self.rotate, methods=["POST"]),
            Route("/_control/credentials/rights", self.set_rights, methods=["PUT"]),
            Route("/_control/tokens/revoke", self.revoke, methods=["POST"]),
            Route("/_control/tokens/expire", self.expire, methods=["POST"]),
        ]

    async def show_whitelist(self, request: Request) -> Response:
        """Returns the whitelist of a credential."""
        return self._build_whitelist_response(self._get_credential(request))

    async def set_whitelist(self, request: Request) -> Response:
        """Replaces the whitelist of a credential and returns it."""
        body = await read_model(request, Whitelist)
        return self._set_whitelist(request, frozenset(body.attributes))

    async def change_whitelist(self, request: Request) -> Response:
        """Adds attributes to a whitelist, removes others, and returns the whitelist."""
        body = await read_model(request, WhitelistChange)
        _ensure_known(body.remove)
        keys = (self._get_credential(request).whitelist | set(body.add)) - set(body.remove)
        return self._set_whitelist(request, keys)

    async def list_credentials(self, _: Request) -> Response:
        """Returns all credentials without their secrets."""
        documents = [_build_document(credential) for credential in self._state.credentials.list_all()]
        return JSONResponse({"credentials": documents})

    async def add(self, request: Request) -> Response:
        """Creates a credential and returns it without its secret."""
        body = await read_model(request, NewCredential)
        if body.client_id in {credential.client_id for credential in self._state.credentials.list_all()}:
            raise ControlError(409, f"credential {body.client_id} already exists")
        whitelist = DEFAULT_WHITELIST if body.attributes is None else frozenset(body.attributes)
        _ensure_known(whitelist)
        credential = Credential(body.client_id, body.client_secret, whitelist)
        self._state.credentials.put(credential)
        return JSONResponse(_build_document(credential), status_code=201)

    async def rotate(self, request: Request) -> Response:
        """Replaces the secret of a credential and returns the new one. The old secret and its token become invalid."""
        credential = self._get_credential(request)
        secret = (await read_model(request, NewSecret)).client_secret or create_random_token()
        self._state.credentials.rotate(credential.client_id, secret)
        return JSONResponse({"client_id": credential.client_id, "client_secret": secret})

    async def set_rights(self, request: Request) -> Response:
        """Sets the rights of a credential and returns it without its secret."""
        body = await read_model(request, Rights)
        credential = replace(self._get_credential(request), may_read_employees=body.may_read_employees)
        self._state.credentials.put(credential)
        return JSONResponse(_build_document(credential))

    async def revoke(self, request: Request) -> Response:
        """Revokes the current token of a credential."""
        credential = self._get_credential(request)
        self._state.credentials.revoke(credential.client_id)
        return JSONResponse({"client_id": credential.client_id})

    async def expire(self, _: Request) -> Response:
        """Ends the lifetime of all tokens."""
        self._state.credentials.expire_all(self._state.now())
        return Response(status_code=204)

    def _get_credential(self, request: Request) -> Credential:
        try:
            return self._state.credentials.get(request.query_params.get("client_id"))
        except LookupError as error:
            raise ControlError(404, str(error)) from error

    def _set_whitelist(self, request: Request, keys: frozenset[str]) -> Response:
        _ensure_known(keys)
        client_id = self._get_credential(request).client_id
        self._state.credentials.set_whitelist(client_id, keys)
        self._state.save(self._state)
        return self._build_whitelist_response(self._state.credentials.get(client_id))

    def _build_whitelist_response(self, credential: Credential) -> Response:
        return JSONResponse({"client_id": credential.client_id, "attributes": sort_keys(credential.whitelist)})


def _ensure_known(keys: frozenset[str] | list[str]) -> None:
    unknown = sorted(set(keys) - ALL_KEYS)
    if unknown:
        raise ControlError(422, f"unknown attribute ({', '.join(unknown)}): use some of {', '.join(ATTRIBUTES)}")


def _build_document(credential: Credential) -> dict[str, Any]:
    """Returns a credential without its secret."""
    return {
        "client_id": credential.client_id,
        "may_read_employees": credential.may_read_employees,
        "attributes": sort_keys(credential.whitelist),
    }
