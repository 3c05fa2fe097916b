"""Settles the requests of one person, strictly in their order: performs the calls that the reconciliation asks for."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested, AccountSynced
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.provisioning import settlement
from services.provisioning.calls import Answer, Call, CreateAccount, FindOwner, Owner, Refused
from services.provisioning.reconcile import Inconclusive, Reconciliation, Settled
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Incoming
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.log import describe
from services.writer.breaker import BreakerOpenError, find_waiting_cause
from services.writer.endpoints import Endpoint
from services.writer.ports import Ledger

logger = logging.getLogger(__name__)

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further attempt, if the server names no time."""
LONGEST_PAUSE_SECONDS = 10.0
"""Longest pause within a batch, in seconds. If a server asks for a longer one, the change waits and is resent."""

ManagerLookup: TypeAlias = Callable[[EmployeeId], AccountId | None]
"""Returns the account of a manager; None if the manager has none yet."""


class WritesForbiddenError(TransientError):
    """The server answered 403 to a write, and this key has never written successfully.

    Treated as a missing permission of the key, not as a problem with one employee.
    """

    code: ClassVar[str] = WaitingCause.WRITES_FORBIDDEN


class LedgerUnavailableError(Exception):
    """A ledger lookup failed. Says nothing about the SCIM server, so it must not open the circuit breaker."""


@dataclass
class PersonWork:
    """The state of one person during a batch."""

    stored: LedgerEntry
    """The entry as it was read from the ledger."""
    entry: LedgerEntry
    """The entry after the requests that were settled so far."""
    outcomes: list[AccountSynced] = field(default_factory=list)
    """The outcomes to publish."""
    causes: list[WaitingCause] = field(default_factory=list)
    """Why requests of this batch wait, for the metrics."""
    is_resent: bool = False
    """Whether the current request was resent on demand."""
    is_create_sent: bool = False
    """Whether a POST for the current request has left this process."""

    @property
    def is_changed(self) -> bool:
        """Whether the entry has to be written into the ledger."""
        return self.entry != self.stored

    def record_waiting(self, request: AccountRequested, cause: WaitingCause, clock: Clock) -> None:
        """Notes that the request waits."""
        self.entry = settlement.record_waiting(
            request, self.entry, cause, clock.now(), is_create_sent=self.is_create_sent
        )
        self.causes.append(cause)


class AccountClaims:
    """Tracks which employee owns which account of one connection, from the ledger and from this batch.

    Where a server does not keep external ids, nothing else tells two employees with one e-mail address apart.
    """

    def __init__(self, ledger: Ledger, connection: ConnectionId) -> None:
        """Starts without any claim of this batch."""
        self._ledger = ledger
        self._connection = connection
        self._owners: dict[AccountId, EmployeeId] = {}

    def claim(self, account: AccountId, employee: EmployeeId) -> None:
        """Notes that the employee owns the account."""
        self._owners[account] = employee

    async def is_claimed_by_another(self, account: AccountId, employee: EmployeeId) -> bool:
        """Claims the account for the employee unless another employee owns it. Returns whether another one does."""
        # claimed before the ledger is asked: no other employee of this batch can claim it in between
        if self._owners.setdefault(account, employee) != employee:
            return True
        owner = await self._ledger.find_owner(self._connection, account)
        if owner in {None, employee}:
            return False
        del self._owners[account]
        return True


class Worker:
    """Settles requests with the accounts of one connection."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        manager_account: ManagerLookup,
        claims: AccountClaims,
        ensure_owned: Callable[[], None],
        clock: Clock,
        deadline: float,
    ) -> None:
        """``ensure_owned`` raises ``PartitionsMovedError`` when this writer may send nothing more.

        Requests that are not settled at ``deadline`` (monotonic seconds) wait, so that a slow server delays no batch.
        """
        self._endpoint = endpoint
        self._manager_account = manager_account
        self._claims = claims
        self._ensure_owned = ensure_owned
        self._clock = clock
        self._deadline = deadline

    async def settle_all(self, person: PersonWork, records: Iterable[Incoming[AccountRequested]]) -> None:
        """Settles the records in order. Raises ``PartitionsMovedError`` only: any other error makes the person wait."""
        for record in records:
            request = record.event
            person.is_resent, person.is_create_sent = record.reason is SendReason.RESENT, False
            cause = await self._settle_in_time(person, request)
            if cause is not None:
                person.record_waiting(request, cause, self._clock)

    async def _settle_in_time(self, person: PersonWork, request: AccountRequested) -> WaitingCause | None:
        """Settles a request before the deadline. Returns why it waits; None if it is settled."""
        try:
            async with asyncio.timeout(self._deadline - self._clock.monotonic()):
                return await self._settle(person, request)
        except PartitionsMovedError:
            raise
        except TimeoutError:
            self._endpoint.record_batch_timeout()
            return WaitingCause.BATCH_TIMEOUT
        except Exception:  # a defect or an unforeseen answer stops this person only
            logger.exception("change cannot be settled: it waits", extra={"person": str(request.person)})
            return WaitingCause.UNEXPECTED

    async def _settle(self, person: PersonWork, request: AccountRequested) -> WaitingCause | None:
        settling = settlement.begin(
            request,
            person.entry,
            self._manager_account,
            self._endpoint.verb,
            self._clock.now(),
            is_resent=person.is_resent,
        )
        if settling.state is not None:
            state = await self._reconcile(settling.state, person)
            if isinstance(state, WaitingCause):
                return state
            settling = settlement.finish(settling, state, self._clock.now())
        person.entry = settling.entry
        if settling.outcome is not None:
            person.outcomes.append(settling.outcome)
        return None

    async def _reconcile(self, state: Reconciliation, person: PersonWork) -> Reconciliation | WaitingCause:
        """Runs a reconciliation, and notes what its result says about the endpoint. Returns why it waits otherwise."""
        try:
            state = await self._perform_all(state, person)
        except BreakerOpenError as error:
            return error.cause
        except LedgerUnavailableError as error:
            logger.warning("ledger lookup failed: %s", error, extra={"person": str(person.stored.person)})
            return WaitingCause.LEDGER_UNAVAILABLE
        except TransientError as error:
            cause = find_waiting_cause(error)
            await self._endpoint.breaker.record_failure(cause, error.retry_after, describe(error))
            return cause
        if state.has_changed_verb:
            self._endpoint.verb = state.verb
        match state.result:
            case Inconclusive():
                await self._endpoint.breaker.record_failure(WaitingCause.INCONCLUSIVE)
                return WaitingCause.INCONCLUSIVE
            case Settled(account_id=account) as result:
                self._endpoint.record_success(has_written=bool(result.written))
                if account is not None:
                    self._claims.claim(account, person.stored.employee_id)
            case _:
                self._endpoint.record_success(has_written=False)
        return state

    async def _perform_all(self, state: Reconciliation, person: PersonWork) -> Reconciliation:
        """Performs calls until the reconciliation has a result. Retries a call without an answer a few times."""
        attempt = 0
        while state.result is None:
            call = state.next_call
            if isinstance(call, FindOwner):
                is_another = await self._is_owned_by_another(call.id, person.stored.employee_id)
                state = state.receive(Owner(is_another=is_another))
                continue
            if state.needs_delay:
                await self._clock.sleep(PAUSES[min(state.rounds, len(PAUSES) - 1)])
            try:
                state = state.receive(await self._perform(call, person))
            except BreakerOpenError:
                raise
            except TransientError as error:
                pause = error.retry_after if error.retry_after is not None else PAUSES[min(attempt, len(PAUSES) - 1)]
                if attempt >= len(PAUSES) or pause > LONGEST_PAUSE_SECONDS:
                    raise
                attempt += 1
                await self._clock.sleep(pause)
        return state

    async def _is_owned_by_another(self, account: AccountId, employee: EmployeeId) -> bool:
        try:
            return await self._claims.is_claimed_by_another(account, employee)
        except TransientError as error:
            raise LedgerUnavailableError(describe(error)) from error

    async def _perform(self, call: Call, person: PersonWork) -> Answer:
        def before_sending() -> None:
            self._ensure_owned()
            person.is_create_sent = person.is_create_sent or isinstance(call, CreateAccount)

        answer = await self._endpoint.perform(call, before_sending)
        if isinstance(answer, Refused) and answer.forbidden and not self._endpoint.has_written:
            raise WritesForbiddenError("Declaree forbids this key to write (403)")
        return answer
