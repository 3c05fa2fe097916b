"""How many requests at once, and when none: on a clock that stands still until somebody sleeps."""

import asyncio

import pytest

from services.clients.declaree.errors import DeclareeBusyError
from services.clients.declaree.pace import Pace
from tests.unit.clients.fake_clock import FakeClock


async def most_at_once(pace: Pace, wanted: int = 40) -> int:
    """How many of so many requests run at the same time."""
    running = most = 0

    async def request() -> None:
        nonlocal running, most
        async with pace:
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(request() for _ in range(wanted)))
    return most


async def test_a_server_that_keeps_up_is_asked_more_and_more_up_to_the_most() -> None:
    pace = Pace(FakeClock(), 16)
    assert await most_at_once(pace) == 8
    for _ in range(8):
        pace.went_well()
    assert await most_at_once(pace) == 8, "a whole round of successes adds about one"
    for _ in range(1000):
        pace.went_well()
    assert await most_at_once(pace) == 16


async def test_a_server_that_asks_for_patience_is_asked_half_as_much_and_at_least_one_at_a_time() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    pace.too_fast(0)
    assert await most_at_once(pace) == 4
    for _ in range(10):
        pace.too_fast(0)
    assert await most_at_once(pace) == 1


async def test_many_answers_to_one_excess_count_once() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    for _ in range(8):
        pace.too_fast(2.0)
    assert await most_at_once(pace) == 4


async def test_the_time_that_the_server_names_holds_every_request() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    pace.too_fast(7.0)
    began = clock.monotonic()
    await asyncio.gather(*(hold_and_note(pace, clock, began) for _ in range(20)))
    assert await hold_and_note(pace, clock, began) >= 7.0


async def hold_and_note(pace: Pace, clock: FakeClock, began: float) -> float:
    async with pace:
        assert clock.monotonic() - began >= 7.0
        return clock.monotonic() - began


async def test_without_a_time_requests_pause_for_a_second() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    pace.too_fast(None)
    async with pace:
        assert clock.slept == [1.0]


async def test_who_waits_waits_on_when_the_server_asks_again_meanwhile() -> None:
    class Reminded(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.slept) == 1:
                pace.too_fast(3.0)

    clock = Reminded()
    pace = Pace(clock, 16)
    pace.too_fast(2.0)
    async with pace:
        assert clock.slept == [2.0, 3.0]


async def test_a_long_wait_is_refused_rather_than_waited_for_and_over_when_its_time_has_passed() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    pace.too_fast(60.0)
    for _ in range(20):
        with pytest.raises(DeclareeBusyError) as caught:
            async with pace:
                pytest.fail("nothing may be sent")
    assert caught.value.retry_after == 60.0
    await clock.sleep(60.0)
    assert await most_at_once(pace) == 4


async def test_a_shorter_time_named_later_does_not_shorten_the_wait() -> None:
    clock = FakeClock()
    pace = Pace(clock, 16)
    pace.too_fast(9.0)
    pace.too_fast(1.0)
    async with pace:
        assert clock.slept == [9.0]


async def test_who_is_cancelled_while_waiting_gives_the_place_back() -> None:
    pace = Pace(FakeClock(), 1)
    async with pace:
        waiting = asyncio.create_task(most_at_once(pace, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await most_at_once(pace, 3) == 1
