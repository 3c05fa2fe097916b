"""Retries after failures, waits after rate-limited responses, and the client's own rate limit."""

import pytest

from services.clients.personio.errors import PersonioUnavailableError
from tests.support.fakes import FakeClock
from tests.unit.clients.personio_stage import (
    AUTH,
    EMPTY_LIST,
    LIST,
    TOKEN,
    open_client,
    open_stage,
    read_first_page,
)
from tests.unit.clients.transports import build_reply


async def test_rate_limit_without_time_is_waited_out() -> None:
    """The pauses together are longer than the minute over which Personio counts."""
    async with open_stage() as stage:
        await stage.client.list_attributes()
        stage.add_fault("too_many_requests", count=6)
        await read_first_page(stage.client)

        assert stage.clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


async def test_vendor_rate_limits_lead_to_waits_not_errors() -> None:
    """The sandbox has Personio's limits; all requests succeed after waits."""
    async with open_stage(rate_limits=True) as stage:
        for _ in range(350):
            await stage.client.list_attributes()

        assert 429 in stage.statuses
        assert min(stage.clock.slept) >= 1.0


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0", 1.0), ("Mon, 09 Mar 2026 08:30:20 GMT", 19.877), ("soon", 1.0)]
)
async def test_retry_after_is_waited_for(value: str, seconds: float) -> None:
    """The pause is at least the time that Personio names."""
    clock = FakeClock()

    async with open_client(TOKEN, build_reply(429, Retry_After=value), EMPTY_LIST, clock=clock) as (client, _):
        await read_first_page(client)

    assert clock.slept == [pytest.approx(seconds)]


async def test_retry_after_too_long_for_a_poll_is_an_error() -> None:
    """The next poll tries again instead."""
    clock = FakeClock()

    async with open_client(TOKEN, build_reply(429, Retry_After="61"), clock=clock) as (client, _):
        with pytest.raises(PersonioUnavailableError) as caught:
            await read_first_page(client)

    assert caught.value.retry_after == 61.0
    assert clock.slept == []


@pytest.mark.parametrize("kind", ["server_error", "bad_gateway", "gateway_timeout", "cut"])
async def test_failures_are_retried_then_reported(kind: str) -> None:
    """Four retries bridge a short outage; a longer one is an error."""
    async with open_stage() as stage:
        stage.add_fault(kind, count=4)
        await read_first_page(stage.client)

        assert stage.clock.slept == [1.0, 2.0, 4.0, 8.0]

        stage.add_fault(kind, count=100)
        with pytest.raises(PersonioUnavailableError, match="the next poll tries again"):
            await read_first_page(stage.client)
        assert len(stage.clock.slept) == 8


async def test_failed_authentication_is_retried() -> None:
    """An authentication can be repeated without harm."""
    async with open_stage() as stage:
        stage.add_fault("bad_gateway", AUTH)
        stage.add_fault("cut", AUTH, after=1)

        assert await stage.client.list_attributes()
        assert stage.paths == [AUTH, AUTH, AUTH, f"{LIST}/attributes"]
