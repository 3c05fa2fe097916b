"""Reads users and lists of users in responses of a SCIM server (RFC 7643, section 3; RFC 7644, section 3.4.2). Pure."""

import re
from dataclasses import replace

import httpx

from services.clients.declaree.errors import ADDRESS_HINT, DeclareeWrongAddressError
from services.clients.http.responses import parse_json_object
from services.contracts.ids import AccountId
from services.provisioning.calls import Body, Page, Resource
from services.provisioning.paths import MAX_MEMBERS

_PATH_STEPS = frozenset({".", ".."})
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
MAX_ID_BYTES = 1024
"""Maximum size of an account id. A longer one is not an id, and must not reach addresses and the ledger."""


def parse_user(response: httpx.Response) -> Resource:
    """Returns the user in a response; raises ``DeclareeWrongAddressError`` for any other content."""
    resource = parse_resource(_parse_object(response), response.headers.get("ETag"))
    if resource is None:
        raise DeclareeWrongAddressError(f"the answer is not a SCIM user (it has no id): {ADDRESS_HINT}")
    return resource


def parse_users(response: httpx.Response) -> tuple[Resource, ...]:
    """Returns the users of a list response. Raises the error of ``parse_page``."""
    return parse_page(response).resources


def parse_page(response: httpx.Response) -> Page:
    """Returns the users of a list response and their total number. Entries without an id are left out.

    Raises ``DeclareeWrongAddressError`` for a body that has neither the users nor a total of 0. Such a body is not a
    list, and must not be mistaken for an empty one.
    """
    body = _parse_object(response)
    entries, total = get_member(body, "Resources"), _parse_number(get_member(body, "totalResults"))
    if not isinstance(entries, list) and (entries is not None or total != 0):
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not a SCIM list: {ADDRESS_HINT}")
    resources = [parse_resource(entry) for entry in entries or () if isinstance(entry, dict)]
    return Page(tuple(replace(resource, is_listed=True) for resource in resources if resource is not None), total)


def parse_resource(body: Body, etag: str | None = None) -> Resource | None:
    """Returns the resource; None for an object without an id. The header ``ETag`` has precedence over ``meta.version``.

    A version that cannot be sent back in a header is left out.
    """
    account_id = parse_id(get_member(body, "id"))
    if account_id is None:
        return None
    meta = get_member(body, "meta")
    version = etag or (get_member(meta, "version") if isinstance(meta, dict) else None)
    is_usable = isinstance(version, str) and not _CONTROL_CHARACTERS.search(version)
    return Resource(account_id, body, str(version) if is_usable else None)


def parse_id(value: object) -> AccountId | None:
    """Returns an account id as a string, because some servers send a number; None for an invalid id.

    An id stands in addresses, in texts for administrators and in the log. So it has no control characters, which could change a
    terminal, and is not a step within a path, which would lead to another resource (RFC 3986, section 5.2.4).
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    if not text.isprintable() or text in _PATH_STEPS:
        return None
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # an unpaired surrogate, which no address can contain
        return None
    return AccountId(text) if 0 < size <= MAX_ID_BYTES else None


def get_member(body: Body, name: str) -> object:
    """Returns a member of a JSON object. SCIM attribute names are case-insensitive (RFC 7643, section 2.1)."""
    if name in body or len(body) > MAX_MEMBERS:
        return body.get(name)
    folded = name.lower()
    return next((value for key, value in body.items() if key.lower() == folded), None)


def _parse_object(response: httpx.Response) -> Body:
    body = parse_json_object(response)
    if body is None:
        raise DeclareeWrongAddressError(f"the answer ({response.status_code}) is not SCIM: {ADDRESS_HINT}")
    return body


def _parse_number(value: object) -> int | None:
    """Returns a number of users; None for another value. Some servers send the number as a string."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
