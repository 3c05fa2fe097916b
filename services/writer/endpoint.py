"""One connection's SCIM endpoint: its client, circuit breaker, memory and index."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from services.accounts.lookups import AccountLookups
from services.accounts.memory import begin_memory
from services.clients.declaree.exchange import allow
from services.contracts.connections import DeclareeAccess, Guard, LinkPolicy, normalise_server
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.provisioning.calls import (
    Answer,
    Call,
    CreateAccount,
    FindAccounts,
    Lost,
    PatchAccount,
    ReplaceAccount,
    Write,
    Written,
)
from services.provisioning.server import ServerMemory
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.writer.breaker import CircuitBreaker, RequestsBlockedError, find_waiting_cause
from services.writer.ports import ScimServer

SILENT_SECONDS = 5.0
"""Seconds without any answer, although requests were sent, after which a server counts as hanging."""
DESCRIPTION_LIFETIME_SECONDS = 86_400.0
"""Seconds after which a server is asked for its description again."""
DESCRIPTION_RETRY_SECONDS = 600.0
"""Seconds after which a server that did not answer is asked for its description again."""


class Endpoint:
    """One connection's SCIM endpoint, with what is known about its server."""

    def __init__(
        self,
        connection: ConnectionId,
        access: DeclareeAccess | None,
        server: ScimServer,
        clock: Clock,
        policy: LinkPolicy = LinkPolicy.ASK,
        guard: Guard | None = None,
    ) -> None:
        """``access`` is what ``server`` was made from; None if the stored access is unreadable."""
        self.access = access
        self.policy = policy
        self.guard = guard or Guard()
        self.is_paused = False
        """Whether the connection is paused: nothing is sent, and its changes wait."""
        self.server_address = normalise_server(access.url) if access else ""
        self.memory = begin_memory(access) if access else ServerMemory()
        self.breaker = CircuitBreaker(connection, server.probe, clock)
        self._server = server
        self._clock = clock
        self._lookups = AccountLookups(self._list, clock)
        self._described_at: float | None = None
        self._describing = asyncio.Lock()
        self._answered_at = clock.monotonic()
        self._hangs = False
        self._in_use = 0
        self._in_flight = 0
        self._is_retired = False

    @property
    def is_usable(self) -> bool:
        """Whether requests may be sent: the connection is not paused, and the circuit breaker is closed."""
        return not self.is_paused and not self.breaker.is_open

    def ensure_usable(self) -> None:
        """Raises ``RequestsBlockedError`` while the connection is paused or the circuit breaker is open."""
        if self.is_paused:
            raise RequestsBlockedError(WaitingCause.PAUSED)
        self.breaker.ensure_closed()

    @property
    def retry_at(self) -> datetime:
        """When the server may be asked again: now, or at the end of the pause of the circuit breaker."""
        return self._clock.now() + timedelta(seconds=self.breaker.pause)

    async def close_if_due(self) -> bool:
        """Probes the server if its circuit breaker is open and its pause has ended. Returns whether requests may be sent.

        The server of a paused connection is not probed.
        """
        return not self.is_paused and await self.breaker.close_if_due()

    async def describe(self) -> None:
        """Asks the server for its description, once and then daily.

        Raises ``TransientError`` if it refuses the key or limits the rate. A server that does not answer is asked again
        later: not every server has these addresses, and some never answer there.
        """
        async with self._describing:
            now = self._clock.monotonic()
            if self._described_at is not None and now - self._described_at < DESCRIPTION_LIFETIME_SECONDS:
                return
            self.ensure_usable()
            try:
                self.memory.describe(await self._server.discover())
            except TransientError as error:
                if error.code != WaitingCause.SERVER_UNAVAILABLE:
                    raise
                now -= DESCRIPTION_LIFETIME_SECONDS - DESCRIPTION_RETRY_SECONDS
            self._described_at = now

    def start_index(self) -> None:
        """Begins to list all accounts, so that the lookups of many unknown people need no request each."""
        self._lookups.start_index()

    def forget_outdated(self) -> None:
        """Frees the memory of what is outdated."""
        self._lookups.forget_outdated()

    async def perform(self, call: Call, before: Callable[[], None]) -> Answer:
        """Sends one request. Raises ``RequestsBlockedError`` without sending it while requests are blocked.

        A request that waits for its turn, or for its repetition, is not sent if the connection is paused in the meantime.
        """
        if isinstance(call, FindAccounts):
            return await self._lookups.find(call, lambda lookup: self._send(lookup, before))
        if isinstance(call, PatchAccount | ReplaceAccount):
            self._lookups.note_write(call.id)
        answer = await self._send(call, before)
        if isinstance(call, CreateAccount) and isinstance(answer, Written) and answer.resource is not None:
            self._lookups.add_created(call.body, answer.resource)
        return answer

    async def _list(self, call: Call) -> Answer:
        """Sends a request of the list of all accounts, which ends when the endpoint is retired."""
        if self._is_retired:
            raise RequestsBlockedError(WaitingCause.UNUSABLE_ACCESS)
        return await self._send(call, allow)

    async def _send(self, call: Call, before: Callable[[], None]) -> Answer:
        self.ensure_usable()
        if not isinstance(call, Write):
            return await self._exchange(call, before)
        async with self.breaker.admit_write():
            try:
                answer = await self._exchange(call, before)
            except RequestsBlockedError:
                raise  # nothing was sent, which says nothing about the server
            except TransientError as error:
                self.breaker.fail_trial(find_waiting_cause(error), error.retry_after, describe(error))
                raise
        if not isinstance(answer, Lost):
            self.breaker.pass_trial()
        elif answer.may_still_happen:
            self.breaker.fail_trial(details=answer.details)
        return answer

    async def _exchange(self, call: Call, before: Callable[[], None]) -> Answer:
        is_sent = False

        def note_sent() -> None:
            nonlocal is_sent
            if self.is_paused:  # in the meantime: a request can wait for its turn for minutes
                raise RequestsBlockedError(WaitingCause.PAUSED)
            before()
            if is_sent or self._in_flight == 0:  # a request is only repeated after an answer
                self._answered_at = self._clock.monotonic()
            self._in_flight += not is_sent
            is_sent = True

        self._in_use += 1
        try:
            answer = await self._server.perform(call, before=note_sent)
        except asyncio.CancelledError:
            self._hangs = is_sent and self._is_silent()
            raise
        else:
            self._answered_at = self._clock.monotonic()
            return answer
        finally:
            self._in_use -= 1
            self._in_flight -= is_sent
            await self._close_if_retired()

    def record_success(self, *, has_written: bool) -> None:
        """Notes that a change was settled with the server's answers. One without a write says nothing about writes."""
        if has_written:
            self.breaker.record_success()
            self.memory.has_written = True

    def record_timeout(self) -> None:
        """Opens the breaker if a change took too long because the server hangs. A server that answers slowly stays usable."""
        if not self.breaker.is_open and (self._hangs or (self._in_flight and self._is_silent())):
            self.breaker.open(WaitingCause.SERVER_HANGS)
        self._hangs = False

    async def retire(self) -> None:
        """Closes the client after its last request has ended."""
        self._is_retired = True
        await self._close_if_retired()

    def _is_silent(self) -> bool:
        return self._clock.monotonic() - self._answered_at >= SILENT_SECONDS

    async def _close_if_retired(self) -> None:
        if self._is_retired and self._in_use == 0:
            await self._server.close()
