"""Response headers of every request, and the limit of the query string."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from sandbox.personio.app import create_app
from tests.sandbox.personio.in_process import EMPLOYEES, NOW, PersonioSandbox
from tests.support.serving import serve_in_thread

SUNSET = "Fri, 01 Jan 2027 00:00:00 GMT"


async def test_deprecation_headers_are_sent_on_demand(personio: PersonioSandbox) -> None:
    """Without the switches the headers are missing; with them errors have them as well."""
    before = await personio.http.get(EMPLOYEES)
    await personio.call_control("PATCH", "/behaviour", {"deprecation": "@1798761600", "sunset": SUNSET})
    list_headers = (await personio.http.get(EMPLOYEES)).headers
    error_headers = (await personio.http.get(f"{EMPLOYEES}/0")).headers

    assert "deprecation" not in before.headers
    assert "sunset" not in before.headers
    assert list_headers["deprecation"] == error_headers["deprecation"] == "@1798761600"
    assert list_headers["sunset"] == error_headers["sunset"] == SUNSET


@pytest.mark.parametrize("offset", [0, 600, -90])
async def test_date_header_differs_by_the_switch(personio: PersonioSandbox, offset: int) -> None:
    """The header shows the sandbox's clock plus the offset, which may be negative."""
    await personio.call_control("PATCH", "/behaviour", {"date_offset_seconds": offset})
    personio.advance_clock(hours=1)

    shown = parsedate_to_datetime((await personio.http.get(EMPLOYEES)).headers["date"])

    assert shown == NOW + timedelta(hours=1, seconds=offset)


async def test_served_sandbox_sends_one_date_header(personio: PersonioSandbox) -> None:
    """The server adds its own date to answers of the control API only."""
    with serve_in_thread(create_app(personio.state)) as address:
        vendor = await _fetch_dates(personio, f"{address}{EMPLOYEES}")
        control = await _fetch_dates(personio, f"{address}/_control/health")

    assert [parsedate_to_datetime(date) for date in vendor] == [NOW]
    assert len(control) == 1


async def _fetch_dates(personio: PersonioSandbox, url: str) -> list[str]:
    async with httpx.AsyncClient(headers=personio.http.headers) as http:
        return (await http.get(url)).headers.get_list("date")


@pytest.mark.parametrize(("status", "reason"), [(414, "Request-URI Too Large"), (431, "Header Fields Too Large")])
async def test_long_query_is_refused_by_the_server(personio: PersonioSandbox, status: int, reason: str) -> None:
    """A query above the limit gets an HTML page, one at the limit is answered, and without a limit all are."""
    await personio.call_control("PATCH", "/behaviour", {"max_query_bytes": 100, "long_query": status})
    fitting = f"{EMPLOYEES}?limit=1&email=".ljust(len(EMPLOYEES) + 101, "x")

    refused = await personio.http.get(f"{fitting}x")

    assert (await personio.http.get(fitting)).status_code == 200
    assert refused.status_code == status
    assert refused.headers["content-type"].startswith("text/html")
    assert reason in refused.text

    await personio.call_control("PATCH", "/behaviour", {"max_query_bytes": None})

    assert (await personio.http.get(f"{fitting}x")).status_code == 200


async def test_query_limit_is_8_kib_by_default(personio: PersonioSandbox) -> None:
    """A request for many attributes can exceed what servers accept."""
    attributes = "&".join(["attributes[]=first_name"] * 360)

    assert (await personio.http.get(f"{EMPLOYEES}?{attributes}")).status_code == 414
