"""Credentials: what they may read, their secrets and their tokens."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.catalogue import ALL_KEYS, ATTRIBUTES, DEFAULT_WHITELIST, in_order
from sandbox.personio.control.body import model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.credentials import Credential, random_token
from sandbox.personio.state import State


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Whitelist(_Body):
    attributes: list[str]


class WhitelistChange(_Body):
    add: list[str] = []
    remove: list[str] = []


class NewCredential(_Body):
    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1)
    attributes: list[str] | None = None


class NewSecret(_Body):
    client_secret: str | None = None


class Rights(_Body):
    may_read_employees: bool


class AccessControl:
    """``?client_id=`` names the credential; without it the first one is meant."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/_control/whitelist", self.show_whitelist, methods=["GET"]),
            Route("/_control/whitelist", self.set_whitelist, methods=["PUT"]),
            Route("/_control/whitelist", self.change_whitelist, methods=["PATCH"]),
            Route("/_control/credentials", self.list_credentials, methods=["GET"]),
            Route("/_control/credentials", self.add, methods=["POST"]),
            Route("/_control/credentials/rotate", self.rotate, methods=["POST"]),
            Route("/_control/credentials/rights", self.set_rights, methods=["PUT"]),
            Route("/_control/tokens/revoke", self.revoke, methods=["POST"]),
        ]

    async def show_whitelist(self, request: Request) -> Response:
        return self._whitelist(self._credential(request))

    async def set_whitelist(self, request: Request) -> Response:
        wish = await model(request, Whitelist)
        return self._release(request, frozenset(wish.attributes))

    async def change_whitelist(self, request: Request) -> Response:
        wish = await model(request, WhitelistChange)
        _check(wish.remove)
        released = (self._credential(request).whitelist | set(wish.add)) - set(wish.remove)
        return self._release(request, released)

    async def list_credentials(self, _: Request) -> Response:
        return JSONResponse({"credentials": [_document(each) for each in self._state.credentials.all()]})

    async def add(self, request: Request) -> Response:
        wish = await model(request, NewCredential)
        if wish.client_id in {each.client_id for each in self._state.credentials.all()}:
            raise ControlError(409, f"there is a credential {wish.client_id} already")
        released = DEFAULT_WHITELIST if wish.attributes is None else frozenset(wish.attributes)
        _check(released)
        credential = Credential(wish.client_id, wish.client_secret, released)
        self._state.credentials.keep(credential)
        return JSONResponse(_document(credential), status_code=201)

    async def rotate(self, request: Request) -> Response:
        """Answers the new secret: a given one, or one made up. The old secret and its token are refused from now on."""
        credential = self._credential(request)
        secret = (await model(request, NewSecret)).client_secret or random_token()
        self._state.credentials.rotate(credential.client_id, secret)
        return JSONResponse({"client_id": credential.client_id, "client_secret": secret})

    async def set_rights(self, request: Request) -> Response:
        wish = await model(request, Rights)
        credential = replace(self._credential(request), may_read_employees=wish.may_read_employees)
        self._state.credentials.keep(credential)
        return JSONResponse(_document(credential))

    async def revoke(self, request: Request) -> Response:
        credential = self._credential(request)
        self._state.credentials.revoke(credential.client_id)
        return JSONResponse({"client_id": credential.client_id})

    def _credential(self, request: Request) -> Credential:
        try:
            return self._state.credentials.get(request.query_params.get("client_id"))
        except LookupError as error:
            raise ControlError(404, str(error)) from error

    def _release(self, request: Request, keys: frozenset[str]) -> Response:
        _check(keys)
        client_id = self._credential(request).client_id
        self._state.credentials.release(client_id, keys)
        self._state.keep(self._state)
        return self._whitelist(self._state.credentials.get(client_id))

    def _whitelist(self, credential: Credential) -> Response:
        return JSONResponse({"client_id": credential.client_id, "attributes": in_order(credential.whitelist)})


def _check(keys: frozenset[str] | list[str]) -> None:
    unknown = sorted(set(keys) - ALL_KEYS)
    if unknown:
        raise ControlError(422, f"there is no attribute {', '.join(unknown)}; there are: {', '.join(ATTRIBUTES)}")


def _document(credential: Credential) -> dict[str, Any]:
    """Without the secret."""
    return {
        "client_id": credential.client_id,
        "may_read_employees": credential.may_read_employees,
        "attributes": in_order(credential.whitelist),
    }
