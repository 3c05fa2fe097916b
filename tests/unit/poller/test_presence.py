"""The pollers of one MongoDB count each other, and share the rate of requests."""

import pytest

from services.clients.personio.rate_limit import BURST, RateLimits
from services.contracts.leases import ProcessIdentity
from services.poller.presence import Presence
from services.store.errors import StoreUnavailableError
from tests.support.fake_store import FakeLeases
from tests.support.fakes import FakeClock, StillClock
from tests.support.waiting import wait_until

ONE, OTHER = ProcessIdentity("host-a", 1, "one"), ProcessIdentity("host-b", 1, "other")


class Pollers:
    """Pollers that share leases and a clock."""

    def __init__(self) -> None:
        """No poller runs."""
        self.leases = FakeLeases()
        self.clock = StillClock()
        self.leases.now = self.clock.now
        self.counted: dict[str, int] = {}
        """The number of pollers that each one has counted last, by its token."""

    async def start(self, owner: ProcessIdentity) -> Presence:
        """Starts a poller."""

        def share(pollers: int) -> None:
            self.counted[owner.token] = pollers

        presence = Presence(self.leases, owner, self.clock, 30, share=share, fatal=pytest.fail)
        await presence.start()
        return presence

    async def pass_time(self, seconds: float, sleepers: int) -> None:
        """Moves the clock, and waits until this number of pollers sleep again."""
        await wait_until(lambda: self.clock.sleepers == sleepers)
        self.clock.advance(seconds)
        await wait_until(lambda: self.clock.sleepers == sleepers)


async def test_pollers_count_each_other_within_seconds() -> None:
    """A poller that starts is counted by the others, and no longer after it has stopped."""
    pollers = Pollers()
    one = await pollers.start(ONE)

    assert pollers.counted == {"one": 1}

    other = await pollers.start(OTHER)
    await pollers.pass_time(10, sleepers=2)

    assert pollers.counted == {"one": 2, "other": 2}

    await other.stop()
    await pollers.pass_time(10, sleepers=1)

    assert pollers.counted["one"] == 1

    await one.stop()


async def test_killed_poller_is_counted_until_its_lease_ends() -> None:
    """It may still run on a host that does not answer."""
    pollers = Pollers()
    await pollers.leases.acquire("poller/elsewhere/1", OTHER, seconds=15)
    one = await pollers.start(ONE)

    assert pollers.counted == {"one": 2}

    for _ in range(2):
        await pollers.pass_time(10, sleepers=1)

    assert pollers.counted == {"one": 1}

    await one.stop()


async def test_restarted_poller_is_counted_once() -> None:
    """The lease of its earlier life has the same host and process id."""
    pollers = Pollers()
    await (await pollers.start(ONE)).stop()
    await pollers.leases.acquire("poller/host-a/1", ONE, seconds=30)

    restarted = await pollers.start(ProcessIdentity(ONE.host, ONE.pid, "after the restart"))

    assert pollers.counted["after the restart"] == 1

    await restarted.stop()


async def test_poller_counts_again_after_an_outage_of_mongodb() -> None:
    """Until then, the last number is used."""
    pollers = Pollers()
    one = await pollers.start(ONE)
    acquire = pollers.leases.acquire

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("MongoDB does not answer")

    pollers.leases.acquire = fail  # type: ignore[method-assign]
    await pollers.pass_time(10, sleepers=1)
    pollers.leases.acquire = acquire  # type: ignore[method-assign]
    await pollers.leases.acquire("poller/elsewhere/1", OTHER, seconds=30)
    await pollers.pass_time(10, sleepers=1)

    assert pollers.counted == {"one": 2}

    await one.stop()


@pytest.mark.parametrize("pollers", [1, 2, 3])
async def test_pollers_together_send_what_one_may(pollers: int) -> None:
    """Personio counts the requests of an address, and knows nothing of pollers."""
    clock = FakeClock()
    limits = RateLimits(clock, 250, 50)
    known = limits.get("https://api.personio.de").employees
    limits.share(pollers)
    new = limits.get("https://other.example").employees

    for limiter in (known, new):
        clock.seconds += 3600
        start = clock.monotonic()
        for _ in range(100):
            await limiter.wait_for_turn()

        burst = BURST // pollers
        assert clock.monotonic() - start == pytest.approx((100 - burst) * 60 * pollers / 250)
