"""Requests and replies of the SCIM endpoint, independent of the server."""

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.errors import ERROR_URN, ScimError, bad_request

SCIM_JSON = "application/scim+json"


@dataclass(frozen=True, slots=True)
class Request:
    """One SCIM request."""

    method: str
    """HTTP method."""
    path: str
    """Path below the base address, without a trailing slash."""
    query: str
    """Raw query string."""
    headers: dict[str, str]
    """Headers by lowercase name."""
    body: bytes
    """Raw body."""
    base_url: str
    """Base address of the endpoint, as the client used it."""
    has_trailing_slash: bool = False
    """Whether the client wrote a slash at the end of the path."""

    def read_json(self) -> dict[str, Any]:
        """Returns the body, a JSON object.

        Raises ``ScimError``: 415 for another media type, ``invalidSyntax`` for any other body.
        """
        media_type = self.headers.get("content-type", SCIM_JSON).partition(";")[0].strip().casefold()
        if media_type not in {SCIM_JSON, "application/json"}:
            raise ScimError(415, "send application/scim+json")
        try:
            payload = json.loads(self.body)
        except ValueError as error:
            raise bad_request("invalidSyntax", "the body is not JSON") from error
        if not isinstance(payload, dict):
            raise bad_request("invalidSyntax", "the body is not an object")
        return payload


@dataclass(frozen=True, slots=True)
class Reply:
    """One SCIM reply."""

    status: int
    """HTTP status."""
    body: bytes = b""
    """Raw body."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers as pairs of name and value."""
    media_type: str = SCIM_JSON
    """Media type of the body."""
    account_id: str | None = field(default=None, compare=False)
    """Account for the journal; None if the reply concerns no single account."""


def build_json_reply(
    status: int, payload: Any, headers: tuple[tuple[str, str], ...] = (), account_id: str | None = None
) -> Reply:
    """Returns a reply with a JSON body."""
    return Reply(status, to_json(payload), headers, account_id=account_id)


HTML_ERROR = "<!doctype html><html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>"


def build_error_reply(error: ScimError, behaviour: Behaviour) -> Reply:
    """Returns the error in the form that ``Behaviour.error_body`` and ``Behaviour.conflict_body`` choose."""
    if error.status == 409 and not behaviour.conflict_body:
        return Reply(error.status, headers=error.headers)
    match behaviour.error_body:
        case "empty":
            return Reply(error.status, headers=error.headers)
        case "html":
            return build_html_reply(error.status, HTML_ERROR.format(status=error.status), error.headers)
    status: int | str = error.status if behaviour.error_body == "numeric_status" else str(error.status)
    payload: dict[str, Any] = {"schemas": [ERROR_URN], "status": status}
    if error.scim_type is not None:
        payload["scimType"] = error.scim_type
    return build_json_reply(error.status, {**payload, "detail": error.detail}, error.headers)


def build_html_reply(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Returns a reply with an HTML body."""
    return Reply(status, text.encode(), headers, "text/html; charset=utf-8")
