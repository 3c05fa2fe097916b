"""Rate limits, and errors on demand.

The boxes: 429 at 15/s and at 300/min on employees, 2000/min per address · errors 401, 403, 404, 422, 429 and 500 as JSON, 502
and 504 as HTML on demand · non-JSON bodies · slow answers · totals that shrink, duplicates and skips between pages.
"""

import asyncio
import time

import pytest

from sandbox.personio.limits import Limits
from sandbox.serving import ConnectionCutError
from tests.sandbox.personio.stage import EMPLOYEES, Stage, golden, ids, staged

LIST = f"{EMPLOYEES}?limit=10"


async def test_the_16th_request_of_a_second_is_429_without_retry_after() -> None:
    async with staged(rate_limits=True) as stage:
        await stage.log_in()
        answers = [await stage.http.get(LIST) for _ in range(16)]
        assert [answer.status_code for answer in answers] == [200] * 15 + [429]
        assert "retry-after" not in answers[-1].headers
        assert answers[-1].json()["success"] is False
        stage.pass_time(seconds=1)
        assert (await stage.http.get(LIST)).status_code == 200


async def test_retry_after_can_be_switched_on() -> None:
    async with staged(rate_limits=True, retry_after_seconds=2) as stage:
        await stage.log_in()
        answers = [await stage.http.get(LIST) for _ in range(16)]
        assert answers[-1].headers["retry-after"] == "2"


async def test_the_limits_can_be_switched_off(stage: Stage) -> None:
    assert {(await stage.http.get(f"{EMPLOYEES}/0")).status_code for _ in range(20)} == {404}


def _accepted(limits: Limits, path: str, times: list[float], address: str = "10.0.0.1") -> int:
    return sum(limits.admit("GET", path, address, at) for at in times)


def test_300_requests_a_minute_are_admitted_on_employees() -> None:
    limits = Limits()
    assert _accepted(limits, EMPLOYEES, [each / 10 for each in range(400)]) == 300
    assert _accepted(limits, EMPLOYEES, [61.0]) == 1


def test_single_employees_and_attributes_count_into_the_same_limit() -> None:
    limits = Limits()
    assert _accepted(limits, f"{EMPLOYEES}/attributes", [0.0] * 10) == 10
    assert _accepted(limits, f"{EMPLOYEES}/17", [0.0] * 10) == 5


def test_2000_requests_a_minute_are_admitted_per_address() -> None:
    limits = Limits()
    assert _accepted(limits, "/v1/elsewhere", [each / 100 for each in range(2100)]) == 2000
    assert _accepted(limits, "/v1/elsewhere", [20.0], address="10.0.0.2") == 1


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("too_many_requests", 429, None),
        ("server_error", 500, golden("error-500")),
        ("not_found", 404, golden("employee-get-404")),
        ("unauthorized", 401, None),
        ("forbidden", 403, None),
    ],
)
async def test_the_next_request_gets_the_error_asked_for(stage: Stage, kind: str, status: int, body: object) -> None:
    await stage.control("POST", "/faults", {"kind": kind})
    answer = await stage.http.get(LIST)
    assert answer.status_code == status
    assert body is None or answer.json() == body
    assert (await stage.http.get(LIST)).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("bad_gateway", 502), ("gateway_timeout", 504)])
async def test_gateway_errors_are_html(stage: Stage, kind: str, status: int) -> None:
    await stage.control("POST", "/faults", {"kind": kind})
    answer = await stage.http.get(LIST)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")


async def test_a_body_can_be_no_json(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "not_json"})
    answer = await stage.http.get(LIST)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


async def test_a_fault_hits_so_many_matching_requests_after_so_many_others(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "server_error", "after": 1, "count": 2, "path": EMPLOYEES})
    paths = (LIST, f"{EMPLOYEES}/0", LIST, LIST, LIST)
    statuses = [(await stage.http.get(path)).status_code for path in paths]
    assert statuses == [200, 404, 500, 500, 200]


async def test_retry_after_of_a_429_on_demand(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "too_many_requests", "retry_after": 7})
    assert (await stage.http.get(LIST)).headers["retry-after"] == "7"


async def test_an_answer_can_be_slow(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "slow", "seconds": 0.1})
    begin = time.perf_counter()
    assert (await stage.http.get(LIST)).status_code == 200
    assert time.perf_counter() - begin >= 0.1


async def test_a_slow_answer_can_be_given_up(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "slow", "seconds": 60})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.http.get(LIST), 0.1)


async def test_faults_can_be_cleared(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "server_error", "count": 5})
    assert len((await stage.control("GET", "/faults"))["faults"]) == 1
    await stage.control("DELETE", "/faults")
    assert (await stage.http.get(LIST)).status_code == 200


async def test_faults_leave_the_control_api_alone(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "server_error", "path": "*"})
    assert (await stage.control("GET", "/health"))["status"] == "up"


async def test_a_page_can_repeat_the_last_of_the_page_before(stage: Stage) -> None:
    right = ids(await stage.listed("?limit=20"))
    await stage.control("POST", "/faults", {"kind": "duplicate"})
    second = ids(await stage.listed("?limit=10&offset=10"))
    assert second == [right[9], *right[11:20]]


async def test_a_page_can_skip_somebody(stage: Stage) -> None:
    right = ids(await stage.listed("?limit=20"))
    await stage.control("POST", "/faults", {"kind": "skip"})
    assert ids(await stage.listed("?limit=10&offset=10")) == right[11:20]


async def test_the_total_can_shrink(stage: Stage) -> None:
    total = len(stage.state.company)
    await stage.control("POST", "/faults", {"kind": "shrink", "by": 3})
    assert (await stage.listed())["metadata"]["total_elements"] == total - 3
    assert (await stage.listed())["metadata"]["total_elements"] == total


async def test_cutting_the_connection_is_said_to_need_a_server(stage: Stage) -> None:
    await stage.control("POST", "/faults", {"kind": "cut"})
    with pytest.raises(ConnectionCutError, match="only a served sandbox"):
        await stage.http.get(LIST)
    assert (await stage.control("GET", "/requests"))["requests"][-1]["status"] == 0
