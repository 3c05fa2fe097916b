"""Requests that a server refuses because of its limits are held and repeated, within the pace that it allows."""

import asyncio
from typing import Any

import httpx
import pytest

from services.clients.declaree.errors import DeclareeRateLimitedError, DeclareeUnavailableError
from services.clients.declaree.turns import LONGEST_HOLD_SECONDS, LONGEST_REFUSAL_SECONDS
from services.provisioning.calls import Call, Lost, Missing, Refused
from services.runtime.time_limit import TimeLimit
from tests.support.fakes import FakeClock, StillClock
from tests.support.virtual_time import VirtualClock, run_in_virtual_time
from tests.support.waiting import wait_until
from tests.unit.clients.declaree_stage import (
    CREATE,
    FIND_EXTERNAL,
    LOOKUPS,
    READ,
    WRITES,
    open_client,
    open_stage,
)
from tests.unit.clients.transports import Reply, ScriptedTransport, build_reply

ANSWER = build_reply(404, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"})


class ForbiddenError(Exception):
    """Raised by the callback ``before``."""


# ---------------------------------------------------------------- held requests


@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES])
@pytest.mark.promise("W15")
async def test_refused_request_is_sent_again_after_the_pause(call: Call) -> None:
    """A 429 is never carried out. The writer's callback is called directly before each sending."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(429, Retry_After="7"), build_reply(429, Retry_After="3"), ANSWER)
    sent_at: list[float] = []

    async with open_client(transport, clock=clock) as client:
        await client.perform(call, before=lambda: sent_at.append(clock.monotonic()))

    assert sent_at == [0.0, 7.0, 10.0]
    assert len({(request.method, request.url, request.content) for request in transport.requests}) == 1
    assert len(transport.requests) == 3


async def test_lost_partition_ends_the_hold_of_a_request() -> None:
    """A partition that moves during the pause forbids the repetition."""
    transport = ScriptedTransport(build_reply(429, Retry_After="7"), ANSWER)

    def allow_once() -> None:
        if transport.requests:
            raise ForbiddenError

    async with open_client(transport) as client:
        with pytest.raises(ForbiddenError):
            await client.perform(CREATE, before=allow_once)

        assert len(transport.requests) == 1
        assert isinstance(await client.perform(READ), Missing), "the turn is free again"


@pytest.mark.parametrize("call", LOOKUPS)
async def test_lookup_of_a_busy_server_is_held(call: Call) -> None:
    """A 503 that names a time is not an outage. A lookup can be repeated without harm."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(503, Retry_After="7"), ANSWER)

    async with open_client(transport, clock=clock) as client:
        await client.perform(call)

    assert clock.monotonic() == 7.0
    assert len(transport.requests) == 2


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.promise("P4")
async def test_write_that_is_answered_503_is_not_sent_again(call: Call) -> None:
    """A gateway may answer 503 for a write that the server carries out. Only the next request waits."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(503, Retry_After="7"), ANSWER)

    async with open_client(transport, clock=clock) as client:
        assert await client.perform(call) == Lost(503)
        assert len(transport.requests) == 1

        await client.perform(READ)

    assert clock.monotonic() == 7.0


@pytest.mark.parametrize(
    ("form", "seconds"),
    [("seconds", 7.0), ("date", 6.877), ("epoch", 7.0), ("epoch_milliseconds", 7.0), ("milliseconds", 7.0)],
)
async def test_pause_is_read_in_each_form(form: str, seconds: float) -> None:
    """A time since 1970 or in milliseconds does not stop a company for an hour."""
    async with open_stage() as stage:
        stage.add_fault(kind="status", status=429, retry_after=7, retry_after_as=form)

        await asyncio.gather(*(stage.client.perform(READ) for _ in range(5)))

        assert seconds - 0.2 <= stage.clock.monotonic() <= seconds + 1.0
        assert len(stage.transport.requests) == 6


async def test_unnamed_pauses_grow_until_a_request_is_accepted() -> None:
    """A server need not name a time. It is asked again soon, and then less often."""
    clock = FakeClock()
    transport = ScriptedTransport(*[build_reply(429)] * 7, ANSWER)

    async with open_client(transport, clock=clock) as client:
        await client.perform(READ)

    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_hold_does_not_count_against_the_time_of_a_change() -> None:
    """A change has a limit for the time of its requests. The pace of the server does not count."""
    transport = ScriptedTransport(*[build_reply(429, Retry_After="100")] * 2, ANSWER)

    async with open_client(transport) as client, TimeLimit(0.5):
        assert isinstance(await client.perform(READ), Missing)


def test_hold_is_not_limited_in_virtual_time() -> None:
    """The same with a clock that really passes."""

    async def work() -> float:
        transport = ScriptedTransport(*[build_reply(429, Retry_After="100")] * 2, ANSWER)
        async with open_client(transport, clock=VirtualClock()) as client, TimeLimit(5):
            await client.perform(READ)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(work) == 200.0


# ---------------------------------------------------------------- long pauses


@pytest.mark.promise("W15")
async def test_long_pause_is_an_error_of_every_request() -> None:
    """Changes wait in the ledger instead, and the server gets no request before the end of the pause."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(429, Retry_After="600"), ANSWER)
    async with open_client(transport, clock=clock) as client:
        for call in (client.perform(READ), client.perform(CREATE), client.probe(), client.discover()):
            with pytest.raises(DeclareeRateLimitedError) as caught:
                await call
            assert caught.value.retry_after == 600.0

        assert len(transport.requests) == 1

        await clock.sleep(600)

        assert isinstance(await client.perform(READ), Missing)


async def test_long_pause_ends_the_wait_of_other_requests() -> None:
    """A request that waits for its turn does not wait for ten minutes."""
    release = asyncio.Event()

    class SlowTransport(ScriptedTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await release.wait()
            return await super().handle_async_request(request)

    transport = SlowTransport(build_reply(429, Retry_After="600"))
    async with open_client(transport) as client:
        calls = [asyncio.create_task(client.perform(READ)) for _ in range(20)]
        await asyncio.sleep(0)
        release.set()
        results = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(result) for result in results} == {DeclareeRateLimitedError}
    assert len(transport.requests) == 8


async def test_lookup_in_maintenance_is_unavailable() -> None:
    """A 503 with a long pause is reported as what it is, with the time after which the server may be asked."""
    async with open_client(ScriptedTransport(build_reply(503, Retry_After="600"))) as client:
        with pytest.raises(DeclareeUnavailableError) as caught:
            await client.perform(READ)

    assert caught.value.retry_after == 600.0


async def test_server_that_refuses_all_requests_is_given_up() -> None:
    """Requests are not held for ever: the changes wait, where an administrator sees them."""
    clock = FakeClock()
    async with open_client(ScriptedTransport(build_reply(429, Retry_After="10")), clock=clock) as client:
        with pytest.raises(DeclareeRateLimitedError) as caught:
            await client.perform(READ)

    assert LONGEST_REFUSAL_SECONDS < clock.monotonic() < LONGEST_REFUSAL_SECONDS + 30
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > LONGEST_HOLD_SECONDS


# ---------------------------------------------------------------- probes


async def test_probe_is_neither_held_nor_repeated() -> None:
    """The circuit breaker has to know soon."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(429, Retry_After="10"))
    async with open_client(transport, clock=clock) as client:
        for _ in range(2):
            with pytest.raises(DeclareeRateLimitedError) as caught:
                await client.probe()
            assert caught.value.retry_after == 10.0

    assert clock.monotonic() == 0.0
    assert len(transport.requests) == 1


async def test_outage_does_not_keep_a_probe_from_the_server() -> None:
    """A 503 without a time slows requests down, but only a probe finds out whether the server works again."""
    transport = ScriptedTransport(build_reply(503), build_reply(200, {"Resources": [], "totalResults": 0}))
    async with open_client(transport) as client:
        with pytest.raises(DeclareeUnavailableError):
            await client.perform(READ)

        await client.probe()


# ---------------------------------------------------------------- quotas


async def test_empty_quota_delays_the_next_request() -> None:
    """The server says in time that its quota is used up, so nothing is refused."""
    clock = FakeClock()
    left = {"RateLimit-Remaining": "1", "RateLimit-Reset": "40"}
    used_up = {"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}
    transport = ScriptedTransport(Reply(404, headers=left), Reply(404, headers=used_up), ANSWER)
    async with open_client(transport, clock=clock) as client:
        for _ in range(3):
            await client.perform(READ)

    assert clock.slept == [30.0]


async def test_quota_that_is_always_empty_is_not_believed() -> None:
    """Some servers send the header without counting."""
    clock = FakeClock()
    empty = Reply(404, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"})
    async with open_client(ScriptedTransport(empty), clock=clock) as client:
        for _ in range(3):
            await client.perform(READ)

    assert clock.slept == []


# ---------------------------------------------------------------- order


async def test_cancelled_wait_leaves_its_turn_to_the_next_request() -> None:
    """A change that is given up must not take a turn for ever."""
    clock = StillClock()
    transport = ScriptedTransport(build_reply(429, Retry_After="5"), ANSWER)
    async with open_client(transport, clock=clock) as client:
        first, second = (asyncio.create_task(client.perform(READ)) for _ in range(2))
        await wait_until(lambda: clock.sleepers == 1)
        first.cancel()
        await asyncio.wait({first})
        clock.advance(5)

        assert isinstance(await second, Missing)
        assert client._turns.concurrency.in_progress == 0


async def test_refused_request_comes_before_later_ones() -> None:
    """Requests of one connection keep their order, so that a change does not starve."""

    class SlowTransport(ScriptedTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0)
            return await super().handle_async_request(request)

    clock = FakeClock()
    transport = SlowTransport(build_reply(429, Retry_After="5"), ANSWER)
    order: list[str] = []

    async def perform(client: Any, call: Call, name: str) -> None:
        await client.perform(call, before=lambda: order.append(name))

    async with open_client(transport, clock=clock, concurrency=1) as client:
        await asyncio.gather(*(perform(client, FIND_EXTERNAL, name) for name in "abc"))

    assert order == ["a", "a", "b", "c"]


async def test_server_errors_do_not_raise_the_limit() -> None:
    """A failing server must not get more requests at once."""
    async with open_client(ScriptedTransport(build_reply(500))) as client:
        for _ in range(100):
            await client.perform(CREATE)

        assert client._turns.concurrency.limit == 8


async def test_overloaded_server_gets_fewer_requests_at_once() -> None:
    """A 503 without a time halves the number."""
    async with open_client(ScriptedTransport(build_reply(503))) as client:
        assert await client.perform(CREATE) == Lost(503)

        assert client._turns.concurrency.limit == 4


async def test_other_refusals_are_not_held() -> None:
    """A 400 is an answer."""
    clock = FakeClock()
    async with open_client(ScriptedTransport(build_reply(400, Retry_After="5")), clock=clock) as client:
        assert await client.perform(CREATE) == Refused(400)

    assert clock.monotonic() == 0.0
