"""Ordered faults, and the forms of errors."""

import asyncio
import time

import pytest

from sandbox.declaree.rate_limit import RateLimiter
from sandbox.serving import ConnectionCutError
from tests.sandbox.declaree.in_process import DeclareeSandbox, build_operation, build_user, read_error

# ---------------------------------------------------------------- forms of errors


@pytest.mark.parametrize(
    ("form", "media_type", "content"),
    [
        ("empty", None, b""),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("numeric_status", "application/scim+json", b'"status":404'),
        ("scim", "application/scim+json", b'"status":"404"'),
    ],
)
async def test_errors_have_the_form_that_the_behaviour_selects(
    sandbox: DeclareeSandbox, form: str, media_type: str | None, content: bytes
) -> None:
    """Clients must cope with errors of proxies and of servers that deviate from the RFC."""
    sandbox.change_behaviour(error_body=form)
    answer = await sandbox.request("GET", "/Users/77")

    assert answer.status_code == 404
    assert answer.headers.get("content-type") == media_type
    assert content in answer.content
    assert (await sandbox.request("POST", "/Users", {})).status_code == 400


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 429, 500, 501, 502, 503, 504])
async def test_status_fault_answers_one_request_without_effect(sandbox: DeclareeSandbox, status: int) -> None:
    """The ordered status replaces the request, and the next request works."""
    await sandbox.order_fault("status", status=status)
    answer = await sandbox.request("POST", "/Users", build_user())

    assert read_error(answer) == (status, None)
    assert "retry-after" not in answer.headers
    assert sandbox.list_user_names() == set()
    assert (await sandbox.request("POST", "/Users", build_user())).status_code == 201


@pytest.mark.parametrize(("form", "expected"), [("seconds", "90"), ("date", "Mon, 02 Mar 2026 12:01:30 GMT")])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_sent_in_seconds_or_as_a_date(
    sandbox: DeclareeSandbox, status: int, form: str, expected: str
) -> None:
    """RFC 9110 allows both forms, so a client must read both."""
    await sandbox.order_fault("status", status=status, retry_after=90, retry_after_as=form)
    answer = await sandbox.request("GET", "/Users")

    assert answer.status_code == status
    assert answer.headers["retry-after"] == expected


@pytest.mark.parametrize(("form", "content"), [("html", b"<!doctype html>"), ("empty", b"")])
async def test_status_fault_can_have_an_html_or_empty_body(sandbox: DeclareeSandbox, form: str, content: bytes) -> None:
    """Gateways answer without a SCIM body."""
    await sandbox.order_fault("status", status=502, body=form)
    answer = await sandbox.request("GET", "/Users")

    assert answer.status_code == 502
    assert answer.content.startswith(content)
    assert bool(answer.content) == bool(content)


async def test_status_fault_after_commit_keeps_the_effect(sandbox: DeclareeSandbox) -> None:
    """A client must cope with an error for a request that took effect."""
    await sandbox.order_fault("status", status=500, after_commit=True)

    assert read_error(await sandbox.request("POST", "/Users", build_user())) == (500, None)
    assert sandbox.list_user_names() == {"anna.berg@example.com"}


# ---------------------------------------------------------------- login page, redirect, delay


async def test_login_page_fault_answers_html_with_200(sandbox: DeclareeSandbox) -> None:
    """A success status alone does not prove that the SCIM endpoint answered."""
    await sandbox.order_fault("login_page", count=2)

    for answer in (await sandbox.request("GET", "/Users"), await sandbox.request("POST", "/Users", build_user())):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<form" in answer.text

    assert sandbox.list_user_names() == set()


async def test_redirect_fault_answers_307_without_effect(sandbox: DeclareeSandbox) -> None:
    """A redirected write has no effect on Declaree."""
    await sandbox.order_fault("redirect", location="https://elsewhere.example/login")
    answer = await sandbox.request("POST", "/Users", build_user())

    assert answer.status_code == 307
    assert answer.headers["location"] == "https://elsewhere.example/login"
    assert sandbox.list_user_names() == set()


async def test_slow_fault_delays_before_or_after_the_effect(sandbox: DeclareeSandbox) -> None:
    """The delay is before or after the write, as ordered."""
    for number, after_commit in enumerate((False, True)):
        await sandbox.order_fault("slow", seconds=0.2, after_commit=after_commit)
        start = time.perf_counter()
        waiting = asyncio.create_task(sandbox.request("POST", "/Users", build_user(f"{number}@example.com")))
        await asyncio.sleep(0.05)
        assert (f"{number}@example.com" in sandbox.list_user_names()) == after_commit
        assert (await waiting).status_code == 201
        assert time.perf_counter() - start >= 0.2


async def test_slow_fault_ends_when_the_client_gives_up(sandbox: DeclareeSandbox) -> None:
    """A client with a short timeout does not wait for the whole delay."""
    await sandbox.order_fault("slow", seconds=60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sandbox.request("GET", "/Users"), 0.1)


async def test_slow_faults_add_up_before_a_deciding_fault(sandbox: DeclareeSandbox) -> None:
    """Several delays and one other fault can apply to the same request."""
    await sandbox.order_fault("slow", seconds=0.05)
    await sandbox.order_fault("slow", seconds=0.05)
    await sandbox.order_fault("status", status=500)

    start = time.perf_counter()

    assert (await sandbox.request("GET", "/Users")).status_code == 500
    assert time.perf_counter() - start >= 0.1
    assert sandbox.declaree.journal.read_since(0, 9)[0].fault == "slow+slow+status"


# ---------------------------------------------------------------- lost answers


async def test_cut_fault_before_the_request_has_no_effect(sandbox: DeclareeSandbox) -> None:
    """The journal marks the request as cut, without a status."""
    await sandbox.order_fault("cut")
    with pytest.raises(ConnectionCutError):
        await sandbox.request("POST", "/Users", build_user())

    assert sandbox.list_user_names() == set()

    (entry,) = sandbox.declaree.journal.read_since(0, 9)

    assert entry.status is None
    assert entry.delivered is False
    assert entry.fault == "cut"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_cut_fault_after_commit_loses_only_the_answer(sandbox: DeclareeSandbox, method: str) -> None:
    """The journal keeps the status of the write, and marks its answer as not delivered."""
    account = (await sandbox.create())["id"]
    path, body = {
        "POST": ("/Users", build_user("new@example.com")),
        "PUT": (f"/Users/{account}", build_user("new@example.com")),
        "PATCH": (f"/Users/{account}", {"Operations": [build_operation("replace", "userName", "new@example.com")]}),
    }[method]
    await sandbox.order_fault("cut", after_commit=True, method=method)

    with pytest.raises(ConnectionCutError):
        await sandbox.request(method, path, body)

    assert "new@example.com" in sandbox.list_user_names()

    entry = sandbox.declaree.journal.read_since(0, 9)[-1]

    assert entry.status == (201 if method == "POST" else 200)
    assert entry.delivered is False


# ---------------------------------------------------------------- which requests


async def request_statuses(sandbox: DeclareeSandbox, *requests: tuple[str, str]) -> list[int]:
    """Sends the requests in order, and returns the status of each."""
    return [
        (await sandbox.request(method, path, None if method == "GET" else {})).status_code for method, path in requests
    ]


async def test_fault_hits_requests_by_method_and_path(sandbox: DeclareeSandbox) -> None:
    """Other requests pass unchanged."""
    await sandbox.order_fault("status", status=500, method="post", path="/Users", count=None)
    await sandbox.order_fault("status", status=502, path="/Users/*", count=None)

    requests = (("GET", "/Users"), ("POST", "/Users"), ("POST", "/Groups"), ("GET", "/Users/7"), ("POST", "/Users/"))

    assert await request_statuses(sandbox, *requests) == [200, 500, 400, 502, 500]


async def test_fault_skips_then_hits_counted_requests(sandbox: DeclareeSandbox) -> None:
    """``skip`` and ``count`` include matching requests only."""
    await sandbox.order_fault("status", status=500, skip=1, count=2, path="/Users")
    paths = ("/Users", "/Groups", "/Users", "/Users", "/Users")

    assert await request_statuses(sandbox, *(("GET", path) for path in paths)) == [200, 200, 500, 500, 200]


async def test_fault_with_a_rate_hits_the_same_requests_per_seed(sandbox: DeclareeSandbox) -> None:
    """Random faults are repeatable by their seed."""
    runs = []
    for seed in (1, 1, 2):
        await sandbox.order_fault("status", status=500, rate=0.3, seed=seed, count=None)
        runs.append(await request_statuses(sandbox, *[("GET", "/Users")] * 200))
        await sandbox.control("DELETE", "/faults")

    assert runs[0] == runs[1] != runs[2]
    assert 30 < runs[0].count(500) < 90


async def test_faults_are_listed_until_consumed_or_cleared(sandbox: DeclareeSandbox) -> None:
    """A test can check that its faults were used."""
    await sandbox.order_fault("status", count=2)
    await sandbox.order_fault("cut", count=None)
    await sandbox.request("GET", "/Users")

    left = (await sandbox.control("GET", "/faults"))["faults"]

    assert [(fault["kind"], fault["left"]) for fault in left] == [("status", 1), ("cut", None)]
    assert await sandbox.control("DELETE", "/faults") == {"faults": []}
    assert (await sandbox.request("GET", "/Users")).status_code == 200


# ---------------------------------------------------------------- outage, rate limit


async def test_outage_rejects_scim_requests_until_it_ends(sandbox: DeclareeSandbox) -> None:
    """The control API still works during an outage, so a test can end it."""
    await sandbox.control("PUT", "/outage", {"on": True})

    for _ in range(3):
        assert read_error(await sandbox.request("POST", "/Users", build_user())) == (503, None)

    assert (await sandbox.control("GET", "/health"))["outage"] is True
    assert sandbox.list_user_names() == set()

    await sandbox.control("PUT", "/outage", {"on": False})

    assert (await sandbox.request("POST", "/Users", build_user())).status_code == 201


async def test_request_above_rate_limit_gets_429_and_no_fault(sandbox: DeclareeSandbox) -> None:
    """A rate-limited request does not consume an ordered fault."""
    sandbox.change_behaviour(rate_limit=0.001)
    await sandbox.order_fault("status", status=500, skip=1)

    answers = [await sandbox.request("POST", "/Users", build_user()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 429, 429]
    assert answers[1].headers["retry-after"] == "1"

    sandbox.change_behaviour(rate_limit=None)

    assert (await sandbox.request("GET", "/Users")).status_code == 500


def test_rate_limiter_allows_a_burst_of_one_second() -> None:
    """After the burst, the average equals the configured rate."""
    limiter = RateLimiter()

    assert [limiter.try_acquire(0.0, 3) for _ in range(5)] == [True, True, True, False, False]
    assert [limiter.try_acquire(0.4, 3) for _ in range(2)] == [True, False]
    assert sum(limiter.try_acquire(60.0, 3) for _ in range(10)) == 3
    assert sum(limiter.try_acquire(61 + tick / 10, 3) for tick in range(100)) == pytest.approx(30, abs=3)


def test_rate_limiter_below_one_per_second_allows_requests() -> None:
    """A rate below one still admits a single request from time to time."""
    limiter = RateLimiter()

    assert [limiter.try_acquire(second, 0.5) for second in range(5)] == [True, False, True, False, True]
