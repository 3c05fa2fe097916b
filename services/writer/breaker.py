"""The circuit breaker of one SCIM server: open blocks requests, closed lets them pass.

An open breaker makes the changes of its connection wait at once, so an outage of one company costs the others nothing.
A server that limits the rate of requests is not down: its requests are held, and only a long pause opens the breaker.
Probes run in the background, never inside a batch. A successful probe closes the breaker. It has only read, so writes then
pass one at a time until the server answers one of them. If it does not, the breaker opens again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

from services.clients.declaree.turns import LONGEST_HOLD_SECONDS
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.runtime.backoff import Backoff
from services.runtime.clock import Clock
from services.runtime.log import describe

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Seconds between two probes of an open breaker: the first time, and at most."""
PROBE_TIMEOUT_SECONDS = 10.0
"""Seconds after which a probe without an answer counts as failed."""
FAILURES_IN_A_ROW = 5
"""Consecutive failures that open the breaker even if probes succeed."""
FAILING_ACCOUNTS_PER_FAILURE = 10
"""Number of accounts with an error 500 of the server that count as much as one other failure."""

ANNOUNCING = frozenset({WaitingCause.RATE_LIMITED, WaitingCause.SERVER_UNAVAILABLE})
"""Causes for which a server names the time after which it works again."""


class RequestsBlockedError(TransientError):
    """Nothing was sent: the circuit breaker of the connection is open, the connection is paused, or its access is unusable."""

    code: ClassVar[str] = "requests-blocked"

    def __init__(self, cause: WaitingCause) -> None:
        """``cause`` is why requests are blocked, and why the changes wait."""
        super().__init__(f"requests to the connection's server are blocked ({cause})")
        self.cause = cause


def find_waiting_cause(error: TransientError) -> WaitingCause:
    """Returns why a change waits after this error; ``UNEXPECTED`` if the error's code is not a cause."""
    return error.cause if isinstance(error, RequestsBlockedError) else WaitingCause(error.code)


class CircuitBreaker:
    """Opens after failures of the server, and closes after a successful probe."""

    def __init__(self, connection: ConnectionId, probe: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """``probe`` raises ``TransientError`` while the server does not work. ``connection`` appears in the log."""
        self._connection = connection
        self._probe = probe
        self._clock = clock
        self._cause: WaitingCause | None = None
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._probe_at = 0.0
        self._points = 0
        self._failed_cause = WaitingCause.SERVER_UNAVAILABLE
        self.is_on_trial = False
        """Whether the server has answered a probe, and no write since then."""
        self._trial = asyncio.Lock()
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests are blocked."""
        return self._cause is not None

    @property
    def pause(self) -> float:
        """Seconds until an open breaker may be probed; 0 if it may be now, and for a closed breaker."""
        return max(self._probe_at - self._clock.monotonic(), 0.0) if self.is_open else 0.0

    def ensure_closed(self) -> None:
        """Raises ``RequestsBlockedError`` while the breaker is open."""
        if self._cause is not None:
            raise RequestsBlockedError(self._cause)

    @asynccontextmanager
    async def admit_write(self) -> AsyncIterator[None]:
        """Admits a write: one at a time while writes are on trial. Raises ``RequestsBlockedError`` if the trial has failed."""
        if not self.is_on_trial:
            yield
            return
        async with self._trial:
            self.ensure_closed()
            yield

    def pass_trial(self) -> None:
        """Notes that the server answered a write: from now on, writes pass without a limit."""
        self.is_on_trial = False

    def fail_trial(
        self, cause: WaitingCause | None = None, retry_after: float | None = None, details: str = ""
    ) -> None:
        """Opens the breaker again if a write on trial had no answer. Without a cause, the last one counts again."""
        if self.is_on_trial:
            self.open(cause or self._failed_cause, retry_after, details)

    def record_success(self) -> None:
        """Notes that a write was confirmed."""
        self._points = 0
        self._backoff.reset()

    async def record_failure(self, cause: WaitingCause, retry_after: float | None = None, details: str = "") -> None:
        """Records a failure. Opens the breaker if a probe fails as well, or after ``FAILURES_IN_A_ROW`` failures.

        An account that cannot be written says little about the server, which answers everything else. Only many of them
        without a success open the breaker. A server that names a long pause is not probed before its end.
        """
        if _is_announced(cause, retry_after):
            self.open(cause, retry_after, details)
            return
        is_account = cause is WaitingCause.FAILING_ACCOUNT
        self._points += 1 if is_account else FAILING_ACCOUNTS_PER_FAILURE
        if self.is_open:
            return
        if self._points >= FAILURES_IN_A_ROW * FAILING_ACCOUNTS_PER_FAILURE:
            self.open(cause, retry_after, details)
        elif not is_account:
            await self._share_probe()

    async def record_lookup_failure(
        self, cause: WaitingCause, retry_after: float | None = None, details: str = "", *, is_parked: bool
    ) -> WaitingCause:
        """Records a lookup of one account that the server did not answer. Returns why the change waits.

        If a probe succeeds, the server fails for this account only: it is parked, and the others go on. A person that
        ``is_parked`` already says nothing more about the server.
        """
        if _is_announced(cause, retry_after):
            self.open(cause, retry_after, details)
        elif not self.is_open:
            await self._share_probe()
        is_account = not self.is_open
        if is_account:
            logger.info("a lookup of one account fails: %s", details, extra={"connection": self._connection})
        found = WaitingCause.FAILING_ACCOUNT if is_account else cause
        if not (is_account and is_parked):
            await self.record_failure(found, retry_after, details)
        return found

    async def close_if_due(self) -> bool:
        """Probes the server if the breaker is open and its pause has ended. Returns whether requests may pass."""
        if self.is_open and self.pause == 0:
            await self._share_probe()
        return not self.is_open

    def open(self, cause: WaitingCause, retry_after: float | None = None, details: str = "") -> None:
        """Blocks requests. ``retry_after`` is the number of seconds that the server asked to wait."""
        if not self.is_open:
            logger.warning(
                "circuit breaker opened: the changes of this connection wait (%s)",
                details or cause.value,
                extra={"connection": self._connection},
            )
        self._cause = self._failed_cause = cause
        self.is_on_trial = False
        self._probe_at = self._clock.monotonic() + max(retry_after or 0.0, self._backoff.next_pause())

    async def _share_probe(self) -> None:
        """Runs one probe at a time: callers that arrive during a probe wait for its result."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._run_probe(), name=f"probe {self._connection}")
        probing = self._probing
        try:
            await asyncio.shield(probing)
        finally:
            if probing.done():
                self._probing = None

    async def _run_probe(self) -> None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                await self._probe()
        except TransientError as error:
            cause = find_waiting_cause(error)
            # a rate-limited probe says nothing about a server that was in use until now: it is busy
            if self.is_open or cause is not WaitingCause.RATE_LIMITED or _is_announced(cause, error.retry_after):
                self.open(cause, error.retry_after, describe(error))
        except TimeoutError:
            self.open(WaitingCause.SERVER_HANGS)
        except Exception as error:  # a defect, or an unforeseen answer of this server, concerns this connection only
            logger.exception("a server cannot be probed", extra={"connection": self._connection})
            self.open(WaitingCause.UNEXPECTED, details=describe(error))
        else:
            self._close()

    def _close(self) -> None:
        if self._cause is None:
            return
        logger.info("circuit breaker closed", extra={"connection": self._connection, "was": self._cause.value})
        was_busy = self._cause is WaitingCause.RATE_LIMITED
        # a server may answer probes and still fail at every write, so the next failure opens the breaker at once
        self._cause, self.is_on_trial = None, not was_busy
        self._points = 0 if was_busy else (FAILURES_IN_A_ROW - 1) * FAILING_ACCOUNTS_PER_FAILURE


def _is_announced(cause: WaitingCause, retry_after: float | None) -> bool:
    """Whether the server itself asks for a pause that no request is held for."""
    return cause in ANNOUNCING and retry_after is not None and retry_after > LONGEST_HOLD_SECONDS
