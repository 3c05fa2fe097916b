"""Unpacking response bodies."""

import gzip
import zlib

import httpx
import pytest

from services.clients.http.encodings import unpack_body

REQUEST = httpx.Request("GET", "http://declaree.test/")
TEXT = b'{"name": "Zo\xc3\xab"}'
PACKED = gzip.compress(TEXT)


@pytest.mark.parametrize(
    "encodings", ["gzip", "x-gzip", "GZIP", " gzip ", "gzip, identity", "identity,X-GZip", "gzip,", "utf-8, gzip"]
)
def test_gzip_in_all_spellings_is_unpacked(encodings: str) -> None:
    """RFC 9110, section 8.4.1.3: x-gzip is gzip, and names are case-insensitive."""
    assert unpack_body(PACKED, encodings, 1000, REQUEST) == TEXT


@pytest.mark.parametrize(
    "encodings", ["identity", "", "Identity", ",", "UTF-8", "utf8", "iso-8859-1", "windows-1252, identity"]
)
def test_identity_and_character_sets_leave_the_body(encodings: str) -> None:
    """Some servers write the character set into the wrong header."""
    assert unpack_body(TEXT, encodings, 1000, REQUEST) == TEXT


@pytest.mark.parametrize(
    "content",
    [gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]), gzip.compress(b"") + PACKED, PACKED + b"\0" * 100],
    ids=["two streams", "empty stream", "filled up"],
)
def test_all_streams_of_a_body_are_unpacked(content: bytes) -> None:
    """RFC 1952, section 2.2: a gzip file may have several members."""
    assert unpack_body(content, "gzip", 1000, REQUEST) == TEXT


@pytest.mark.parametrize("content", [PACKED, gzip.compress(PACKED)], ids=["stated twice", "applied twice"])
def test_repeated_header_is_unpacked_as_often_as_needed(content: bytes) -> None:
    """Two proxies may state the same encoding, or apply it twice."""
    assert unpack_body(content, "gzip, gzip", 1000, REQUEST) == TEXT


@pytest.mark.parametrize(
    ("encodings", "shown"),
    [
        ("deflate", "encoding deflate,"),
        ("BR", "encoding br,"),
        ("zstd", "encoding zstd,"),
        ("gzip, deflate", "encoding deflate,"),
        ("zlib", "encoding zlib,"),
        ("zoe@example.com", "encoding of an invalid name,"),
    ],
)
def test_other_encodings_are_named_as_the_cause(encodings: str, shown: str) -> None:
    """The message names the encoding, but no other text of the server."""
    with pytest.raises(httpx.RemoteProtocolError, match="which was not requested") as caught:
        unpack_body(zlib.compress(TEXT), encodings, 1000, REQUEST)

    assert shown in str(caught.value)
    assert "zoe" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "encodings", "cause"),
    [
        (PACKED[:-4], "gzip", "incomplete"),
        (PACKED + PACKED[:-4], "gzip", "incomplete"),
        (TEXT, "gzip", "not gzip as stated"),
        (PACKED + b"garbage", "gzip", "not gzip as stated"),
        (gzip.compress(b"x" * 1001), "gzip", "too large"),
        (gzip.compress(b"x" * 600) + gzip.compress(b"x" * 600), "gzip", "too large"),
        (gzip.compress(gzip.compress(b"x" * 1001)), "gzip, gzip", "too large"),
        (gzip.compress(b"") * 101, "gzip", "more than 100 gzip streams"),
        (PACKED, "gzip, gzip, gzip, gzip, gzip", "more than 4 encodings"),
    ],
    ids=[
        "cut off",
        "second stream cut off",
        "not packed",
        "bytes behind the stream",
        "one large stream",
        "two large streams",
        "packed twice",
        "many streams",
        "many encodings",
    ],
)
def test_unusable_packed_body_names_its_cause(content: bytes, encodings: str, cause: str) -> None:
    """A part of a body must not pass for the whole, and a small body must not fill the memory."""
    with pytest.raises(httpx.RemoteProtocolError, match=cause):
        unpack_body(content, encodings, 1000, REQUEST)


def test_streams_up_to_the_limit_are_accepted() -> None:
    """The limit counts all streams together, and is itself allowed."""
    content = gzip.compress(b"x" * 400) + gzip.compress(b"x" * 600)

    assert unpack_body(content, "gzip", 1000, REQUEST) == b"x" * 1000
