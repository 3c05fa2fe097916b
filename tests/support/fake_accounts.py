"""A company's Declaree for the verifications of the poller: the list of a SCIM server, and its single accounts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.listing import ListedAccounts
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import ConnectionId
from services.provisioning.calls import Answer, Call, ListAccounts
from services.runtime.clock import Clock
from tests.support.builders import DECLAREE


async def _do_nothing(_: Call) -> None:
    pass


class FakeAccounts:
    """The accounts of a SCIM server in this process, for every connection. It records all calls."""

    def __init__(self, app: ASGIApp, clock: Clock, access: DeclareeAccess = DECLAREE) -> None:
        """``app`` is the server."""
        self.calls: list[Call] = []
        """The calls, in order."""
        self.opened: list[ConnectionId] = []
        """The connections in the order in which the poller opened them."""
        self.before: Callable[[Call], Awaitable[Any]] = _do_nothing
        """Runs before each call; it may change the server, or raise instead of the call."""
        self.after: Callable[[Call], Awaitable[Any]] = _do_nothing
        """Runs after each call, before its answer is read."""
        self._app = app
        self._clock = clock
        self._access = access

    @asynccontextmanager
    async def source(self, connection: ConnectionId) -> AsyncIterator[ListedAccounts]:
        """Opens the server for one verification."""
        self.opened.append(connection)
        client = DeclareeClient(
            self._access, clock=self._clock, transport=httpx.ASGITransport(app=self._app), allow_private=False
        )
        try:
            yield ListedAccounts(self._access, _RecordedClient(self, client))
        finally:
            await client.close()

    @property
    def pages(self) -> list[int]:
        """The number of the first account of each page that was asked for, in order."""
        return [call.start for call in self.calls if isinstance(call, ListAccounts)]


class _RecordedClient:
    def __init__(self, accounts: FakeAccounts, client: DeclareeClient) -> None:
        self._accounts = accounts
        self._client = client

    async def perform(self, call: Call) -> Answer:
        self._accounts.calls.append(call)
        await self._accounts.before(call)
        answer = await self._client.perform(call)
        await self._accounts.after(call)
        return answer
