"""A SCIM server with answers and probes that a test sets, and an endpoint for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.clients.declaree.errors import DeclareeUnavailableError
from services.contracts.connections import DeclareeAccess
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, FindAccounts, Found
from services.provisioning.server import ServerDescription
from services.writer.breaker import RequestsBlockedError, find_waiting_cause
from services.writer.endpoint import Endpoint
from tests.support.builders import CONNECTION, DECLAREE
from tests.support.fakes import FakeClock

DOWN = DeclareeUnavailableError("no answer")
LOOKUP = FindAccounts("externalId", "7")


def _build_set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class ScriptedServer:
    """A server without accounts."""

    error: Exception | None = None
    """What a probe raises; None if probes succeed."""
    release: asyncio.Event | None = None
    """Delays each answer until it is set; None answers at once."""
    clock: FakeClock = field(default_factory=FakeClock)
    """The clock that moves while a request is held."""
    turn: asyncio.Event = field(default_factory=_build_set_event)
    """Delays each request until it is set: the pace of the server."""
    held: tuple[float, ...] = ()
    """Seconds for which each request is held, after the server has refused it."""
    calls: int = 0
    """Number of requests."""
    probes: int = 0
    """Number of probes."""
    is_closed: bool = False
    """Whether the client was closed."""

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """Answers that no account was found."""
        self.calls += 1
        await self.turn.wait()
        for seconds in self.held:
            before()
            self.clock.seconds += seconds
        before()
        if self.release is not None:
            await self.release.wait()
        return Found()

    async def discover(self) -> ServerDescription:
        """Says nothing about itself."""
        return ServerDescription()

    async def probe(self) -> None:
        """Counts the probe. Raises ``error``."""
        self.probes += 1
        if self.release is not None:
            await self.release.wait()
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Closes the client. It may be closed once only."""
        assert not self.is_closed, "a client is closed once"
        self.is_closed = True


@dataclass
class ScriptedClients:
    """Makes scripted servers. The address ``bad`` is unusable."""

    made: list[tuple[DeclareeAccess, ScriptedServer]] = field(default_factory=list)
    """The servers that were made, in order, each with its access."""

    def __call__(self, access: DeclareeAccess) -> ScriptedServer:
        """Makes a server. Raises ``ValueError`` for the address ``bad``."""
        if access.url == "bad":
            raise ValueError("invalid URL")
        self.made.append((access, ScriptedServer()))
        return self.made[-1][1]


class EndpointStage:
    """One endpoint with a scripted server."""

    def __init__(self) -> None:
        """Starts with a closed breaker."""
        self.clock = FakeClock()
        self.server = ScriptedServer(clock=self.clock)
        self.endpoint = Endpoint(CONNECTION, DECLAREE, self.server, self.clock)

    async def perform(self) -> Answer:
        """Sends a lookup."""
        return await self.endpoint.perform(LOOKUP, lambda: None)

    async def is_blocked(self) -> bool:
        """Returns whether the breaker blocks a lookup. A blocked lookup must not be sent."""
        calls = self.server.calls
        try:
            await self.perform()
        except RequestsBlockedError:
            assert self.server.calls == calls
            return True
        return False

    async def fail(self, error: TransientError = DOWN) -> None:
        """Lets a change fail with this error, and each probe from now on."""
        self.server.error = error
        await self.endpoint.breaker.record_failure(find_waiting_cause(error), error.retry_after)
