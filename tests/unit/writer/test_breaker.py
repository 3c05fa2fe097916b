"""The circuit breaker: failures open it, a successful probe closes it."""

import asyncio
from datetime import timedelta

import pytest

from services.clients.declaree.errors import DeclareeRateLimitedError, DeclareeUnavailableError
from services.clients.declaree.turns import LONGEST_HOLD_SECONDS
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.writer.breaker import FAILURES_IN_A_ROW, LONGEST_PAUSE_SECONDS, RequestsBlockedError
from tests.unit.writer.scripted import EndpointStage


@pytest.fixture
def stage() -> EndpointStage:
    """An endpoint with a closed breaker."""
    return EndpointStage()


# ---------------------------------------------------------------- opening


async def test_failure_with_failed_probe_opens_breaker(stage: EndpointStage) -> None:
    """A failure opens the breaker if a probe fails as well, and the error names the cause."""
    await stage.fail()

    assert await stage.is_blocked()

    with pytest.raises(RequestsBlockedError) as caught:
        await stage.perform()

    assert caught.value.cause == WaitingCause.SERVER_UNAVAILABLE


async def test_failure_with_successful_probe_keeps_breaker_closed(stage: EndpointStage) -> None:
    """A failure that concerns one employee does not block the others."""
    await stage.endpoint.breaker.record_failure(WaitingCause.UNEXPECTED)

    assert stage.server.probes == 1
    assert await stage.is_blocked() is False


async def test_failures_in_a_row_open_breaker(stage: EndpointStage, caplog: pytest.LogCaptureFixture) -> None:
    """Consecutive failures open the breaker although probes succeed, and the log has the details."""
    for number in range(FAILURES_IN_A_ROW):
        assert not await stage.is_blocked(), number
        await stage.endpoint.breaker.record_failure(WaitingCause.WRITES_FORBIDDEN, details="what the key lacks")

    assert await stage.is_blocked()
    assert "circuit breaker opened: the changes of this connection wait (what the key lacks)" in caplog.text


async def test_failures_between_successes_keep_breaker_closed(stage: EndpointStage) -> None:
    """A success in between resets the number of consecutive failures."""
    for _ in range(3 * FAILURES_IN_A_ROW):
        await stage.endpoint.breaker.record_failure(WaitingCause.UNEXPECTED)
        stage.endpoint.record_success(has_written=True)

    assert not await stage.is_blocked()


async def test_concurrent_failures_share_one_probe(stage: EndpointStage) -> None:
    """Failures during a probe wait for its result, so a failing server gets one probe at a time."""
    stage.server.release = asyncio.Event()
    breaker = stage.endpoint.breaker
    failures = [
        asyncio.create_task(breaker.record_failure(WaitingCause.UNEXPECTED)) for _ in range(FAILURES_IN_A_ROW - 1)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stage.server.release.set()
    await asyncio.gather(*failures)

    assert stage.server.probes == 1


# ---------------------------------------------------------------- closing


async def test_open_breaker_is_probed_after_growing_pauses(stage: EndpointStage) -> None:
    """The pause between probes doubles up to the longest one, and a successful probe closes the breaker."""
    await stage.fail()
    pauses: list[float] = []
    for _ in range(8):
        waited = 0.0
        while stage.server.probes == len(pauses) + 1:
            stage.clock.seconds += 0.5
            waited += 0.5
            assert not await stage.endpoint.breaker.close_if_due()
        pauses.append(waited)

    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]

    stage.server.error = None
    stage.clock.seconds += LONGEST_PAUSE_SECONDS

    assert await stage.endpoint.breaker.close_if_due()
    assert not await stage.is_blocked()


@pytest.mark.promise("W15")
@pytest.mark.parametrize("error", [DeclareeRateLimitedError, DeclareeUnavailableError])
async def test_server_is_not_probed_in_a_pause_that_it_names(stage: EndpointStage, error: type[TransientError]) -> None:
    """The breaker opens without a probe, and tells when the server may be asked again."""
    pause = LONGEST_HOLD_SECONDS + 30
    await stage.fail(error("later", retry_after=pause))

    assert stage.server.probes == 0
    assert not stage.endpoint.is_usable
    assert stage.endpoint.retry_at == stage.clock.now() + timedelta(seconds=pause)

    stage.clock.seconds += pause - 1

    assert not await stage.endpoint.close_if_due()
    assert stage.server.probes == 0

    stage.server.error = None
    stage.clock.seconds += 1

    assert await stage.endpoint.close_if_due()
    assert stage.endpoint.retry_at == stage.clock.now()


async def test_lookup_in_a_named_pause_opens_breaker(stage: EndpointStage) -> None:
    """A lookup that fails in a pause of the server says nothing about its account."""
    cause = await stage.endpoint.breaker.record_lookup_failure(
        WaitingCause.SERVER_UNAVAILABLE, LONGEST_HOLD_SECONDS + 1, is_parked=False
    )

    assert cause is WaitingCause.SERVER_UNAVAILABLE
    assert stage.server.probes == 0
    assert await stage.is_blocked()


async def test_rate_limited_probe_keeps_breaker_closed(stage: EndpointStage) -> None:
    """A server that is busy is not down."""
    stage.server.error = DeclareeRateLimitedError("busy", retry_after=30)

    for _ in range(FAILURES_IN_A_ROW - 1):
        await stage.endpoint.breaker.record_failure(WaitingCause.UNEXPECTED)

    assert stage.server.probes == FAILURES_IN_A_ROW - 1
    assert not await stage.is_blocked()


async def test_rate_limited_probe_delays_the_next_one(stage: EndpointStage) -> None:
    """An open breaker stays open, and the server is asked again after the time that it names."""
    await stage.fail()
    stage.server.error = DeclareeRateLimitedError("busy", retry_after=30)
    stage.clock.seconds += 1

    assert not await stage.endpoint.close_if_due()
    assert stage.endpoint.breaker.pause == 30


async def test_failure_after_a_busy_time_keeps_breaker_closed(stage: EndpointStage) -> None:
    """A server that named a pause works after it: its first failure is one of many."""
    stage.endpoint.breaker.open(WaitingCause.RATE_LIMITED, 900)
    stage.clock.seconds += 900

    assert await stage.endpoint.close_if_due()

    await stage.endpoint.breaker.record_failure(WaitingCause.WRITES_FORBIDDEN)

    assert not await stage.is_blocked()


async def test_writes_after_a_busy_time_are_not_on_trial(stage: EndpointStage) -> None:
    """A server that named a pause gets many writes at once again."""
    breaker = stage.endpoint.breaker
    breaker.open(WaitingCause.RATE_LIMITED, 900)
    stage.clock.seconds += 900
    await stage.endpoint.close_if_due()

    async with asyncio.timeout(1), breaker.admit_write(), breaker.admit_write():
        assert stage.endpoint.is_usable


async def test_failure_after_closing_opens_breaker_at_once(stage: EndpointStage) -> None:
    """The first failure after a successful probe opens the breaker again, unless a change succeeded in between."""
    await stage.fail()
    stage.server.error = None
    stage.clock.seconds += 1

    assert await stage.endpoint.breaker.close_if_due()

    await stage.endpoint.breaker.record_failure(WaitingCause.WRITES_FORBIDDEN)

    assert await stage.is_blocked()

    stage.clock.seconds += LONGEST_PAUSE_SECONDS

    assert await stage.endpoint.breaker.close_if_due()

    stage.endpoint.record_success(has_written=True)
    await stage.endpoint.breaker.record_failure(WaitingCause.UNEXPECTED)

    assert not await stage.is_blocked()


async def test_closed_breaker_is_not_probed(stage: EndpointStage) -> None:
    """A closed breaker needs no probe."""
    assert await stage.endpoint.breaker.close_if_due()
    assert stage.server.probes == 0


async def test_short_retry_after_does_not_shorten_the_pause(stage: EndpointStage) -> None:
    """A server that always asks for one second is still probed less and less often."""
    breaker = stage.endpoint.breaker
    pauses: list[float] = []
    for _ in range(3):
        breaker.open(WaitingCause.RATE_LIMITED, retry_after=1)
        probes, waited = stage.server.probes, 0.0
        while stage.server.probes == probes:
            stage.clock.seconds += 0.5
            waited += 0.5
            await breaker.close_if_due()
        pauses.append(waited)

    assert pauses == [1, 2, 4]
