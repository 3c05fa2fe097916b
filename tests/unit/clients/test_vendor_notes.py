"""What is noted of the headers of responses, for any value that a server sends."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clients.http.vendor_notes import MAX_ENDPOINTS, NoteTaker
from services.clients.personio.errors import PersonioUnavailableError
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from services.runtime.clock import Clock
from tests.support.fakes import FakeClock
from tests.unit.clients.personio_stage import (
    AUTH,
    EMPTY_LIST,
    LIST,
    TOKEN,
    open_client,
    read_first_page,
)
from tests.unit.clients.transports import Reply

SUNSET = datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC)
SUNSET_HEADER = "Wed, 30 Jun 2027 23:59:59 GMT"


def take(headers: Mapping[str, str], path: str = LIST) -> VendorNotes:
    """Returns the notes after one response with these headers."""
    clock = FakeClock()
    taker = NoteTaker(clock)
    taker.take(httpx.Response(200, headers=headers), path, clock.now())
    return taker.notes


def format_date(at: datetime) -> str:
    """Returns a time as the header ``Date`` has it."""
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("headers", "end"),
    [
        pytest.param(
            {"Deprecation": "@1798758000", "Sunset": SUNSET_HEADER},
            EndpointEnd(
                path=LIST,
                is_deprecated=True,
                deprecated_at=datetime(2026, 12, 31, 23, 0, tzinfo=UTC),
                sunset_at=SUNSET,
            ),
            id="RFC 9745 and RFC 8594",
        ),
        pytest.param({"Deprecation": "true"}, EndpointEnd(path=LIST, is_deprecated=True), id="draft: a boolean"),
        pytest.param(
            {"Deprecation": SUNSET_HEADER},
            EndpointEnd(path=LIST, is_deprecated=True, deprecated_at=SUNSET),
            id="draft: a date",
        ),
        pytest.param({"Deprecation": "soon\x07"}, EndpointEnd(path=LIST, is_deprecated=True), id="another value"),
        pytest.param({"Sunset": SUNSET_HEADER}, EndpointEnd(path=LIST, sunset_at=SUNSET), id="sunset alone"),
    ],
)
def test_announced_end_is_noted(headers: dict[str, str], end: EndpointEnd) -> None:
    """Servers also send the headers of earlier drafts."""
    assert take(headers).ends == (end,)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Deprecation": "", "Sunset": ""},
        {"Deprecation": "?0"},
        {"Deprecation": "false"},
        {"Sunset": "never"},
        {"Sunset": "Wed, 30 Jun 2027 23:59:59 GMT (" + "x" * 100},
        {"Sunset": "Fri, 31 Dec 9999 23:59:59 -2359"},
    ],
)
def test_other_headers_announce_nothing(headers: dict[str, str]) -> None:
    """A hint must not come from a value that says nothing."""
    assert take(headers).ends == ()


def test_path_of_an_announced_end_has_no_id() -> None:
    """Neither the id of an employee nor anything behind it is stored."""
    sunset = {"Sunset": SUNSET_HEADER}

    paths = [take(sunset, path).ends[0].path for path in (f"{LIST}/4711", "/v2/persons/a1B2/employments", AUTH)]

    assert paths == [LIST, "/v2/persons", AUTH]


def test_number_of_noted_endpoints_is_limited() -> None:
    """A redirecting or hostile server cannot fill the database."""
    taker = NoteTaker(FakeClock())

    for letter in "abcdefghijklmnopqrstuvwxyz":
        taker.take(httpx.Response(200, headers={"Deprecation": "true"}), f"/{letter}", datetime.now(UTC))

    assert len(taker.notes.ends) == MAX_ENDPOINTS


@pytest.mark.parametrize(
    ("difference", "noted"),
    [
        pytest.param(timedelta(seconds=90), 89.877, id="ahead"),
        pytest.param(timedelta(seconds=-90), -89.123, id="behind"),
        pytest.param(timedelta(0), 0.0, id="the same second"),
    ],
)
def test_difference_of_the_clocks_is_noted(difference: timedelta, noted: float) -> None:
    """The header ``Date`` has whole seconds: a difference within one of them does not count."""
    date = FakeClock().now() + difference

    assert take({"Date": format_date(date)}).clock_ahead_seconds == pytest.approx(noted)


def test_answer_of_a_cache_tells_nothing_about_the_clock() -> None:
    """Its ``Date`` is the time at which the cache got it."""
    date = format_date(FakeClock().now() - timedelta(hours=1))

    assert take({"Date": date, "Age": "3600"}).clock_ahead_seconds is None


async def test_slow_answer_is_not_a_difference_of_clocks() -> None:
    """The server may have written the time at any moment of the request, and the best answer counts."""
    clock = FakeClock()
    taker = NoteTaker(clock)
    sent_at = clock.now()
    await clock.sleep(40)

    for seconds in (90, 20, 100):
        date = format_date(sent_at + timedelta(seconds=seconds))
        taker.take(httpx.Response(200, headers={"Date": date}), LIST, sent_at)

    assert taker.notes.clock_ahead_seconds == 0


def test_requests_left_are_noted() -> None:
    """Every form of these headers is read."""
    assert take({"x-ratelimit-remaining": "97"}).requests_left == 97


@given(st.dictionaries(st.sampled_from(["Deprecation", "Sunset", "Date", "RateLimit", "Age"]), st.text(max_size=200)))
def test_any_header_is_tolerated(headers: dict[str, str]) -> None:
    """Notes are taken of every answer: an error would stop the synchronisation."""
    encoded = {name.encode(): value.encode(errors="replace") for name, value in headers.items()}
    clock: Clock = FakeClock()
    taker = NoteTaker(clock)

    taker.take(httpx.Response(200, headers=list(encoded.items())), LIST, clock.now())

    assert VendorNotes.model_validate_json(taker.notes.model_dump_json()) == taker.notes


async def test_client_takes_notes_of_every_response() -> None:
    """Also of the authentication, and of an answer that is an error."""
    deprecated = {"Deprecation": "true"}
    token = Reply(TOKEN.status, TOKEN.content, {"Sunset": SUNSET_HEADER})
    async with open_client(token, EMPTY_LIST, Reply(500, b"", deprecated)) as (client, _):
        await read_first_page(client)
        with pytest.raises(PersonioUnavailableError):
            await read_first_page(client)

        ends = client.notes.ends

    assert {end.path: (end.is_deprecated, end.sunset_at) for end in ends} == {AUTH: (False, SUNSET), LIST: (True, None)}
