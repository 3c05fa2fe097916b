"""Parameters of a search or a read, from the query string or from the body of ``.search``."""

from urllib.parse import parse_qs

from sandbox.declaree.errors import bad_request
from sandbox.declaree.message import Request
from sandbox.declaree.query import Query
from sandbox.declaree.values import Resource


def parse_query(request: Request) -> Query:
    """Returns the parameters of the query string. Raises ``ScimError`` for a number that cannot be read."""
    if not request.query:
        return Query()
    parameters = {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}
    count = parameters.get("count")
    return Query(
        filter=parameters.get("filter"),
        start_index=_read_integer(parameters.get("startIndex", "1")),
        count=None if count is None else _read_integer(count),
        attributes=_split_names(parameters.get("attributes")),
        excluded_attributes=_split_names(parameters.get("excludedAttributes")),
    )


def parse_search(payload: Resource) -> Query:
    """Returns the parameters of a search message. Raises ``ScimError`` for a value of the wrong type."""
    count = payload.get("count")
    return Query(
        filter=_read_string(payload.get("filter")),
        start_index=_read_integer(payload.get("startIndex", 1)),
        count=None if count is None else _read_integer(count),
        attributes=_read_strings(payload.get("attributes")),
        excluded_attributes=_read_strings(payload.get("excludedAttributes")),
    )


def _split_names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def _read_string(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise bad_request("invalidSyntax", "filter and attributes must be strings")
    return value


def _read_strings(values: object) -> tuple[str, ...]:
    strings = [_read_string(value) for value in values] if isinstance(values, list) else []
    return tuple(value for value in strings if value is not None)


def _read_integer(text: object) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise bad_request("invalidValue", "startIndex and count must be numbers") from error
