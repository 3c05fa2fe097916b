"""The number of requests at once, and the pauses after a rate-limited response."""

import asyncio

import httpx
import pytest

from services.clients.declaree.concurrency import AdaptiveConcurrency
from services.clients.declaree.errors import (
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
)
from services.provisioning.calls import Missing
from tests.support.fakes import FakeClock
from tests.unit.clients.declaree_stage import (
    CREATE,
    READ,
    open_client,
    open_stage,
)
from tests.unit.clients.transports import ScriptedTransport, build_reply

# ---------------------------------------------------------------- the limit


async def measure_concurrency(concurrency: AdaptiveConcurrency, requests: int = 40) -> int:
    """Returns how many of these requests run at the same time."""
    running = most = 0

    async def request() -> None:
        nonlocal running, most
        async with concurrency:
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(request() for _ in range(requests)))
    return most


async def test_successes_raise_the_limit_to_its_maximum() -> None:
    """Each round of successful requests raises the limit by about one."""
    concurrency = AdaptiveConcurrency(FakeClock(), 16)

    assert await measure_concurrency(concurrency) == 8

    for _ in range(8):
        concurrency.record_success()

    assert await measure_concurrency(concurrency) == 8, "a whole round of successes adds about one"

    for _ in range(1000):
        concurrency.record_success()

    assert await measure_concurrency(concurrency) == 16


async def test_rate_limits_halve_the_limit_down_to_one() -> None:
    """One request at a time always remains possible."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)

    concurrency.record_rate_limit(0)

    assert await measure_concurrency(concurrency) == 4

    for _ in range(10):
        concurrency.record_rate_limit(0)

    assert await measure_concurrency(concurrency) == 1


async def test_simultaneous_rate_limits_halve_the_limit_once() -> None:
    """Requests that were sent together are rate-limited together."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)

    for _ in range(8):
        concurrency.record_rate_limit(2.0)

    assert await measure_concurrency(concurrency) == 4


async def test_retry_after_delays_every_request() -> None:
    """Requests that wait already, and later ones, wait for the same time."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)
    concurrency.record_rate_limit(7.0)
    start = clock.monotonic()

    waits = await asyncio.gather(*(measure_wait(concurrency, clock, start) for _ in range(20)))

    assert min(waits) >= 7.0
    assert await measure_wait(concurrency, clock, start) >= 7.0


async def measure_wait(concurrency: AdaptiveConcurrency, clock: FakeClock, start: float) -> float:
    """Returns the seconds from the start until a request may be sent."""
    async with concurrency:
        return clock.monotonic() - start


async def test_rate_limit_without_time_pauses_for_a_second() -> None:
    """A server need not name a time."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)
    concurrency.record_rate_limit(None)

    async with concurrency:
        assert clock.slept == [1.0]


async def test_rate_limit_during_a_wait_extends_the_wait() -> None:
    """A request that wakes up checks again whether it may be sent."""

    class InterruptingClock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.slept) == 1:
                concurrency.record_rate_limit(3.0)

    clock = InterruptingClock()
    concurrency = AdaptiveConcurrency(clock, 16)
    concurrency.record_rate_limit(2.0)

    async with concurrency:
        assert clock.slept == [2.0, 3.0]


async def test_long_wait_is_an_error_until_it_is_over() -> None:
    """A batch must not wait for a minute; its changes wait in the ledger instead."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)
    concurrency.record_rate_limit(60.0)

    for _ in range(20):
        with pytest.raises(DeclareeRateLimitedError) as caught:
            async with concurrency:
                pytest.fail("a request was allowed")

    assert caught.value.retry_after == 60.0

    await clock.sleep(60.0)

    assert await measure_concurrency(concurrency) == 4


async def test_shorter_retry_after_does_not_shorten_the_wait() -> None:
    """The longest time that the server named counts."""
    clock = FakeClock()
    concurrency = AdaptiveConcurrency(clock, 16)
    concurrency.record_rate_limit(9.0)
    concurrency.record_rate_limit(1.0)

    async with concurrency:
        assert clock.slept == [9.0]


async def test_cancelled_wait_frees_its_slot() -> None:
    """A cancelled request must not take a slot forever."""
    concurrency = AdaptiveConcurrency(FakeClock(), 1)

    async with concurrency:
        waiting = asyncio.create_task(measure_concurrency(concurrency, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    assert await measure_concurrency(concurrency, 3) == 1


# ---------------------------------------------------------------- the client


@pytest.mark.parametrize(("unit", "seconds"), [("seconds", 7.0), ("date", 6.877)])
@pytest.mark.promise("W15")
async def test_retry_after_is_reported_and_delays_the_client(unit: str, seconds: float) -> None:
    """The time may be a number of seconds or a date."""
    async with open_stage() as stage:
        stage.add_fault(kind="status", status=429, retry_after=7, retry_after_as=unit)

        with pytest.raises(DeclareeRateLimitedError) as caught:
            await stage.client.perform(READ)
        await asyncio.gather(*(stage.client.perform(READ) for _ in range(5)), stage.client.probe())

        assert caught.value.retry_after == pytest.approx(seconds)
        assert stage.clock.monotonic() >= seconds
        assert len(stage.transport.requests) == 7


async def test_client_sends_nothing_during_a_long_retry_after() -> None:
    """Every call and every probe is an error until the time is over."""
    clock = FakeClock()
    transport = ScriptedTransport(build_reply(503, Retry_After="120"), build_reply(404))
    async with open_client(transport, clock=clock) as client:
        with pytest.raises(DeclareeUnavailableError) as caught:
            await client.perform(READ)

        assert caught.value.retry_after == 120.0

        for call in (client.perform(READ), client.perform(CREATE), client.probe(), client.discover()):
            with pytest.raises(DeclareeRateLimitedError) as rejected:
                await call
            assert rejected.value.retry_after == 120.0

        assert len(transport.requests) == 1

        await clock.sleep(120)

        assert await client.perform(READ) == Missing(is_certain=False)


async def test_rate_limited_client_halves_its_requests_at_once() -> None:
    """The limit then grows again with successful requests."""

    class SlowTransport(ScriptedTransport):
        running = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.running += 1
            self.most = max(self.most, self.running)
            for _ in range(5):
                await asyncio.sleep(0)
            self.running -= 1
            return await super().handle_async_request(request)

    transport = SlowTransport(build_reply(429), build_reply(404))

    async with open_client(transport) as client:
        with pytest.raises(DeclareeRateLimitedError):
            await client.perform(READ)

        await asyncio.gather(*(client.perform(READ) for _ in range(4)))

        assert transport.most == 4

        transport.most = 0
        await asyncio.gather(*(client.perform(READ) for _ in range(300)))

    assert 4 < transport.most <= 16


async def test_server_errors_do_not_raise_the_limit() -> None:
    """A failing server must not get more requests at once."""
    async with open_client(ScriptedTransport(build_reply(500))) as client:
        for _ in range(100):
            await client.perform(CREATE)

        assert client._exchange.concurrency._limit == 8
