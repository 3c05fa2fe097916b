"""What can be ordered to go wrong, and in which form refusals come."""

import asyncio
import time
from typing import Any

import pytest

from sandbox.declaree.pace import Pace
from sandbox.serving import ConnectionCutError
from tests.sandbox.declaree.stage import Stage, operation, refusal, user


async def order(stage: Stage, kind: str, **details: Any) -> None:
    await stage.control("POST", "/faults", {"kind": kind, **details})


def names(stage: Stage) -> set[str]:
    return {entry.resource["userName"] for entry in stage.declaree.directory.users.values()}


# ---------------------------------------------------------------- forms of a refusal


@pytest.mark.parametrize(
    ("form", "media_type", "content"),
    [
        ("empty", None, b""),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("numeric_status", "application/scim+json", b'"status":404'),
        ("scim", "application/scim+json", b'"status":"404"'),
    ],
)
async def test_refusals_come_as_scim_errors_or_as_proxies_send_them(
    stage: Stage, form: str, media_type: str | None, content: bytes
) -> None:
    stage.behave(error_body=form)
    answer = await stage.scim("GET", "/Users/77")
    assert (answer.status_code, answer.headers.get("content-type")) == (404, media_type)
    assert content in answer.content
    assert (await stage.scim("POST", "/Users", {})).status_code == 400


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 429, 500, 501, 502, 503, 504])
async def test_the_next_request_gets_the_status_ordered_and_does_nothing(stage: Stage, status: int) -> None:
    await order(stage, "status", status=status)
    answer = await stage.scim("POST", "/Users", user())
    assert refusal(answer) == (status, None)
    assert "retry-after" not in answer.headers
    assert names(stage) == set()
    assert (await stage.scim("POST", "/Users", user())).status_code == 201


@pytest.mark.parametrize(("form", "expected"), [("seconds", "90"), ("date", "Mon, 02 Mar 2026 12:01:30 GMT")])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_comes_in_seconds_or_as_a_date(stage: Stage, status: int, form: str, expected: str) -> None:
    await order(stage, "status", status=status, retry_after=90, retry_after_as=form)
    answer = await stage.scim("GET", "/Users")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, expected)


@pytest.mark.parametrize(("form", "content"), [("html", b"<!doctype html>"), ("empty", b"")])
async def test_gateway_errors_can_be_html_or_empty(stage: Stage, form: str, content: bytes) -> None:
    await order(stage, "status", status=502, body=form)
    answer = await stage.scim("GET", "/Users")
    assert answer.status_code == 502
    assert answer.content.startswith(content)
    assert bool(answer.content) == bool(content)


async def test_an_error_can_come_although_the_request_took_effect(stage: Stage) -> None:
    await order(stage, "status", status=500, after_commit=True)
    assert refusal(await stage.scim("POST", "/Users", user())) == (500, None)
    assert names(stage) == {"anna.berg@example.com"}


# ---------------------------------------------------------------- strange answers


async def test_the_login_page_comes_with_200(stage: Stage) -> None:
    await order(stage, "login_page", count=2)
    for answer in (await stage.scim("GET", "/Users"), await stage.scim("POST", "/Users", user())):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<form" in answer.text
    assert names(stage) == set()


async def test_a_redirect_leads_away(stage: Stage) -> None:
    await order(stage, "redirect", location="https://elsewhere.example/login")
    answer = await stage.scim("POST", "/Users", user())
    assert (answer.status_code, answer.headers["location"]) == (307, "https://elsewhere.example/login")
    assert names(stage) == set()


async def test_a_slow_answer_comes_late_and_before_or_after_the_effect(stage: Stage) -> None:
    for number, after_commit in enumerate((False, True)):
        await order(stage, "slow", seconds=0.2, after_commit=after_commit)
        began = time.perf_counter()
        waiting = asyncio.create_task(stage.scim("POST", "/Users", user(f"{number}@example.com")))
        await asyncio.sleep(0.05)
        assert (f"{number}@example.com" in names(stage)) == after_commit
        assert (await waiting).status_code == 201
        assert time.perf_counter() - began >= 0.2


async def test_a_slow_answer_can_be_given_up(stage: Stage) -> None:
    await order(stage, "slow", seconds=60)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.scim("GET", "/Users"), 0.1)


async def test_delays_add_up_with_the_fault_that_follows(stage: Stage) -> None:
    await order(stage, "slow", seconds=0.05)
    await order(stage, "slow", seconds=0.05)
    await order(stage, "status", status=500)
    began = time.perf_counter()
    assert (await stage.scim("GET", "/Users")).status_code == 500
    assert time.perf_counter() - began >= 0.1
    assert stage.declaree.journal.since(0, 9)[0].fault == "slow+slow+status"


# ---------------------------------------------------------------- lost answers


async def test_a_connection_can_be_cut_before_anything_happened(stage: Stage) -> None:
    await order(stage, "cut")
    with pytest.raises(ConnectionCutError):
        await stage.scim("POST", "/Users", user())
    assert names(stage) == set()
    (noted,) = stage.declaree.journal.since(0, 9)
    assert (noted.status, noted.delivered, noted.fault) == (None, False, "cut")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_an_answer_can_be_lost_after_the_write_took_effect(stage: Stage, method: str) -> None:
    account = (await stage.create())["id"]
    path, body = {
        "POST": ("/Users", user("new@example.com")),
        "PUT": (f"/Users/{account}", user("new@example.com")),
        "PATCH": (f"/Users/{account}", {"Operations": [operation("replace", "userName", "new@example.com")]}),
    }[method]
    await order(stage, "cut", after_commit=True, method=method)
    with pytest.raises(ConnectionCutError):
        await stage.scim(method, path, body)
    assert "new@example.com" in names(stage)
    noted = stage.declaree.journal.since(0, 9)[-1]
    assert (noted.status, noted.delivered) == (201 if method == "POST" else 200, False)


# ---------------------------------------------------------------- which requests


async def statuses(stage: Stage, *requests: tuple[str, str]) -> list[int]:
    return [(await stage.scim(method, path, None if method == "GET" else {})).status_code for method, path in requests]


async def test_a_fault_hits_requests_of_a_method_and_a_path(stage: Stage) -> None:
    await order(stage, "status", status=500, method="post", path="/Users", count=None)
    await order(stage, "status", status=502, path="/Users/*", count=None)
    asked = (("GET", "/Users"), ("POST", "/Users"), ("POST", "/Groups"), ("GET", "/Users/7"), ("POST", "/Users/"))
    assert await statuses(stage, *asked) == [200, 500, 400, 502, 500]


async def test_a_fault_hits_so_many_requests_after_so_many_others(stage: Stage) -> None:
    await order(stage, "status", status=500, skip=1, count=2, path="/Users")
    paths = ("/Users", "/Groups", "/Users", "/Users", "/Users")
    assert await statuses(stage, *(("GET", path) for path in paths)) == [200, 200, 500, 500, 200]


async def test_a_fault_hits_a_share_of_the_requests_the_same_for_the_same_seed(stage: Stage) -> None:
    runs = []
    for seed in (1, 1, 2):
        await order(stage, "status", status=500, rate=0.3, seed=seed, count=None)
        runs.append(await statuses(stage, *[("GET", "/Users")] * 200))
        await stage.control("DELETE", "/faults")
    assert runs[0] == runs[1] != runs[2]
    assert 30 < runs[0].count(500) < 90


async def test_faults_are_listed_until_used_up_and_can_be_cleared(stage: Stage) -> None:
    await order(stage, "status", count=2)
    await order(stage, "cut", count=None)
    await stage.scim("GET", "/Users")
    left = (await stage.control("GET", "/faults"))["faults"]
    assert [(fault["kind"], fault["left"]) for fault in left] == [("status", 1), ("cut", None)]
    assert await stage.control("DELETE", "/faults") == {"faults": []}
    assert (await stage.scim("GET", "/Users")).status_code == 200


# ---------------------------------------------------------------- outage, rate limit


async def test_an_outage_lasts_until_it_is_ended_and_leaves_the_control_api_alone(stage: Stage) -> None:
    await stage.control("PUT", "/outage", {"on": True})
    for _ in range(3):
        assert refusal(await stage.scim("POST", "/Users", user())) == (503, None)
    assert (await stage.control("GET", "/health"))["outage"] is True
    assert names(stage) == set()
    await stage.control("PUT", "/outage", {"on": False})
    assert (await stage.scim("POST", "/Users", user())).status_code == 201


async def test_above_the_rate_limit_comes_429_which_uses_up_no_fault(stage: Stage) -> None:
    stage.behave(rate_limit=0.001)
    await order(stage, "status", status=500, skip=1)
    answers = [await stage.scim("POST", "/Users", user()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 429, 429]
    assert answers[1].headers["retry-after"] == "1"
    stage.behave(rate_limit=None)
    assert (await stage.scim("GET", "/Users")).status_code == 500


def test_the_limit_lets_a_second_of_requests_through_and_then_as_many_as_it_says() -> None:
    pace = Pace()
    assert [pace.admits(0.0, 3) for _ in range(5)] == [True, True, True, False, False]
    assert [pace.admits(0.4, 3) for _ in range(2)] == [True, False]
    assert sum(pace.admits(60.0, 3) for _ in range(10)) == 3
    assert sum(pace.admits(61 + tick / 10, 3) for tick in range(100)) == pytest.approx(30, abs=3)


def test_a_limit_below_one_a_second_still_lets_one_through() -> None:
    pace = Pace()
    assert [pace.admits(second, 0.5) for second in range(5)] == [True, False, True, False, True]
