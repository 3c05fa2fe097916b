"""Unpacks response bodies (RFC 9110, section 8.4): the requested encoding gzip, and none, in all forms that servers send."""

import re
import zlib

import httpx

MEGABYTE = 1_048_576
"""Number of bytes in a megabyte."""
MAX_ENCODINGS = 4
"""Maximum number of encodings of one body."""
MAX_MEMBERS = 100
"""Maximum number of gzip streams in one body. Proxies that add to a packed body send two."""
_GZIP_WINDOW = 31
"""Window bits of ``zlib`` for a gzip stream."""
_GZIP_START = b"\x1f\x8b"
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_NAME = re.compile(r"[a-z0-9-]{1,20}")


def unpack_body(content: bytes, encodings: str, limit: int, request: httpx.Request) -> bytes:
    """Returns the unpacked body. ``encodings`` is the value of ``Content-Encoding``.

    The name of a character set, such as ``UTF-8``, is ignored: some servers put it into the wrong header.
    Raises ``httpx.RemoteProtocolError`` for any other encoding, and for a body that is damaged, or has more than
    ``limit`` bytes when unpacked.
    """
    names = [name.strip().lower() for name in encodings.split(",")]
    if not content or names == ["identity"]:
        return content
    if len(names) > MAX_ENCODINGS:
        raise httpx.RemoteProtocolError(f"the response body has more than {MAX_ENCODINGS} encodings", request=request)
    is_unpacked = False
    for name in reversed(names):
        if name in _GZIP_NAMES:
            # a header that two proxies set is repeated, although the body is packed once
            if not is_unpacked or content.startswith(_GZIP_START):
                content = _unpack_gzip(content, limit, request)
            is_unpacked = True
        elif name not in {"", "identity"} and not is_charset(name):
            shown = name if _NAME.fullmatch(name) else "of an invalid name"
            raise httpx.RemoteProtocolError(
                f"the server sent the encoding {shown}, which was not requested: let the server or its proxy send gzip",
                request=request,
            )
    return content


def is_charset(name: str) -> bool:
    """Returns whether this is the name of a character set that Python can decode."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def _unpack_gzip(content: bytes, limit: int, request: httpx.Request) -> bytes:
    """Returns the unpacked streams, one after the other (RFC 1952, section 2.2)."""
    parts: list[bytes] = []
    left = limit
    for _ in range(MAX_MEMBERS):
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = unpacker.decompress(content, left + 1)
        except zlib.error as error:
            raise httpx.RemoteProtocolError("the response body is not gzip as stated", request=request) from error
        left -= len(part)
        if left < 0:
            raise build_size_error(limit, request)
        if not unpacker.eof:
            raise httpx.RemoteProtocolError("the packed response body is incomplete", request=request)
        parts.append(part)
        content = unpacker.unused_data.lstrip(b"\0")  # some servers fill up the last block
        if not content:
            return b"".join(parts)
    raise httpx.RemoteProtocolError(f"the response body has more than {MAX_MEMBERS} gzip streams", request=request)


def build_size_error(limit: int, request: httpx.Request) -> httpx.RemoteProtocolError:
    """Returns the error for a body of more than ``limit`` bytes."""
    size = f"{limit // MEGABYTE} MB" if limit >= MEGABYTE else f"{limit} bytes"
    return httpx.RemoteProtocolError(
        f"the response body is too large (more than {size}): let the server send less in one answer", request=request
    )
