"""Rate limits, and faults on demand.

- Status 429 after 15 requests a second and 300 a minute on employees, and after 2000 a minute per address.
- Status 401, 403, 404, 422, 429 and 500 as JSON, and 502 and 504 as HTML, on demand.
- Bodies that are not JSON, slow responses, totals that shrink, duplicates and gaps between pages.
"""

import asyncio
import time

import pytest

from sandbox.personio.limits import Limits
from sandbox.serving import ConnectionCutError
from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, extract_ids, load_golden, run_sandbox

LIST = f"{EMPLOYEES}?limit=10"


async def test_16th_request_of_a_second_is_429_without_retry_after() -> None:
    """The vendor documents no Retry-After header, so a client must back off without one."""
    async with run_sandbox(rate_limits=True) as personio:
        await personio.log_in()
        responses = [await personio.http.get(LIST) for _ in range(16)]

        assert [response.status_code for response in responses] == [200] * 15 + [429]
        assert "retry-after" not in responses[-1].headers
        assert responses[-1].json()["success"] is False

        personio.advance_clock(seconds=1)

        assert (await personio.http.get(LIST)).status_code == 200


async def test_rate_limit_sends_retry_after_if_switched_on() -> None:
    """A switch adds the header with a fixed number of seconds."""
    async with run_sandbox(rate_limits=True, retry_after_seconds=2) as personio:
        await personio.log_in()
        responses = [await personio.http.get(LIST) for _ in range(16)]

        assert responses[-1].headers["retry-after"] == "2"


async def test_rate_limits_can_be_switched_off(personio: PersonioSandbox) -> None:
    """Without limits more than 15 requests a second pass."""
    assert {(await personio.http.get(f"{EMPLOYEES}/0")).status_code for _ in range(20)} == {404}


def _count_admitted(limits: Limits, path: str, times: list[float], address: str = "10.0.0.1") -> int:
    """Returns how many requests at these times (seconds) the limits accept."""
    return sum(limits.admit("GET", path, address, at) for at in times)


def test_employees_accept_300_requests_a_minute() -> None:
    """The list accepts 300 requests a minute, and more after the minute has passed."""
    limits = Limits()

    assert _count_admitted(limits, EMPLOYEES, [number / 10 for number in range(400)]) == 300
    assert _count_admitted(limits, EMPLOYEES, [61.0]) == 1


def test_employees_and_attributes_share_one_limit() -> None:
    """Requests for attributes and for single employees count into the same limit."""
    limits = Limits()

    assert _count_admitted(limits, f"{EMPLOYEES}/attributes", [0.0] * 10) == 10
    assert _count_admitted(limits, f"{EMPLOYEES}/17", [0.0] * 10) == 5


def test_address_accepts_2000_requests_a_minute() -> None:
    """The limit of all endpoints applies per client address."""
    limits = Limits()

    assert _count_admitted(limits, "/v1/elsewhere", [number / 100 for number in range(2100)]) == 2000
    assert _count_admitted(limits, "/v1/elsewhere", [20.0], address="10.0.0.2") == 1


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("too_many_requests", 429, None),
        ("server_error", 500, load_golden("error-500")),
        ("not_found", 404, load_golden("employee-get-404")),
        ("unauthorized", 401, None),
        ("forbidden", 403, None),
    ],
)
async def test_fault_answers_the_next_request_with_its_error(
    personio: PersonioSandbox, kind: str, status: int, body: object
) -> None:
    """A fault replaces the response of exactly one request by the vendor's error."""
    await personio.call_control("POST", "/faults", {"kind": kind})
    response = await personio.http.get(LIST)

    assert response.status_code == status
    assert body is None or response.json() == body
    assert (await personio.http.get(LIST)).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("bad_gateway", 502), ("gateway_timeout", 504)])
async def test_gateway_fault_answers_with_html(personio: PersonioSandbox, kind: str, status: int) -> None:
    """Errors of the gateway in front of the API are HTML pages."""
    await personio.call_control("POST", "/faults", {"kind": kind})
    response = await personio.http.get(LIST)

    assert response.status_code == status
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text.startswith("<html>")


async def test_not_json_fault_answers_with_invalid_json(personio: PersonioSandbox) -> None:
    """A response with status 200 and a JSON content type can contain plain text."""
    await personio.call_control("POST", "/faults", {"kind": "not_json"})
    response = await personio.http.get(LIST)

    assert response.status_code == 200

    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


async def test_fault_skips_after_and_then_fails_count_requests(personio: PersonioSandbox) -> None:
    """Only requests that match the path count for both numbers."""
    await personio.call_control("POST", "/faults", {"kind": "server_error", "after": 1, "count": 2, "path": EMPLOYEES})
    paths = (LIST, f"{EMPLOYEES}/0", LIST, LIST, LIST)

    statuses = [(await personio.http.get(path)).status_code for path in paths]

    assert statuses == [200, 404, 500, 500, 200]


async def test_429_fault_sends_its_retry_after(personio: PersonioSandbox) -> None:
    """The fault specifies the Retry-After header of its response."""
    await personio.call_control("POST", "/faults", {"kind": "too_many_requests", "retry_after": 7})

    assert (await personio.http.get(LIST)).headers["retry-after"] == "7"


async def test_slow_fault_delays_the_response(personio: PersonioSandbox) -> None:
    """The response is successful, but arrives after the delay."""
    await personio.call_control("POST", "/faults", {"kind": "slow", "seconds": 0.1})
    begin = time.perf_counter()

    assert (await personio.http.get(LIST)).status_code == 200
    assert time.perf_counter() - begin >= 0.1


async def test_slow_response_can_be_cancelled(personio: PersonioSandbox) -> None:
    """A client with a timeout can cancel the delayed request."""
    await personio.call_control("POST", "/faults", {"kind": "slow", "seconds": 60})

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(personio.http.get(LIST), 0.1)


async def test_faults_can_be_cleared(personio: PersonioSandbox) -> None:
    """Removing all faults ends a fault that is not used up."""
    await personio.call_control("POST", "/faults", {"kind": "server_error", "count": 5})

    assert len((await personio.call_control("GET", "/faults"))["faults"]) == 1

    await personio.call_control("DELETE", "/faults")

    assert (await personio.http.get(LIST)).status_code == 200


async def test_faults_do_not_affect_the_control_api(personio: PersonioSandbox) -> None:
    """A fault for all paths must not lock the test out of the control API."""
    await personio.call_control("POST", "/faults", {"kind": "server_error", "path": "*"})

    assert (await personio.call_control("GET", "/health"))["status"] == "up"


async def test_duplicate_fault_repeats_the_last_employee(personio: PersonioSandbox) -> None:
    """The page starts with the last employee of the previous page instead of its own first one."""
    expected = extract_ids(await personio.list_page("?limit=20"))
    await personio.call_control("POST", "/faults", {"kind": "duplicate"})

    second = extract_ids(await personio.list_page("?limit=10&offset=10"))

    assert second == [expected[9], *expected[11:20]]


async def test_skip_fault_drops_the_first_employee_of_a_page(personio: PersonioSandbox) -> None:
    """The page lacks its first employee, as after a deletion between two pages."""
    expected = extract_ids(await personio.list_page("?limit=20"))
    await personio.call_control("POST", "/faults", {"kind": "skip"})

    assert extract_ids(await personio.list_page("?limit=10&offset=10")) == expected[11:20]


async def test_shrink_fault_reduces_the_total_once(personio: PersonioSandbox) -> None:
    """The total of one page is smaller, as after deletions between two pages."""
    total = len(personio.state.company)
    await personio.call_control("POST", "/faults", {"kind": "shrink", "by": 3})

    assert (await personio.list_page())["metadata"]["total_elements"] == total - 3
    assert (await personio.list_page())["metadata"]["total_elements"] == total


async def test_cut_fault_without_a_server_raises_a_clear_error(personio: PersonioSandbox) -> None:
    """Without a server there is a message instead of a cut, and the journal has status 0."""
    await personio.call_control("POST", "/faults", {"kind": "cut"})
    with pytest.raises(ConnectionCutError, match="only a served sandbox"):
        await personio.http.get(LIST)

    assert (await personio.call_control("GET", "/requests"))["requests"][-1]["status"] == 0
