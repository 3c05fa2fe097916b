"""Sends requests to Personio: each waits for its turn, and is retried after a failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

import httpx

from services.clients.http.client import HttpClient
from services.clients.http.responses import parse_retry_after
from services.clients.http.vendor_notes import NoteTaker
from services.clients.personio.errors import (
    ADDRESS_HINT,
    REACH_HINT,
    RETRY_HINT,
    PersonioAddressError,
    PersonioUnavailableError,
)
from services.clients.personio.rate_limit import HostLimits
from services.contracts.vendor_notes import VendorNotes
from services.runtime.clock import Clock

Query: TypeAlias = Mapping[str, int | Sequence[str]]
"""The parameters of a request. A list repeats its parameter."""
AUTH_PATH = "/v1/auth"
"""Path of the endpoint that issues tokens."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each retry after a failure."""
RATE_LIMIT_PAUSES = (*PAUSES, 16.0, 30.0)
"""Seconds before each retry after a 429 without ``Retry-After``.

Together they are a little longer than the minute over which Personio counts requests.
"""
MAX_WAIT_SECONDS = 60.0
"""Maximum time that a poll waits when Personio names a time."""


class RequestSender:
    """Sends the requests of one client. All of them can be repeated without harm, because they read or authenticate."""

    def __init__(self, http: HttpClient, base: str, limits: HostLimits | None, clock: Clock) -> None:
        """``base`` is the address of the API without a slash at its end. ``limits`` are those of the address; None for no limits."""
        self._http = http
        self._base = base
        self._limits = limits
        self._clock = clock
        self._taker = NoteTaker(clock)
        self._queued = 0.0
        self._queued_since: float | None = None

    @property
    def queued_seconds(self) -> float:
        """Seconds in which requests have waited for their turn, which are not Personio's."""
        waiting = 0.0 if self._queued_since is None else self._clock.monotonic() - self._queued_since
        return self._queued + waiting

    @property
    def notes(self) -> VendorNotes:
        """What all responses so far said beside their content."""
        return self._taker.notes

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Query | None = None,
        content: bytes | None = None,
        is_decoded: bool = True,
    ) -> httpx.Response:
        """Returns a response with a status other than 429 and 5xx. Retries after any failure.

        With ``is_decoded`` false, a large body is left as it is, as ``HttpClient`` does.
        Raises ``PersonioAddressError``, and ``PersonioUnavailableError`` after the last retry.
        """
        attempt = 0
        url = self._build_url(path, params)
        while isinstance(
            result := await self._send_once(method, path, url, headers, content, is_decoded=is_decoded), _Failure
        ):
            retry_after = result.retry_after or 0.0
            if attempt >= len(result.pauses) or retry_after > MAX_WAIT_SECONDS:
                raise PersonioUnavailableError(f"{result.problem}: {result.hint}", retry_after=result.retry_after)
            await self._clock.sleep(max(retry_after, result.pauses[attempt]))
            attempt += 1
        return result

    async def _send_once(
        self,
        method: str,
        path: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        is_decoded: bool,
    ) -> "httpx.Response | _Failure":
        await self._wait_for_turn(path)
        sent_at = self._clock.now()
        try:
            response = await self._http.send_request(
                method, url, headers=headers, content=content, is_decoded=is_decoded
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise PersonioAddressError(f"a request to Personio cannot be sent: {ADDRESS_HINT}") from error
        except httpx.RequestError as error:
            return _Failure(f"Personio does not answer {path} ({type(error).__name__}: {error})", hint=REACH_HINT)
        self._taker.take(response, path, sent_at)
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            wait = parse_retry_after(response, self._clock.now())
            return _Failure(f"Personio rejects {path} as rate-limited (429)", wait, RATE_LIMIT_PAUSES)
        if status >= 500:
            wait = parse_retry_after(response, self._clock.now())
            return _Failure(f"Personio answers {path} with a server error ({status})", wait)
        return response

    def _build_url(self, path: str, params: Query | None) -> str:
        return f"{self._base}{path}?{urlencode(params, doseq=True)}" if params else self._base + path

    async def _wait_for_turn(self, path: str) -> None:
        if self._limits is None:
            return
        self._queued_since = self._clock.monotonic()
        try:
            await (self._limits.logins if path == AUTH_PATH else self._limits.employees).wait_for_turn()
        finally:
            self._queued += self._clock.monotonic() - self._queued_since
            self._queued_since = None


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt without a usable response."""

    problem: str
    """What happened."""
    retry_after: float | None = None
    """Seconds that Personio asked to wait; None if it named no time."""
    pauses: tuple[float, ...] = PAUSES
    """Seconds before each retry."""
    hint: str = RETRY_HINT
    """What to do if no retry helps."""
