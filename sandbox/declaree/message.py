"""A request and a reply without a server: what the SCIM endpoint is a function of."""

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.errors import ERROR_URN, ScimError, invalid

SCIM_JSON = "application/scim+json"


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` is below the base and has no slash at its end; header names are lower-case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    base_url: str

    def json(self) -> dict[str, Any]:
        """Raises 415 for another media type, ``invalidSyntax`` for anything but a JSON object."""
        media_type = self.headers.get("content-type", SCIM_JSON).partition(";")[0].strip().casefold()
        if media_type not in {SCIM_JSON, "application/json"}:
            raise ScimError(415, "send application/scim+json")
        try:
            payload = json.loads(self.body)
        except ValueError as error:
            raise invalid("invalidSyntax", "the body is not JSON") from error
        if not isinstance(payload, dict):
            raise invalid("invalidSyntax", "the body is not an object")
        return payload


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = SCIM_JSON
    account_id: str | None = field(default=None, compare=False)


def json_reply(
    status: int, payload: Any, headers: tuple[tuple[str, str], ...] = (), account_id: str | None = None
) -> Reply:
    return Reply(status, to_json(payload), headers, account_id=account_id)


HTML_ERROR = "<!doctype html><html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>"


def error_reply(error: ScimError, behaviour: Behaviour) -> Reply:
    """The SCIM error body, or what proxies and careless servers send in its place."""
    if error.status == 409 and not behaviour.conflict_body:
        return Reply(error.status, headers=error.headers)
    match behaviour.error_body:
        case "empty":
            return Reply(error.status, headers=error.headers)
        case "html":
            return html_reply(error.status, HTML_ERROR.format(status=error.status), error.headers)
    status: int | str = error.status if behaviour.error_body == "numeric_status" else str(error.status)
    payload: dict[str, Any] = {"schemas": [ERROR_URN], "status": status}
    if error.scim_type is not None:
        payload["scimType"] = error.scim_type
    return json_reply(error.status, {**payload, "detail": error.detail}, error.headers)


def html_reply(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, text.encode(), headers, "text/html; charset=utf-8")
