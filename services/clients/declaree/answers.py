"""Turns HTTP responses of a SCIM server into the answers that the reconciliation understands. Pure."""

from urllib.parse import unquote, urlsplit

import httpx

from services.clients.declaree.errors import ADDRESS_HINT, DeclareeWrongAddressError
from services.clients.http.responses import parse_json_object
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    Body,
    Conflict,
    Gone,
    Lost,
    Outdated,
    Refused,
    Resource,
    Unsupported,
    Written,
)

AMBIGUOUS = frozenset({*range(300, 400), 408, 421, 425})
"""Statuses below 500 that do not say whether a write happened: redirects, a timeout, a wrong server."""
MAX_SCIM_TYPE_LENGTH = 30
"""Number of characters from which a ``scimType`` is left out of a reason. The RFC's own types are shorter."""

# ---------------------------------------------------------------- lookups


def parse_user(response: httpx.Response) -> Resource:
    """Returns the user in a response; raises ``DeclareeWrongAddressError`` for any other content."""
    return _parse_resource(response, _parse_object(response))


def parse_users(response: httpx.Response) -> tuple[Resource, ...]:
    """Returns the users of a list response (RFC 7644, section 3.4.2).

    Raises ``DeclareeWrongAddressError`` for a body that has neither the users nor a total of 0. Such a body is not a
    list, and must not be mistaken for an empty one.
    """
    body = _parse_object(response)
    resources, total = _get_member(body, "Resources"), _get_member(body, "totalResults")
    if not isinstance(resources, list) and (resources is not None or total not in {0, "0"}):
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not a SCIM list: {ADDRESS_HINT}")
    entries = [entry for entry in resources or () if isinstance(entry, dict)]
    return tuple(_parse_resource(None, entry) for entry in entries if _parse_id(entry))


# ---------------------------------------------------------------- writes


def parse_write_answer(response: httpx.Response, *, is_create: bool) -> Answer:
    """Returns what the response says about a write. The caller has handled the statuses 401, 403 and 429."""
    status = response.status_code
    if status < 300:
        return _parse_success(response)
    if status in AMBIGUOUS or (status >= 500 and status != httpx.codes.NOT_IMPLEMENTED):
        return Lost(str(status))
    answers: dict[int, Answer] = {
        404: Refused(f"Declaree answers a create with 404: {ADDRESS_HINT}") if is_create else Gone(),
        405: Unsupported(),
        501: Unsupported(),
        409: Conflict(),
        410: Refused("Declaree answers a create with 410") if is_create else Gone(),
        412: Outdated(),
    }
    return answers.get(status) or build_refusal(response)


def build_refusal(response: httpx.Response) -> Refused:
    """Returns a refusal with the status and the ``scimType`` (RFC 7644, section 3.12), without a value of the person."""
    body = parse_json_object(response) or {}
    kind = body.get("scimType")
    is_known = isinstance(kind, str) and kind.isalpha() and len(kind) < MAX_SCIM_TYPE_LENGTH
    return Refused(f"Declaree does not accept the account ({response.status_code}{f', {kind}' if is_known else ''})")


def _parse_success(response: httpx.Response) -> Answer:
    if not response.content.strip():
        return Written(_parse_location(response))
    body = parse_json_object(response)
    if body is None or not _parse_id(body):
        # A web page with status 200, or an incomplete body: only a lookup shows whether the account was written.
        return Lost("unreadable answer")
    return Written(_parse_resource(response, body))


def _parse_location(response: httpx.Response) -> Resource | None:
    """Returns the account that ``Location`` names, for a response without a body (RFC 7644, section 3.3)."""
    try:
        path = urlsplit(response.headers.get("Location", "")).path
    except ValueError:
        return None
    _, users, account_id = path.rstrip("/").rpartition("/Users/")
    if not users or not account_id:
        return None
    return Resource(AccountId(unquote(account_id)), {}, response.headers.get("ETag"))


# ---------------------------------------------------------------- resources


def _parse_object(response: httpx.Response) -> Body:
    body = parse_json_object(response)
    if body is None:
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not SCIM: {ADDRESS_HINT}")
    return body


def _parse_resource(response: httpx.Response | None, body: Body) -> Resource:
    """Returns the resource. Raises ``DeclareeWrongAddressError`` for an object without an id, which is not from SCIM."""
    account_id = _parse_id(body)
    if not account_id:
        raise DeclareeWrongAddressError(f"the answer is not a SCIM user (it has no id): {ADDRESS_HINT}")
    meta = _get_member(body, "meta")
    version = _get_member(meta, "version") if isinstance(meta, dict) else None
    etag = response.headers.get("ETag") if response is not None else None
    return Resource(AccountId(account_id), body, etag or (version if isinstance(version, str) else None))


def _parse_id(body: Body) -> str:
    """Returns the id of a resource as a string, because some servers send a number; empty for an invalid id."""
    value = _get_member(body, "id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _get_member(body: Body, name: str) -> object:
    """Returns a member of a JSON object. SCIM attribute names are case-insensitive (RFC 7643, section 2.1)."""
    return next((value for key, value in body.items() if key.lower() == name.lower()), None)
