"""Reading responses: the header ``Retry-After``, and JSON objects."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.clients.http.responses import parse_json_object, parse_media_type, parse_retry_after

NOW = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1.5.2", None),
        ("600", 600.0),
        ("1800", 900.0),
        ("3600", 900.0),
        ("1000", 1.0),
        ("3601", 3.601),
        ("30000", 30.0),
        ("1773045020", 20.0),
        ("1773044990", 0.0),
        ("1773045020000", 20.0),
        ("1773045020500", 20.5),
        ("1773131401", 900.0),
        ("9" * 5000, 900.0),
        ("Mon, 09 Mar 2026 08:30:20 GMT", 20.0),
        ("Monday, 09-Mar-26 08:30:20 GMT", 20.0),
        ("Mon Mar  9 08:30:20 2026", 20.0),
        ("Mon, 09 Mar 2026 07:30:20 GMT", 0.0),
        ("Tue, 09 Mar 2094 08:30:20 GMT", 900.0),
        ("Tue, 09 Mar 99999 08:30:20 GMT", None),
        ("9" * 50 + " Jan 2020 10:10:10", None),
    ],
)
def test_retry_after_is_parsed_as_seconds_or_date(value: str | None, seconds: float | None) -> None:
    """RFC 9110 allows both forms, and three formats of dates. Servers also send milliseconds and times since 1970."""
    response = httpx.Response(429, headers={} if value is None else {"Retry-After": value})

    assert parse_retry_after(response, NOW) == seconds


def test_retry_after_date_is_counted_from_now() -> None:
    """The result is the difference to the present time."""
    response = httpx.Response(503, headers={"Retry-After": "Mon, 09 Mar 2026 08:30:20 GMT"})

    assert parse_retry_after(response, NOW + timedelta(seconds=12)) == 8.0


@pytest.mark.parametrize("value", ["Mon, 09 Mar 2026 08:30:20 GMT", "1773045020", "1773045020000"])
def test_retry_after_is_counted_from_the_date_of_the_server(value: str) -> None:
    """A server with a clock that is an hour fast must not stop its requests for an hour."""
    response = httpx.Response(429, headers={"Retry-After": value, "Date": "Mon, 09 Mar 2026 08:30:05 GMT"})

    assert parse_retry_after(response, NOW - timedelta(hours=1)) == 15.0


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"{", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_not_a_json_object_gives_none(content: bytes) -> None:
    """A proxy's page or deep nesting must not raise an error."""
    assert parse_json_object(httpx.Response(200, content=content)) is None


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": "\\ud83d"}', "\ud83d"),
        ('\ufeff{"a": "b"}'.encode(), "b"),
        ('{"a": "b"}'.encode("utf-16"), "b"),
        (b'{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
        (b'{"a": 1, "a": 1.0}', 1.0),
    ],
    ids=["unpaired surrogate", "byte order mark", "UTF-16", "large number", "repeated name"],
)
def test_json_object_is_parsed_as_by_the_json_module(content: bytes, value: object) -> None:
    """Vendors send JSON that strict parsers reject."""
    body = parse_json_object(httpx.Response(200, content=content))

    assert body is not None
    assert body == {"a": value}
    assert type(body["a"]) is type(value)


JUERGEN = '{"name": "Jürgen Šárka"}'


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (JUERGEN.encode(), "application/scim+json"),
        (JUERGEN.encode(), "application/json;charset=ISO-8859-1"),
        (JUERGEN.encode(), "application/json; charset=unknown"),
        (JUERGEN.encode("cp1252"), 'application/json; charset="iso-8859-1"'),
        (JUERGEN.encode("cp1252"), "application/json;charset=US-ASCII"),
        (JUERGEN.encode("cp1252"), "application/json;charset=utf-8"),
        (JUERGEN.encode("cp1252"), "application/json;charset=zlib"),
        (JUERGEN.encode("cp1252"), "application/json"),
        (JUERGEN.encode("cp1252"), ""),
        (JUERGEN.encode("iso-8859-2"), "application/json; charset=ISO-8859-2"),
        (JUERGEN.encode("utf-16"), "application/json; charset=utf-16"),
        (JUERGEN.encode("utf-8-sig"), "application/json"),
    ],
)
def test_names_arrive_right_in_any_character_set(content: bytes, content_type: str) -> None:
    """Valid UTF-8 has precedence over what the header states, because old servers state ISO-8859-1 for all text."""
    response = httpx.Response(200, content=content, headers={"Content-Type": content_type})

    assert parse_json_object(response) == {"name": "Jürgen Šárka"}


def test_stray_bytes_leave_the_rest_of_the_body_right() -> None:
    """A list may have one name in another character set, and all other names must still be right."""
    content = '["Zoë", "J'.encode() + b'\xfcrgen", "\x81"]'

    body = parse_json_object(httpx.Response(200, content=b'{"names": ' + content + b"}"))

    assert body == {"names": ["Zoë", "Jürgen", "\ufffd"]}


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        (None, ""),
        ("", ""),
        ("Application/SCIM+JSON ; charset=utf-8", "application/scim+json"),
        ("text/html", "text/html"),
    ],
)
def test_media_type_is_read_without_parameters(header: str | None, media_type: str) -> None:
    """RFC 9110, section 8.3.1: the case does not matter."""
    response = httpx.Response(200, headers={} if header is None else {"Content-Type": header})

    assert parse_media_type(response) == media_type
