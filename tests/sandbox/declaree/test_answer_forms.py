"""Content codings, character sets and headers that proxies and servers add to answers."""

import gzip
import json
import zlib

import httpx
import pytest

from tests.sandbox.declaree.in_process import DeclareeSandbox, build_user, run_sandbox

NAME = {"givenName": "Łucja 🙂", "familyName": "Größer"}
"""A name with characters that ISO-8859-1 lacks, and with characters that it has."""


async def read_raw(sandbox: DeclareeSandbox, path: str = "/Users/1001") -> tuple[httpx.Response, bytes]:
    """Returns an answer and its body as it was sent. The request accepts no content coding."""
    headers = {"accept-encoding": "identity"}
    async with sandbox.http.stream("GET", f"/SCIM/v2{path}", headers=headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.fixture
async def plain(sandbox: DeclareeSandbox) -> bytes:
    """The body of an account as the sandbox sends it without a proxy."""
    await sandbox.create(build_user(name=NAME))
    return (await read_raw(sandbox))[1]


def inflate_members(body: bytes) -> tuple[bytes, bytes]:
    """Returns the content of the first gzip member, and the bytes behind it."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    return reader.decompress(body), reader.unused_data


@pytest.mark.parametrize(("form", "coding"), [("gzip", "gzip"), ("x_gzip", "x-gzip"), ("gzip_members", "gzip")])
async def test_gzip_is_sent_unasked(sandbox: DeclareeSandbox, plain: bytes, form: str, coding: str) -> None:
    """All forms of gzip contain the same document."""
    sandbox.change_behaviour(answer_form=form)
    answer, body = await read_raw(sandbox)

    assert answer.headers["content-encoding"] == coding
    assert gzip.decompress(body) == plain


async def test_gzip_can_have_two_members(sandbox: DeclareeSandbox, plain: bytes) -> None:
    """A reader that stops after the first member sees half of the document."""
    sandbox.change_behaviour(answer_form="gzip_members")
    first, rest = inflate_members((await read_raw(sandbox))[1])

    assert first == plain[: len(plain) // 2]
    assert inflate_members(rest) == (plain[len(plain) // 2 :], b"")


async def test_deflate_is_sent_unasked(sandbox: DeclareeSandbox, plain: bytes) -> None:
    """The coding is named, although the request did not accept it."""
    sandbox.change_behaviour(answer_form="deflate")
    answer, body = await read_raw(sandbox)

    assert answer.headers["content-encoding"] == "deflate"
    assert zlib.decompress(body) == plain


async def test_character_set_is_sent_as_content_coding(sandbox: DeclareeSandbox, plain: bytes) -> None:
    """The body itself is not encoded."""
    sandbox.change_behaviour(answer_form="utf8_encoding")
    answer, body = await read_raw(sandbox)

    assert answer.headers["content-encoding"] == "UTF-8"
    assert body == plain


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("latin1", "application/scim+json; charset=iso-8859-1"), ("undeclared_latin1", "application/scim+json")],
)
async def test_json_is_sent_in_latin1(sandbox: DeclareeSandbox, plain: bytes, form: str, media_type: str) -> None:
    """The bytes are not valid UTF-8, with or without a declared character set."""
    sandbox.change_behaviour(answer_form=form)
    answer, body = await read_raw(sandbox)

    assert answer.headers["content-type"] == media_type
    assert json.loads(body.decode("latin-1"))["name"] == NAME
    with pytest.raises(UnicodeDecodeError):
        body.decode()


async def test_answers_can_have_a_large_header(sandbox: DeclareeSandbox, plain: bytes) -> None:
    """One header is longer than the 8 KB that many clients accept."""
    sandbox.change_behaviour(answer_form="large_header")
    answer, body = await read_raw(sandbox)

    assert max(len(value) for value in answer.headers.values()) == 9216
    assert body == plain


async def test_answers_can_have_many_headers(sandbox: DeclareeSandbox, plain: bytes) -> None:
    """There are more headers than the 100 that many clients accept."""
    sandbox.change_behaviour(answer_form="many_headers")
    answer, body = await read_raw(sandbox)

    assert len(answer.headers) > 150
    assert body == plain


async def test_form_applies_to_errors_and_not_to_empty_bodies() -> None:
    """Faults and errors pass the same proxy; an answer without a body has no coding."""
    async with run_sandbox(answer_form="x_gzip", patch_answer=204) as sandbox:
        error, body = await read_raw(sandbox, "/Users/77")
        await sandbox.order_fault("status", status=502, body="empty")
        empty, _ = await read_raw(sandbox)

        assert error.status_code == 404
        assert json.loads(gzip.decompress(body))["status"] == "404"
        assert empty.status_code == 502
        assert "content-encoding" not in empty.headers
