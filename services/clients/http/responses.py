"""Reads responses: whole and unpacked bodies, JSON objects in any character set, and the header ``Retry-After``."""

import codecs
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic_core import from_json

from services.clients.http.encodings import is_charset
from services.clients.http.large_json import LARGE_BYTES, parse_in_steps
from services.clients.http.threads import run_in_thread

MAX_RETRY_AFTER_SECONDS = 900.0
"""Upper limit for ``Retry-After``. A server may be wrong about its clock or about the unit."""
MAX_PLAUSIBLE_SECONDS = 3600.0
"""A number above this is not a number of seconds: servers limit requests by the hour at most."""
MAX_EPOCH_DISTANCE_SECONDS = 86_400.0
"""A number that is a time within this distance of now, since 1970 and in seconds or milliseconds, is read as that time."""
_TOO_DEEP = "recursion limit exceeded"
"""The beginning of the error of pydantic's parser for JSON that is nested too deep."""
_DECODED = "json_object"
"""Name of the extension of a response that holds the object of a large body."""
_WESTERN = "cp1252"
"""The character set behind the labels ISO-8859-1 and US-ASCII, as browsers read them."""
_STRAY_BYTES = {0xDC00 + byte: bytes([byte]).decode(_WESTERN, "replace") for byte in range(0x80, 0x100)}
"""The characters for bytes that are not UTF-8, by the surrogates that ``surrogateescape`` puts in their place."""


class WholeResponse(httpx.Response):
    """A response with its whole body, already unpacked. httpx ignores ``Content-Encoding`` and does not unpack it again."""

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """``body`` is the unpacked body."""
        super().__init__(status, headers=headers, stream=httpx.ByteStream(body))
        self._body = body
        self.read()

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:  # noqa: ARG002 - there is one chunk
        """Yields the body as one chunk."""
        yield self._body


def parse_retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Returns the seconds that the server asks to wait (RFC 9110, section 10.2.3); None if it names no valid time.

    Servers also send milliseconds and times since 1970. Times are compared with the server's own ``Date``, if it sends one.
    """
    value = response.headers.get("Retry-After", "").strip()
    number = parse_number(value)
    sent_at = parse_date(response.headers.get("Date", "")) or now
    if number is not None:
        seconds = interpret_wait(number, sent_at)
    else:
        at = parse_date(value)
        if at is None:
            return None
        seconds = (at - sent_at).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def interpret_wait(number: float, now: datetime) -> float:
    """Returns the seconds to wait that a number means: seconds, milliseconds, or a time since 1970 in one of both.

    Thousands are milliseconds: a wait in seconds of this length is a number of minutes, such as 1800.
    """
    for unit in (1, 1000):
        distance = number / unit - now.timestamp()
        if abs(distance) < MAX_EPOCH_DISTANCE_SECONDS:
            return distance
    is_milliseconds = number > MAX_PLAUSIBLE_SECONDS or (number >= 1000 and number % 1000 == 0)
    return number / 1000 if is_milliseconds else number


def parse_number(value: str) -> float | None:
    """Returns a number that has digits and at most one point; None for another string."""
    whole, _, fraction = value.partition(".")
    is_number = whole.isdigit() and (not fraction or fraction.isdigit()) and value.isascii()
    return float(value) if is_number else None


def parse_date(value: str) -> datetime | None:
    """Returns the time of a header such as ``Date``, in UTC if it names no zone; None for anything else."""
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_json_object(response: httpx.Response) -> dict[str, object] | None:
    r"""Returns the JSON object in the body; None for any other body, such as a proxy's web page.

    JSON is UTF-8 (RFC 8259, section 8.1), also if ``Content-Type`` states another character set, as old servlet engines
    do. A body that is not UTF-8 is read in the stated character set. Without a usable one, each byte that is not UTF-8
    is read as Western European, so that "J\xfcrgen" arrives as "Jürgen".
    """
    if _DECODED in response.extensions:
        decoded: dict[str, object] | None = response.extensions[_DECODED]
        return decoded
    return _parse_object(response, _parse_json)


async def decode_large(response: httpx.Response) -> None:
    """Parses the JSON of a large body in a thread, for ``parse_json_object``. Leaves other bodies as they are."""
    if len(response.content) > LARGE_BYTES:
        response.extensions[_DECODED] = await run_in_thread(_parse_object, response, _parse_large)


def _parse_object(response: httpx.Response, parse: Callable[[httpx.Response], Any]) -> dict[str, object] | None:
    try:
        body = parse(response)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _parse_large(response: httpx.Response) -> Any:
    content = response.content
    try:
        text = content.decode(json.detect_encoding(content), "surrogatepass")
    except UnicodeDecodeError:
        text = _decode(content, response.charset_encoding)
    return parse_in_steps(text)


def parse_media_type(response: httpx.Response) -> str:
    """Returns the media type in lowercase, without parameters; empty if the response states none."""
    value: str = response.headers.get("Content-Type", "")
    return value.partition(";")[0].strip().lower()


def _parse_json(response: httpx.Response) -> Any:
    try:
        return parse_json(response.content)
    except UnicodeDecodeError:
        return json.loads(_decode(response.content, response.charset_encoding))


def parse_json(content: bytes) -> Any:
    """Returns the value and raises the errors of ``json.loads``, in half of its time for valid JSON.

    Vendors also send unpaired surrogates. pydantic's parser rejects them, ``json.loads`` accepts them. JSON that is nested
    more than some 200 levels deep is refused: the code that works on it would exceed Python's limit of recursion.
    """
    try:
        return from_json(content)
    except ValueError as error:
        if str(error).startswith(_TOO_DEEP):
            raise
    return json.loads(content)


def _decode(content: bytes, charset: str | None) -> str:
    if charset is not None and is_charset(charset):
        name = codecs.lookup(charset).name
        try:
            return content.decode(_WESTERN if name in {"iso8859-1", "ascii"} else name)
        except UnicodeDecodeError:
            pass
    return content.decode("utf-8", "surrogateescape").translate(_STRAY_BYTES)
