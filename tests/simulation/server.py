"""Declaree as one life reaches it: the sandbox's SCIM server behind a network that loses, delays and refuses.

Without late landings, a request is carried out at the moment at which it is sent, or never. With late landings, it may be
carried out up to a minute after the client has given it up.
"""

import asyncio
from dataclasses import dataclass

import detangle
import httpx

from sandbox.declaree.directory import Entry
from sandbox.declaree.message import Reply, Request
from sandbox.declaree.scim import answer
from sandbox.declaree.state import Declaree
from services.clients.http.responses import WholeResponse
from tests.simulation.accounts import Accounts, Write
from tests.simulation.faults import Fault
from tests.simulation.process import Life

BASE_PATH = "/SCIM/v2"
"""Path of the SCIM endpoint."""
LATENCIES = (0.05, 0.1, 0.4)
"""Seconds until an answer."""
SLOW_SECONDS = (3.0, 9.0, 25.0)
"""Seconds until a late answer."""
TIMEOUT_SECONDS = 30.0
"""Seconds after which the client gives a request up."""
LOST_SECONDS = (0.5, 2.0, TIMEOUT_SECONDS)
"""Seconds until the client gives a request without an answer up: at a reset of the connection, or at its timeout."""
LANDING_SECONDS = (0.5, 5.0, 20.0, 60.0)
"""Seconds after which a request is carried out that was given up."""
RETRY_AFTER_SECONDS = (1, 5, 30)
"""Values of ``Retry-After``."""


class Network:
    """What the lives share: the server, the checks of its accounts, and the requests that are still under way."""

    def __init__(self, declaree: Declaree, accounts: Accounts) -> None:
        self.declaree = declaree
        self.accounts = accounts
        self._flights: list[_Flight] = []

    @property
    def flying(self) -> int:
        """Number of requests that were given up and are carried out later."""
        return len(self._flights)

    def carry_out_later(self, request: Request, actor: str) -> None:
        """Carries out a request after a time. The worst time is right after the next write, so half of them land then."""
        flight = _Flight(request, actor, lands_after_next_write=detangle.flip(0.5))
        self._flights.append(flight)
        asyncio.get_running_loop().call_later(detangle.choice(LANDING_SECONDS), self._land, flight)

    def _land(self, flight: "_Flight") -> None:
        if flight in self._flights:
            self._flights.remove(flight)
            self.carry_out(flight.request, flight.actor, is_late=True)

    def _land_after_write(self) -> None:
        for flight in self._flights:
            if flight.lands_after_next_write:
                asyncio.get_running_loop().call_later(LATENCIES[0], self._land, flight)

    def carry_out(self, request: Request, actor: str, *, is_late: bool = False) -> Reply:
        """Lets the server carry out a request, and checks what it has written."""
        users = self.declaree.directory.users
        before = users.get(request.path.rpartition("/")[2])
        known = set(users) if request.method == "POST" else set[str]()
        reply = answer(self.declaree, request)
        if request.method != "GET" and reply.status < 300:
            after = self._find_after(before, known)
            self.accounts.see_write(Write(actor, before, after, is_late))
            self._land_after_write()
        elif request.method != "GET":
            text = f"{request.method} {request.path} is answered {reply.status}"
            self.accounts.note_refusal(actor, text, before.id if before is not None and reply.status == 409 else None)
        return reply

    def _find_after(self, before: Entry | None, known: set[str]) -> Entry:
        users = self.declaree.directory.users
        return users[before.id] if before is not None else users[(users.keys() - known).pop()]


@dataclass(eq=False)
class _Flight:
    """A request that was given up, and is not carried out yet."""

    request: Request
    actor: str
    lands_after_next_write: bool


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Carries the requests of one life. Every request may be lost, refused, delayed, or carried out late."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network = network
        self._life = life
        self._faults = life.faults

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the response. Raises ``httpx.TransportError``."""
        sent = _to_request(request)
        # whether the request is carried out is decided here, before the life gives others a turn
        reply = self._begin(sent)
        if isinstance(reply, Reply):
            reply = self._end(sent, reply)
        await self._life.reach(f"{sent.method} {sent.path} (sent)")
        if isinstance(reply, httpx.TransportError):
            seconds = 0.0 if isinstance(reply, httpx.ConnectError) else detangle.choice(LOST_SECONDS)
            await self._life.sleep(seconds)
            raise reply
        slow = SLOW_SECONDS if self._faults.strikes(Fault.SLOW) else LATENCIES
        await self._life.sleep(detangle.choice(slow))
        await self._life.reach(f"{sent.method} {sent.path} (answered)")
        headers = [(name.encode(), value.encode()) for name, value in reply.headers]
        return WholeResponse(reply.status, [*headers, (b"content-type", reply.media_type.encode())], reply.body)

    def _begin(self, request: Request) -> Reply | httpx.TransportError:
        """Decides what becomes of a request that leaves the life now."""
        is_write = request.method != "GET"
        if self._faults.strikes(Fault.CONNECTION_FAILS):
            return self._lose(request, "is not sent", httpx.ConnectError("no connection"))
        if self._faults.strikes(Fault.REQUEST_LOST):
            return self._lose(request, "is lost", httpx.ReadTimeout("no answer"))
        if self._faults.strikes(Fault.ERROR_BEFORE):
            self._note(request, "is answered 503")
            return Reply(503)
        if self._faults.strikes(Fault.RATE_LIMITED):
            self._note(request, "is answered 429")
            return Reply(429, headers=(("Retry-After", str(detangle.choice(RETRY_AFTER_SECONDS))),))
        if is_write and self._faults.strikes(Fault.LATE_LANDING):
            self._network.carry_out_later(request, self._life.name)
            return self._lose(request, "is not answered, and not carried out yet", httpx.ReadTimeout("no answer"))
        return self._network.carry_out(request, self._life.name)

    def _end(self, request: Request, reply: Reply) -> Reply | httpx.TransportError:
        """Decides what becomes of an answer."""
        if request.method == "GET" or reply.status >= 300:
            return reply
        if self._faults.strikes(Fault.ANSWER_LOST):
            return self._lose(request, "is carried out, the answer is lost", httpx.ReadError("the connection broke"))
        if self._faults.strikes(Fault.ERROR_AFTER):
            self._note(request, "is carried out and answered 502")
            return Reply(502)
        return reply

    def _lose(self, request: Request, details: str, error: httpx.TransportError) -> httpx.TransportError:
        self._note(request, details)
        return error

    def _note(self, request: Request, details: str) -> None:
        self._life.history.note(self._life.name, f"{request.method} {request.path} {details}")


def _to_request(request: httpx.Request) -> Request:
    url = request.url
    return Request(
        method=request.method,
        path="/" + url.path.removeprefix(BASE_PATH).strip("/"),
        query=url.query.decode(),
        headers={name.decode().lower(): value.decode() for name, value in request.headers.raw},
        body=request.content,
        base_url=f"{url.scheme}://{url.host}{BASE_PATH}",
    )
