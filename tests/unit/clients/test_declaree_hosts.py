"""Connections to one host: their limits may be those of their keys, or one that they share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import Paces
from services.provisioning.calls import CreateAccount
from tests.support.virtual_time import VirtualClock, run_in_virtual_time
from tests.unit.clients.declaree_stage import ACCESS, KEY, READ, build_user

LATENCY = 0.05
"""Seconds that an answer takes."""


class Host:
    """A host with clients of one process."""

    def __init__(self) -> None:
        """Starts without a client."""
        self.clock = VirtualClock()
        self.paces = Paces(self.clock)
        self.servers: list[Declaree] = []

    def open_server(self, **behaviour: Any) -> Declaree:
        """Opens a server, with limits of its own."""
        limits = Behaviour.model_validate({"latency_seconds": LATENCY, **behaviour})
        self.servers.append(Declaree(api_key=KEY, behaviour=limits, clock=self.clock.now))
        return self.servers[-1]

    def open_client(self, server: Declaree, url: str = ACCESS.url) -> DeclareeClient:
        """Opens a client of a server."""
        transport = httpx.ASGITransport(create_app(server, self.clock.monotonic))
        access = ACCESS.model_copy(update={"url": url})
        return DeclareeClient(access, clock=self.clock, paces=self.paces, transport=transport, allow_private=False)

    async def measure(self, client: DeclareeClient) -> float:
        """Returns the seconds that a lookup takes."""
        begun = self.clock.monotonic()
        await client.perform(READ)
        return self.clock.monotonic() - begun

    async def measure_import(self, client: DeclareeClient, name: str, number: int) -> float:
        """Returns the seconds until this number of accounts is created, 32 at a time."""
        begun, numbers = self.clock.monotonic(), iter(range(number))

        async def create() -> None:
            for one in numbers:
                await client.perform(CreateAccount(build_user(f"{name}{one}@x.example", externalId=f"{name}{one}")))

        await asyncio.gather(*(create() for _ in range(32)))
        return self.clock.monotonic() - begun


def run(work: Callable[[Host], Awaitable[Any]]) -> Any:
    """Runs ``work`` in virtual time."""
    return run_in_virtual_time(lambda: work(Host()))


def test_limit_of_another_key_delays_nothing() -> None:
    """One connection has used up the window of its key. The other one does not notice it."""

    async def work(host: Host) -> float:
        busy = host.open_client(host.open_server(window_limit=20))
        other = host.open_client(host.open_server(window_limit=20))
        importing = asyncio.create_task(host.measure_import(busy, "a", 50))
        await host.clock.sleep(5)
        seconds = await host.measure(other)
        importing.cancel()
        return seconds

    assert run(work) < 2 * LATENCY


def test_limits_of_two_keys_do_not_delay_a_third_one() -> None:
    """Two connections that pause at once seem to share a limit. One request of a third connection shows that they do not."""

    async def work(host: Host) -> list[float]:
        clients = [host.open_client(host.open_server(window_limit=20)) for _ in range(3)]
        importing = [asyncio.create_task(host.measure_import(client, "a", 50)) for client in clients[:2]]
        await host.clock.sleep(5)
        waits = [await host.measure(clients[2]) for _ in range(10)]
        for task in importing:
            task.cancel()
        return waits

    assert max(run(work)) < 2 * LATENCY


def test_shared_limit_is_shared_equally() -> None:
    """Two imports of one size end together, and one that began later has the same share."""

    async def work(host: Host) -> tuple[float, float]:
        server = host.open_server(rate_limit=5.0)
        first, second = (host.open_client(server) for _ in range(2))
        await host.measure_import(first, "z", 50)
        one, two = await asyncio.gather(host.measure_import(first, "a", 150), host.measure_import(second, "b", 150))
        return one, two

    one, two = run(work)

    assert abs(one - two) < 0.1 * max(one, two)
    assert max(one, two) < 1.1 * 300 / 5


def test_share_of_a_finished_import_goes_to_the_other_one() -> None:
    """The rate is that of the host, so the other connection need not find out that it may send more."""

    async def work(host: Host) -> float:
        server = host.open_server(rate_limit=5.0)
        first, second = (host.open_client(server) for _ in range(2))
        seconds = await asyncio.gather(host.measure_import(first, "a", 250), host.measure_import(second, "b", 50))
        return max(seconds)

    assert run(work) < 1.1 * 300 / 5


def test_refusal_of_a_shared_limit_pauses_the_host() -> None:
    """In the next windows, a limit that is known to be shared is not tried out by each connection."""

    async def work(host: Host) -> int:
        server = host.open_server(window_limit=30, window_seconds=10.0)
        clients = [host.open_client(server) for _ in range(5)]
        await asyncio.gather(*(host.measure_import(client, str(number), 30) for number, client in enumerate(clients)))
        statuses = [entry.status for entry in server.journal.read_since(0, 10_000) if entry.status == 429]
        return len(statuses)

    assert run(work) < 40 + 4 * 10


def test_other_host_has_a_pace_of_its_own() -> None:
    """Two hosts never share a limit."""

    async def work(host: Host) -> float:
        server = host.open_server(window_limit=20)
        busy, other = host.open_client(server), host.open_client(host.open_server(), "http://other.test/SCIM/v2")
        assert busy._turns._host is not other._turns._host
        for spelling in ("http://DECLAREE.test/other", "http://declaree.test:80", "http://declaree.test./SCIM/v2"):
            assert busy._turns._host is host.open_client(server, spelling)._turns._host
        return await host.measure(other)

    assert run(work) < 2 * LATENCY
