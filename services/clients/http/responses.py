"""Reads responses: whole and unpacked bodies, JSON objects, and the header ``Retry-After``."""

import json
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic_core import from_json

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Upper limit for ``Retry-After``. A server with a wrong clock may name a time that is far in the future."""
_GZIP = 31
"""Window bits of ``zlib`` for a gzip stream."""


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


def unpack_gzip(content: bytes, limit: int, request: httpx.Request) -> bytes:
    """Returns the unpacked body.

    Raises ``httpx.RemoteProtocolError`` for a body that is incomplete or has more than ``limit`` bytes when unpacked,
    and ``zlib.error`` for content that is not gzip.
    """
    unpacker = zlib.decompressobj(_GZIP)
    unpacked = unpacker.decompress(content, limit + 1)
    if len(unpacked) > limit:
        raise build_size_error(limit, request)
    if not unpacker.eof:
        raise httpx.RemoteProtocolError("the packed response body is incomplete", request=request)
    return unpacked


def build_size_error(limit: int, request: httpx.Request) -> httpx.RemoteProtocolError:
    """Returns the error for a body of more than ``limit`` bytes."""
    return httpx.RemoteProtocolError(f"the response body is too large (more than {limit} bytes)", request=request)


def parse_retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Returns the seconds that the server asks to wait (RFC 9110, section 10.2.3); None if it names no valid time."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def parse_json_object(response: httpx.Response) -> dict[str, object] | None:
    """Returns the JSON object in the body; None for any other body, such as a proxy's web page."""
    try:
        body = _parse_json(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _parse_json(content: bytes) -> Any:
    """Returns the value and raises the errors of ``json.loads``, in half of its time for valid JSON.

    Vendors also send unpaired surrogates. pydantic's parser rejects them, ``json.loads`` accepts them.
    """
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content)
