"""Gives each request its turn: within the pace of its connection and of the host, fair between the connections of a host.

The turn of a request that the server refused to carry out comes again before the later ones of its connection.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from weakref import WeakValueDictionary

from services.clients.declaree.concurrency import AdaptiveConcurrency
from services.clients.declaree.errors import DeclareeRateLimitedError
from services.clients.declaree.host_pace import HostPace
from services.clients.declaree.pace import Pace
from services.clients.http.rate_headers import Quota
from services.contracts.connections import normalise_host
from services.runtime.clock import Clock
from services.runtime.time_limit import stop_time_limit

LONGEST_HOLD_SECONDS = 120.0
"""Longest pause for which a request is held. For a longer one, the changes of the connection wait in the ledger."""
SHORT_HOLD_SECONDS = 10.0
"""Longest pause for which a request is held where an administrator or the poll of a connection waits for the answer."""
LONGEST_REFUSAL_SECONDS = 300.0
"""Seconds in which a server refuses every request, after which the requests of the connection are no longer held."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The permission to send one request."""

    sent_at: float
    """When the request was sent, in monotonic seconds."""
    position: int
    """Number of requests of the connection in progress, this one included."""


class Paces:
    """The paces of all hosts. Clients of one host share its pace."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` measures the pauses."""
        self._clock = clock
        self._hosts: WeakValueDictionary[str, HostTurns] = WeakValueDictionary()

    def open(self, url: str, concurrency: int, longest_hold: float) -> "ConnectionTurns":
        """Returns the turns of a connection to the server at this address, with at most ``concurrency`` requests at once."""
        name = normalise_host(url)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = HostTurns(self._clock)
        return ConnectionTurns(host, self._clock, concurrency, longest_hold)


class HostTurns:
    """The connections to one host that wait for a turn, in the order in which they get one."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` measures the pauses."""
        self.pace: HostPace[ConnectionTurns] = HostPace()
        """The pace of the host, if its connections share one limit."""
        self._clock = clock
        self._waiting: deque[ConnectionTurns] = deque()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = float("inf")

    def enqueue(self, connection: "ConnectionTurns") -> None:
        """Adds a connection with a request that waits."""
        if connection not in self._waiting:
            self._waiting.append(connection)
        self.advance()

    def advance(self) -> None:
        """Gives a turn to each connection that may send a request now, one request after the other."""
        now = self._clock.monotonic()
        next_at, skipped = float("inf"), 0
        while skipped < len(self._waiting):
            connection = self._waiting.popleft()
            if not connection.has_waiting:
                continue
            ready_at = connection.find_ready_time(now)
            if ready_at <= now:
                connection.grant(now)
                next_at, skipped = float("inf"), 0
            else:
                next_at, skipped = min(next_at, ready_at), skipped + 1
            self._waiting.append(connection)
        self._set_alarm(next_at, now)

    def _set_alarm(self, at: float, now: float) -> None:
        """Advances again at this time; never for infinity: then the end of a request advances."""
        if at == self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        is_never = at == float("inf")
        self._alarm, self._alarm_at = None if is_never else asyncio.create_task(self._ring(at - now)), at

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._alarm, self._alarm_at = None, float("inf")
        self.advance()


class ConnectionTurns:
    """The turns of one connection."""

    def __init__(self, host: HostTurns, clock: Clock, concurrency: int, longest_hold: float) -> None:
        """``longest_hold`` is the longest pause in seconds for which a request is held."""
        self.concurrency = AdaptiveConcurrency(concurrency)
        """The number of requests at once."""
        self.pace = Pace()
        """The pace of this connection."""
        self._host = host
        self._clock = clock
        self._longest_hold = longest_hold
        self._waiting: deque[asyncio.Future[Turn]] = deque()
        self._refused_since: float | None = None
        self._has_counted = False

    @property
    def has_waiting(self) -> bool:
        """Whether a request waits for its turn."""
        return any(not waiter.done() for waiter in self._waiting)

    @property
    def pause(self) -> float:
        """Seconds until the server accepts requests of this connection again; 0 if it accepts them now."""
        return max(self.pace.paused_until - self._clock.monotonic(), 0.0)

    async def take(self, *, is_repeated: bool = False) -> Turn:
        """Waits for a turn, in the order of the calls; a repeated request comes first. Call ``end`` after the request.

        The time limit of the task does not count the wait. Raises ``DeclareeRateLimitedError`` if the pause is too long.
        """
        self._ensure_short_pause()
        waiter: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        if is_repeated:
            self._waiting.appendleft(waiter)
        else:
            self._waiting.append(waiter)
        self._host.enqueue(self)
        if waiter.done():
            return waiter.result()
        try:
            with stop_time_limit():
                return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.end()
            waiter.cancel()
            self._host.advance()
            raise

    def take_now(self) -> Turn:
        """Returns a turn before all others, for a probe. Raises ``DeclareeRateLimitedError`` during a pause with a named end."""
        now = self._clock.monotonic()
        if self.pace.named_until > now:
            raise self._build_error()
        return self._begin(now)

    def end(self) -> None:
        """Notes that the request of a turn has ended, with or without a response."""
        self.concurrency.end()
        self._host.advance()

    def find_ready_time(self, now: float) -> float:
        """Returns from when a request may be sent; infinity as long as too many are in progress."""
        if not self.concurrency.has_room:
            return float("inf")
        if self._host.pace.is_shared:
            return max(self.pace.paused_until, self._host.pace.find_ready_time(self.pace, now))
        return self.pace.find_ready_time()

    def grant(self, now: float) -> None:
        """Gives a turn to the first request that waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._begin(now))
                return

    def _begin(self, now: float) -> Turn:
        self.pace.take(now)
        self._host.pace.take(now)
        return Turn(now, self.concurrency.begin())

    # ------------------------------------------------------------ responses

    def record_success(self, turn: Turn) -> None:
        """Notes that the server accepted a request."""
        now = self._clock.monotonic()
        self._refused_since = None
        self.concurrency.record_success(turn.position, now)
        self.pace.record_success(turn.sent_at, now)
        self._host.pace.record_success(self, turn.sent_at, now)

    def record_refusal(self, turn: Turn, pause: float | None) -> bool:
        """Notes that the server rate-limits a request. ``pause`` is the time that it named, in seconds; None without one.

        Returns whether the request is to be repeated: the server did not carry it out, and the pause is short.
        """
        now = self._clock.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since > LONGEST_REFUSAL_SECONDS:
            pause = max(pause or 0.0, LONGEST_REFUSAL_SECONDS)
        is_new = not self.pace.is_known_refusal(turn.sent_at)
        learns = is_new and not self.concurrency.record_refusal(turn.position, now)
        self.pace.record_refusal(turn.sent_at, now, pause, learns=learns)
        if self._host.pace.record_refusal(self, turn.sent_at, now, self.pace.paused_until, learns=learns):
            self.pace.forget_rate()
        is_held = self.pause <= self._longest_hold
        if not is_held:
            self._refuse_waiting()
        return is_held

    def record_overload(self, turn: Turn) -> None:
        """Notes that the server is overloaded, and named no time: it gets fewer requests at once, after a pause."""
        now = self._clock.monotonic()
        if not self.pace.is_known_refusal(turn.sent_at):
            self.concurrency.record_overload()
        self.pace.record_refusal(turn.sent_at, now, None, learns=False)

    def record_quota(self, quota: Quota) -> None:
        """Notes how many requests the server still accepts. A quota that was never above 0 is not believed."""
        if quota.remaining:
            self._has_counted = True
        elif quota.remaining == 0 and quota.reset and self._has_counted:
            now = self._clock.monotonic()
            self.pace.pause(now + quota.reset, now)

    def _refuse_waiting(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(self._build_error())
        self._waiting.clear()

    def _ensure_short_pause(self) -> None:
        if self.pause > self._longest_hold:
            raise self._build_error()

    def _build_error(self) -> DeclareeRateLimitedError:
        wait = self.pause
        return DeclareeRateLimitedError(
            f"Declaree limits the rate of requests (for {wait:.0f} s): try again later", retry_after=wait
        )
