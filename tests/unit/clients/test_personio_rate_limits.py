"""The rate of requests to each address of Personio, and what a poll saves while requests have to wait."""

import asyncio

import pytest

from services.clients.personio import rate_limit
from services.clients.personio.attribute_lists import MAX_AGE_SECONDS, AttributeLists
from services.clients.personio.rate_limit import (
    BURST,
    LOGIN_BURST,
    HostLimits,
    RateLimiter,
    RateLimits,
)
from services.clients.personio.v1 import PersonioClient
from tests.support.fakes import FakeClock
from tests.support.virtual_time import VirtualClock, run_in_virtual_time
from tests.unit.clients.personio_stage import (
    ACCESS,
    AUTH,
    EMPTY_LIST,
    LIST,
    LOGINS_PER_MINUTE,
    TOKEN,
    open_stage,
    read_first_page,
)
from tests.unit.clients.transports import Reply, ScriptedTransport, build_reply

PERSONIO_URL = "https://api.personio.de"


async def test_rate_limiter_stays_below_the_vendor_limits() -> None:
    """The sandbox has Personio's limits of 300 requests a minute and 15 a second."""
    async with open_stage(1, per_minute=250, rate_limits=True) as stage:
        start = stage.clock.monotonic()

        for _ in range(700):
            await read_first_page(stage.client)

        assert set(stage.statuses) == {200}
        assert stage.clock.monotonic() - start == pytest.approx((700 - BURST) * 60 / 250)


async def test_authentications_stay_below_the_vendor_limit() -> None:
    """Personio allows 60 authentications a minute, and none for a minute after that."""
    async with open_stage(1, rate_limits=True) as stage:
        logins = HostLimits(stage.clock, 250, LOGINS_PER_MINUTE).logins

        for number in range(200):
            await logins.wait_for_turn()
            await stage.client._sender.send("POST", AUTH, headers={}, content=b'{"client_id": "%d"}' % number)

        assert 429 not in stage.statuses
        assert stage.clock.monotonic() == pytest.approx((200 - LOGIN_BURST) * 60 / LOGINS_PER_MINUTE)


async def test_client_authenticates_by_the_limit_of_authentications() -> None:
    """A start with thousands of companies must not use up Personio's limit in one second."""
    async with open_stage(1, per_minute=250) as stage:
        assert stage.client._limits is not None
        for _ in range(LOGIN_BURST):
            await stage.client._limits.logins.wait_for_turn()

        await read_first_page(stage.client)

        assert stage.clock.monotonic() == pytest.approx(60 / LOGINS_PER_MINUTE)


async def test_rate_limiter_allows_a_burst_after_idle_time() -> None:
    """Unused requests are saved up to the size of the burst."""
    clock = FakeClock()
    rate_limiter = RateLimiter(clock, 60)

    for _ in range(BURST + 2):
        await rate_limiter.wait_for_turn()

    assert clock.slept == [pytest.approx(1.0)] * 2

    await clock.sleep(3600)
    clock.slept.clear()
    for _ in range(BURST + 1):
        await rate_limiter.wait_for_turn()

    assert clock.slept == [pytest.approx(1.0)]


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url",
    [
        *("https://api.personio.de/", "https://API.personio.de:443/v1", "https://api.personio.de/path"),
        *("https://api.personio.de./", "https://api.personio.de.:443"),
    ],
)
def test_spellings_of_an_address_share_its_limits(url: str) -> None:
    """Personio counts the requests of a caller, however a connection spells the address."""
    limits = RateLimits(FakeClock(), 250, 50)

    assert limits.get(url) is limits.get(PERSONIO_URL)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("url", ["https://proxy.example", "http://api.personio.de", "https://api.personio.de:8443"])
async def test_addresses_do_not_wait_for_each_other(url: str) -> None:
    """Requests that queue for one address delay none to another."""
    clock = FakeClock()
    limits = RateLimits(clock, 250, 50)
    for _ in range(2 * BURST):
        await limits.get(PERSONIO_URL).employees.wait_for_turn()
    clock.slept.clear()

    await limits.get(url).employees.wait_for_turn()

    assert clock.slept == []


@pytest.mark.promise("P10")
def test_retry_after_concerns_its_connection_alone() -> None:
    """Other connections at the same address are not delayed."""

    async def work() -> None:
        clock = VirtualClock()
        limits = HostLimits(clock, 250, LOGINS_PER_MINUTE)
        ended: dict[str, float] = {}

        async def list_page(name: str, *replies: Reply) -> None:
            transport = ScriptedTransport(TOKEN, *replies)
            access = ACCESS.model_copy(update={"client_id": name})
            async with PersonioClient(
                access, clock=clock, limits=limits, transport=transport, allow_private=False
            ) as client:
                await read_first_page(client)
            ended[name] = clock.monotonic()

        busy = build_reply(429, {}, Retry_After="50")
        await asyncio.gather(list_page("busy", busy, EMPTY_LIST), list_page("other", EMPTY_LIST))

        assert ended["busy"] >= 50
        assert ended["other"] < 1

    run_in_virtual_time(work)


async def test_only_idle_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new rate limiter would allow another burst at once."""
    monkeypatch.setattr(rate_limit, "MAX_HOSTS", 2)
    limits = RateLimits(FakeClock(), 250, 50)
    busy, idle = limits.get("https://busy.example"), limits.get("https://idle.example")
    await busy.employees.wait_for_turn()

    limits.get("https://new.example")

    assert limits.get("https://busy.example") is busy
    assert limits.get("https://idle.example") is not idle


# ---------------------------------------------------------------- time in the queue


async def test_time_in_the_queue_is_counted() -> None:
    """It belongs to the poller, and a scan must not blame Personio for it."""
    async with open_stage(1, per_minute=60) as stage:
        for _ in range(BURST + 3):
            await read_first_page(stage.client)

        assert stage.client.queued_seconds == pytest.approx(3.0)


# ---------------------------------------------------------------- the list of attributes


async def test_list_of_attributes_is_read_by_each_poll() -> None:
    """While requests pass without a pause, a change of the credential is seen at once."""
    async with open_stage(1, per_minute=250) as stage:
        for _ in range(3):
            await stage.client.list_attributes()

        assert stage.paths.count(f"{LIST}/attributes") == 3


async def test_list_of_attributes_is_known_while_requests_wait() -> None:
    """With thousands of companies, a poll of a small one is one request."""
    async with open_stage(1, per_minute=250) as stage:
        for _ in range(10 * BURST):
            await stage.client.list_attributes()
        before = stage.paths.count(f"{LIST}/attributes")
        stage.clock.seconds += MAX_AGE_SECONDS
        for _ in range(10 * BURST):
            await read_first_page(stage.client)

        await stage.client.list_attributes()

        assert before <= BURST
        assert stage.paths.count(f"{LIST}/attributes") == before + 1, "a list of this age is read again"


async def test_incomplete_list_of_attributes_is_read_again() -> None:
    """The next poll sees that an administrator has released the missing attribute."""
    async with open_stage(1, per_minute=250) as stage:
        stage.state.credentials.set_whitelist(ACCESS.client_id, frozenset({"first_name"}))
        for _ in range(2 * BURST):
            await stage.client.list_attributes()

        assert stage.paths.count(f"{LIST}/attributes") == 2 * BURST


async def test_clients_of_a_credential_share_the_list() -> None:
    """Each poll has a client of its own."""
    lists, clock = AttributeLists(), FakeClock()

    async with (
        PersonioClient(ACCESS, clock=clock, attributes=lists, allow_private=False) as one,
        PersonioClient(ACCESS, clock=clock, attributes=lists, allow_private=False) as other,
    ):
        assert one._attributes is other._attributes
