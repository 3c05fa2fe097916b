"""Forms that real proxies and servers give to an answer on its way."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace

from sandbox.declaree.behaviour import AnswerForm
from sandbox.declaree.message import Reply

LARGE_HEADER_BYTES = 9 * 1024
"""Length of a large header's value."""
HEADERS = 150
"""Number of additional headers."""


def _encode(coding: str, encode: Callable[[bytes], bytes] = bytes) -> Callable[[Reply], Reply]:
    """Returns a function that encodes the body and names the coding, also if the client asked for none."""

    def apply(reply: Reply) -> Reply:
        if not reply.body:
            return reply
        return replace(reply, body=encode(reply.body), headers=(*reply.headers, ("Content-Encoding", coding)))

    return apply


def _compress_in_two_members(body: bytes) -> bytes:
    middle = len(body) // 2
    return gzip.compress(body[:middle]) + gzip.compress(body[middle:])


def _encode_latin1(reply: Reply) -> Reply:
    """Encodes the body in ISO-8859-1. A character that it lacks is escaped as in JSON."""
    text = "".join(letter if ord(letter) < 256 else json.dumps(letter)[1:-1] for letter in reply.body.decode())
    return replace(reply, body=text.encode("latin-1"), media_type=reply.media_type.partition(";")[0])


def _declare_latin1(reply: Reply) -> Reply:
    encoded = _encode_latin1(reply)
    return replace(encoded, media_type=f"{encoded.media_type}; charset=iso-8859-1")


def _add_headers(*headers: tuple[str, str]) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, headers=(*reply.headers, *headers))


FORMS: dict[AnswerForm, Callable[[Reply], Reply]] = {
    "plain": lambda reply: reply,
    "utf8_encoding": _encode("UTF-8"),
    "gzip": _encode("gzip", gzip.compress),
    "x_gzip": _encode("x-gzip", gzip.compress),
    "gzip_members": _encode("gzip", _compress_in_two_members),
    "deflate": _encode("deflate", zlib.compress),
    "latin1": _declare_latin1,
    "undeclared_latin1": _encode_latin1,
    "large_header": _add_headers(("X-Trace", "a" * LARGE_HEADER_BYTES)),
    "many_headers": _add_headers(*((f"X-Hop-{number}", str(number)) for number in range(1, HEADERS + 1))),
}
"""Changes to a reply by ``Behaviour.answer_form``."""
