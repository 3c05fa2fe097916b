"""Builds the parameters of requests to Personio's API v1, and reads its answers. Pure."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from services.clients.http.responses import parse_json_object
from services.clients.personio.errors import (
    ADDRESS_HINT,
    RETRY_HINT,
    PersonioAddressError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.requests import Query
from services.clients.personio.v1_attributes import (
    MODIFIED_AT,
    PARTS,
    replace_invalid_characters,
)
from services.contracts.employees import AttributeDefinition

PAGE_SIZE = 100
"""Maximum number of employees in a page. Personio enforces it since January 2025."""
MAX_LABEL_LENGTH = 200
"""Maximum number of characters that are kept of an attribute's display name and of its type."""
MAX_TOTAL = (1 << 63) - 1
"""Maximum number of employees that is believed: a larger one cannot be stored."""


def parse_body(response: httpx.Response) -> dict[str, Any]:
    """Returns the JSON object of a successful response; raises the errors of Personio for any other response."""
    status = response.status_code
    body = parse_json_object(response)
    if status < httpx.codes.BAD_REQUEST and body is not None and body.get("success") is not False:
        return body
    path = response.request.url.path
    if status in {401, 403}:
        raise PersonioRefusedError(
            f"Personio refuses {path} ({status}): give the credential the right to read employees"
        )
    if status == httpx.codes.NOT_FOUND and body is None:
        raise PersonioAddressError(f"the path {path} does not exist (404): {ADDRESS_HINT}")
    if status >= httpx.codes.BAD_REQUEST:
        raise PersonioRefusedError(f"Personio does not accept {path} ({status})")
    raise PersonioUnavailableError(f"the answer to {path} ({status}) does not come from Personio's API: {RETRY_HINT}")


def list_keys(requested: Collection[str] | None) -> list[str] | None:
    """Returns the keys to ask for, in order; None asks for all attributes."""
    return None if requested is None else sorted({*requested, MODIFIED_AT})


def build_selection(keys: Sequence[str] | None, since: datetime | None) -> Query:
    """Returns the parameters that select attributes and employees. The time has no zone, in the form that Personio documents."""
    attributes: Query = {} if keys is None else {"attributes[]": keys}
    if since is None:
        return attributes
    return {**attributes, "updated_since": [since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")]}


def get_list(body: dict[str, Any]) -> list[object]:
    """Returns the elements of a list. Raises ``PersonioUnavailableError`` for a body without one."""
    data = body.get("data")
    if not isinstance(data, list):
        raise PersonioUnavailableError(f"Personio's list has no data: {RETRY_HINT}")
    return data


def get_total(body: dict[str, Any]) -> int | None:
    """Returns the announced number of employees; None without a usable one."""
    metadata = body.get("metadata")
    total = metadata.get("total_elements") if isinstance(metadata, dict) else None
    is_number = isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= MAX_TOTAL
    return total if is_number else None


def parse_definitions(entries: Sequence[object]) -> tuple[AttributeDefinition, ...]:
    """Returns the attributes of a list of definitions. An element without a key is passed over."""
    return tuple(
        AttributeDefinition(
            replace_invalid_characters(str(entry["key"])),
            replace_invalid_characters(str(entry.get("label") or "")[:MAX_LABEL_LENGTH]),
            replace_invalid_characters(str(entry.get("type") or "standard")[:MAX_LABEL_LENGTH]),
            tuple(f"{entry['key']}.{part}" for part in PARTS.get(str(entry["key"]), ())),
        )
        for entry in entries
        if isinstance(entry, dict) and entry.get("key")
    )
