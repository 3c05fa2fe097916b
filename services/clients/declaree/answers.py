"""Turns a SCIM server's responses to writes, and its errors, into the answers that a settlement understands. Pure."""

from urllib.parse import unquote, urlsplit

import httpx

from services.clients.declaree.resources import get_member, parse_id, parse_resource
from services.clients.http.responses import parse_json_object, parse_media_type
from services.provisioning.calls import (
    Answer,
    Body,
    Conflict,
    Lost,
    Missing,
    Outdated,
    Refused,
    Resource,
    Unsupported,
    Written,
)

SCIM_JSON = "application/scim+json"
"""The media type of SCIM (RFC 7644, section 8.1)."""
AMBIGUOUS = frozenset({202, *range(300, 400), 408, 421, 425})
"""Statuses below 500 that do not say whether a write happened: not yet, redirects, a timeout, a wrong server."""
MAX_SCIM_TYPE_LENGTH = 30
"""Number of characters from which a ``scimType`` is left out. The RFC's own types are shorter."""
_ERROR = "messages:2.0:error"


def parse_write_answer(response: httpx.Response, *, is_create: bool) -> Answer:
    """Returns what the response says about a write. The caller has handled the statuses 401 and 429."""
    status = response.status_code
    if status in AMBIGUOUS or (status >= 500 and status != httpx.codes.NOT_IMPLEMENTED):
        return Lost(status)
    if status < 300:
        return _parse_success(response)
    if status in {404, 410} and not is_create:
        return parse_missing(response)
    answers: dict[int, Answer] = {
        405: Unsupported(),
        409: Conflict(),
        412: Outdated(),
        423: Conflict(423),
        501: Unsupported(),
    }
    return answers.get(status) or parse_refusal(response)


def parse_missing(response: httpx.Response) -> Missing:
    """Returns the answer for a 404 or 410 to a known id."""
    return Missing(is_certain=is_scim_answer(response))


def parse_refusal(response: httpx.Response) -> Refused:
    """Returns the status and the ``scimType`` (RFC 7644, section 3.12), without a value of the person."""
    kind = get_member(parse_json_object(response) or {}, "scimType")
    is_type = isinstance(kind, str) and kind.isascii() and kind.isalpha() and len(kind) < MAX_SCIM_TYPE_LENGTH
    return Refused(response.status_code, str(kind) if is_type else None)


def is_scim_answer(response: httpx.Response) -> bool:
    """Returns whether an error is from the SCIM server, and not from a gateway or router in front of it.

    A SCIM answer is a JSON object that has the media type of SCIM, or the form of a SCIM error.
    """
    body = parse_json_object(response)
    return body is not None and (parse_media_type(response) == SCIM_JSON or _is_scim_error(response, body))


def _is_scim_error(response: httpx.Response, body: Body) -> bool:
    """Whether the body is an error of SCIM 2.0 (RFC 7644, section 3.12) or of SCIM 1.1 (section 3.9 there).

    Problem details (RFC 9457) also have ``status`` and ``detail``; web frameworks send them for unknown paths.
    """
    schemas, errors = get_member(body, "schemas"), get_member(body, "Errors")
    if isinstance(schemas, list) and any(str(schema).lower().endswith(_ERROR) for schema in schemas):
        return True
    if isinstance(errors, list):
        return any(isinstance(error, dict) and {"code", "description"} <= error.keys() for error in errors)
    is_problem = parse_media_type(response) == "application/problem+json" or not body.keys().isdisjoint(
        {"type", "title"}
    )
    return {"status", "detail"} <= body.keys() and not is_problem


def _parse_success(response: httpx.Response) -> Answer:
    if not response.content.strip():
        return Written(_parse_location(response))
    body = parse_json_object(response)
    resource = parse_resource(body, response.headers.get("ETag")) if body is not None else None
    if resource is None:
        # A web page with status 200, or an incomplete body: only a lookup shows whether the account was written.
        return Lost(response.status_code, "unreadable answer")
    return Written(resource)


def _parse_location(response: httpx.Response) -> Resource | None:
    """Returns the account that ``Location`` names, for a response without a body (RFC 7644, section 3.3)."""
    try:
        path = urlsplit(response.headers.get("Location", "")).path
    except ValueError:
        return None
    _, users, last = path.rstrip("/").rpartition("/Users/")
    account = parse_id(unquote(last)) if users else None
    return Resource(account, {}, response.headers.get("ETag")) if account is not None else None
