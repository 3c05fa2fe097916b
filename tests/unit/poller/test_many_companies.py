"""Three thousand small companies at one address of Personio: in virtual time, with the real client.

The test has a fifth of them and of all limits, because the store in memory reads all companies for each.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
from pydantic import SecretStr

from sandbox.personio.limits import Window
from services.clients.personio.attribute_lists import AttributeLists
from services.clients.personio.auth import TokenCache
from services.clients.personio.rate_limit import RateLimits
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.contracts.employees import REQUIRED_ATTRIBUTES, AttributeDefinition
from services.contracts.ids import ConnectionId
from services.poller.ports import Personio, PollPlan
from tests.support.builders import ADA, make_connection
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.poller.test_fairness import INTERVAL, SETTINGS, Installation

SHARE = 5
"""The test has one company of this number, and one request of this number."""
COMPANIES = 3_000 // SHARE
"""Number of companies. Each has one page of employees."""
PER_MINUTE = SETTINGS.poll_personio_per_minute // SHARE
"""Number of requests that the poller may send in a minute."""
ANSWER_SECONDS = 0.3
"""Seconds until Personio answers."""
ATTRIBUTES = {"success": True, "data": [{"key": key} for key in REQUIRED_ATTRIBUTES]}
PAGE = {
    "success": True,
    "metadata": {"total_elements": 1},
    "data": [{"attributes": {"id": {"value": 1}} | {key: {"value": value} for key, value in ADA.items()}}],
}


class Address(httpx.AsyncBaseTransport):
    """Personio's address, which counts the requests of all companies."""

    def __init__(self, installation: "Many") -> None:
        """The requests come from the pollers of the installation."""
        self._clock = installation.clock
        self._window = Window(300 // SHARE, 60.0)
        self.refused = 0
        """Number of requests above the limit of employees and their attributes."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers a request."""
        now = self._clock.monotonic()
        await asyncio.sleep(ANSWER_SECONDS)
        if self._window.is_full(now):
            self.refused += 1
            return httpx.Response(429)
        self._window.count(now)
        body = ATTRIBUTES if request.url.path.endswith("/attributes") else PAGE
        return httpx.Response(200, content=json.dumps(body))


class Many(Installation):
    """Many companies at one address."""

    def __init__(self) -> None:
        """The companies were polled before, so that their tokens and lists of attributes are known."""
        super().__init__(SETTINGS)
        self.personio = Address(self)
        self._limits = RateLimits(self.clock, PER_MINUTE, PER_MINUTE)
        self._tokens, self._lists = TokenCache(), AttributeLists()
        definitions = tuple(AttributeDefinition(key, key, "standard", ()) for key in REQUIRED_ATTRIBUTES)
        for number in range(COMPANIES):
            connection = ConnectionId(f"c{number:04}")
            access = PersonioAccess(client_id=connection, client_secret=SecretStr("secret"))
            self.store.connections.content[connection] = make_connection(connection, access)
            token = self._tokens.get(access)
            token.token, token.renew_at = "papi-1", 86_400.0
            self._lists.get(access).keep(definitions, 0.0)
            self.store.schedule.next_polls[connection] = self.clock.now() - timedelta(seconds=number)

    @asynccontextmanager
    async def source(self, plan: PollPlan) -> AsyncIterator[Personio]:
        """Opens the real client of a connection."""
        self.opened[plan.connection_id].append(self.clock.monotonic())
        access = plan.open_connection().personio
        async with PersonioClient(
            access,
            clock=self.clock,
            limits=self._limits.get(access.url),
            tokens=self._tokens,
            attributes=self._lists,
            transport=self.personio,
            allow_private=False,
        ) as client:
            yield client


def test_three_thousand_companies_are_polled_in_their_interval() -> None:
    """One poller with the default settings stays below the limit, also when all companies are due at once."""

    async def work() -> None:
        installation = Many()
        await installation.start_poller()
        await asyncio.sleep(2 * INTERVAL)
        await installation.stop()

        connections = tuple(installation.store.connections.content)
        assert max(installation.opened[connection][0] for connection in connections) < INTERVAL
        gaps = installation.measure_gaps(connections)
        assert len(gaps) >= 0.9 * COMPANIES
        assert max(gaps) < 1.1 * INTERVAL
        assert installation.personio.refused == 0

    run_in_virtual_time(work)
