"""Faults that strike again and again: every n-th request, or a share of the requests that a seed chooses."""

import pytest

from sandbox.personio.faults import Fault
from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, run_sandbox

LIST = f"{EMPLOYEES}?limit=10"


def _find_single(personio: PersonioSandbox) -> str:
    return f"{EMPLOYEES}/{personio.state.company.list_employees()[0].id}"


async def _read_statuses(personio: PersonioSandbox, path: str, number: int) -> list[int]:
    return [(await personio.http.get(path)).status_code for _ in range(number)]


@pytest.mark.parametrize(
    ("kind", "status"), [("not_found", 404), ("gateway_not_found", 404), ("bad_gateway", 502), ("gateway_timeout", 504)]
)
async def test_every_third_request_fails_without_an_end(personio: PersonioSandbox, kind: str, status: int) -> None:
    """The fault strikes lists and single employees in turn, until it is cleared."""
    fault = {"kind": kind, "after": 2, "every": 3, "count": None}
    await personio.call_control("POST", "/faults", fault)

    statuses = await _read_statuses(personio, LIST, 3) + await _read_statuses(personio, _find_single(personio), 6)

    assert statuses == [200, 200, status] * 3

    await personio.call_control("DELETE", "/faults")

    assert set(await _read_statuses(personio, LIST, 6)) == {200}


async def test_interval_ends_with_the_count(personio: PersonioSandbox) -> None:
    """The count limits the failures, not the requests."""
    personio.state.faults.add(Fault(kind="bad_gateway", every=2, count=2))

    assert await _read_statuses(personio, LIST, 6) == [502, 200, 502, 200, 200, 200]


async def _read_random_statuses(seed: int) -> list[int]:
    async with run_sandbox() as personio:
        await personio.log_in()
        fault = {"kind": "bad_gateway", "rate": 0.3, "seed": seed, "count": None, "path": f"{EMPLOYEES}*"}
        await personio.call_control("POST", "/faults", fault)
        return await _read_statuses(personio, LIST, 60)


async def test_seed_chooses_the_failing_requests() -> None:
    """The same seed strikes the same requests, another seed others, and the share is about the rate."""
    first, again, other = [await _read_random_statuses(seed) for seed in (1, 1, 2)]

    assert first == again
    assert first != other
    assert 9 <= first.count(502) <= 27


async def test_query_limits_a_fault_to_some_lists(personio: PersonioSandbox) -> None:
    """The pattern is compared with the decoded query string."""
    personio.state.faults.add(Fault(kind="bad_gateway", count=None, query="*updated_since=2026-03-02T12:00*"))

    assert await _read_statuses(personio, LIST, 2) == [200, 200]
    assert await _read_statuses(personio, f"{LIST}&updated_since=2026-03-02T12%3A00%3A00", 2) == [502, 502]


async def test_gateway_404_is_html_and_the_apis_own_is_json(personio: PersonioSandbox) -> None:
    """A 404 of the gateway proves nothing about an employee; the form of the body tells both apart."""
    single = _find_single(personio)
    personio.state.faults.add(Fault(kind="gateway_not_found"))
    gateway = await personio.http.get(single)
    personio.state.faults.add(Fault(kind="not_found"))
    own = await personio.http.get(single)

    assert gateway.headers["content-type"].startswith("text/html")
    assert own.json()["error"]["code"] == 404


async def test_listed_fault_tells_what_it_has_counted(personio: PersonioSandbox) -> None:
    """The control API shows how many requests a fault has seen, and how many failed."""
    personio.state.faults.add(Fault(kind="bad_gateway", every=2, count=None))
    await _read_statuses(personio, LIST, 3)

    (listed,) = (await personio.call_control("GET", "/faults"))["faults"]

    assert listed["seen"] == 3
    assert listed["failed"] == 2
