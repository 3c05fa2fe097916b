"""One person's requests of a batch, strictly in their order."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.contracts.accounts import Account
from services.contracts.envelope import Cause
from services.contracts.events import AccountRequested, AccountSynced, Intent, Outcome
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.errors import TransientError
from services.provisioning import apply
from services.provisioning.apply import Decision
from services.provisioning.calls import Answer, Call, CreateAccount, FindHolder, Held, Refused
from services.provisioning.reconcile import Reconciliation, Rejected, Settled, Unsettled, begin
from services.provisioning.target import Target
from services.runtime.clock import Clock
from services.runtime.consumer import Incoming, PartitionsMovedError
from services.runtime.log import describe
from services.writer.ports import Ledger
from services.writer.servers import Server, ServerClosedError

logger = logging.getLogger(__name__)

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further attempt, where the server named none."""
LONGEST_WAIT = 10.0
"""A server that asks us to wait longer than so many seconds makes the person wait outside the batch."""


class WritesForbiddenError(TransientError):
    """403 to a write, and this key has never written anything: it lacks the right, which is nobody's data's fault."""


class LedgerAwayError(Exception):
    """The ledger could not be asked: no word about the server. The batch's own write to it will fail, or not."""


@dataclass
class Person:
    """A person's way through a batch: the entry carried forward in memory, and the outcomes so far.

    ``resent``: the last request was there because somebody had asked for it; ``create_sent``: for it a create has left
    this writer.
    """

    read: Account
    entry: Account
    outcomes: list[AccountSynced] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    resent: bool = False
    create_sent: bool = False

    @property
    def changed(self) -> bool:
        return self.entry != self.read

    def waits(self, request: AccountRequested, cause: str, clock: Clock) -> None:
        self.entry = apply.waits(request, self.entry, cause, clock.now(), create_sent=self.create_sent)
        self.causes.append(cause)


class Claims:
    """Whose accounts are whose within one connection: by the ledger, and by what this batch has done so far.

    Where a server does not keep external ids, nothing on an account tells two employees with one e-mail apart.
    """

    def __init__(self, ledger: Ledger, connection: ConnectionId) -> None:
        self._ledger = ledger
        self._connection = connection
        self._claimed: dict[AccountId, EmployeeId] = {}

    def claim(self, account: AccountId, employee: EmployeeId) -> None:
        self._claimed[account] = employee

    async def by_another(self, account: AccountId, employee: EmployeeId) -> bool:
        # claimed before the ledger is asked: nobody else of this batch can come in between
        if self._claimed.setdefault(account, employee) != employee:
            return True
        holder = await self._ledger.holder(self._connection, account)
        if holder in {None, employee}:
            return False
        del self._claimed[account]
        return True


ManagerOf = Callable[[EmployeeId], AccountId | None]


class Applier:
    """Applies requests to one connection's accounts.

    ``check`` raises when this writer may send nothing more. What is not done at ``deadline`` (monotonic) waits, so
    that a slow server holds up nobody's batch.
    """

    def __init__(
        self,
        *,
        server: Server,
        manager_of: ManagerOf,
        claims: Claims,
        check: Callable[[], None],
        clock: Clock,
        deadline: float,
    ) -> None:
        self._server = server
        self._manager_of = manager_of
        self._claims = claims
        self._check = check
        self._clock = clock
        self._deadline = deadline

    async def apply_all(self, person: Person, records: Iterable[Incoming[AccountRequested]]) -> None:
        """Raises ``PartitionsMovedError`` alone: whatever else goes wrong makes this one person wait."""
        for record in records:
            request = record.event
            person.resent, person.create_sent = record.cause is Cause.RESENT, False
            try:
                async with asyncio.timeout(self._deadline - self._clock.monotonic()):
                    await self._apply(person, request)
            except PartitionsMovedError:
                raise
            except TimeoutError:
                self._server.out_of_time()
                person.waits(request, "OutOfTime", self._clock)
            except Exception as error:  # a defect, or an answer nobody thought of: it stops this person alone
                logger.exception("a change cannot be applied; it waits", extra={"person": str(request.person)})
                person.waits(request, type(error).__name__, self._clock)

    async def _apply(self, person: Person, request: AccountRequested) -> None:
        manager = self._manager(request)
        target = apply.target_of(request, manager)
        decision = apply.decide(request, person.entry, target, resent=person.resent)
        now = self._clock.now()
        match decision:
            case Decision.SUPERSEDE:
                person.outcomes.append(apply.outcome_event(request, Outcome.SUPERSEDED, now))
                return
            case Decision.REPEAT:
                if person.entry.decided is not None:
                    person.outcomes.append(person.entry.decided)
                return
            case Decision.RECONCILE if target is not None:
                await self._reconcile(person, request, target, manager)
            case _:
                person.entry = apply.without_call(request, person.entry, decision, now)
        if person.entry.waiting is None and person.entry.decided is not None:
            person.outcomes.append(person.entry.decided)

    def _manager(self, request: AccountRequested) -> AccountId | None:
        wanted = request.desired.manager if request.desired else None
        if wanted is None or wanted.employee_id is None or wanted.employee_id == request.employee_id:
            return None
        return self._manager_of(wanted.employee_id)

    async def _reconcile(
        self, person: Person, request: AccountRequested, target: Target, manager: AccountId | None
    ) -> None:
        state = begin(apply.goal(request, person.entry, target), self._server.verb)
        try:
            state = await self._finish(state, person)
        except ServerClosedError as error:
            person.waits(request, error.cause, self._clock)
            return
        except LedgerAwayError as error:
            logger.warning("the ledger cannot be asked: %s", error, extra={"person": str(request.person)})
            person.waits(request, type(error).__name__, self._clock)
            return
        except TransientError as error:
            await self._server.failed(type(error).__name__, error.retry_after, describe(error))
            person.waits(request, type(error).__name__, self._clock)
            return
        if state.verb_changed:
            self._server.verb = state.verb
        await self._note(person, request, target, manager, state)

    async def _note(
        self,
        person: Person,
        request: AccountRequested,
        target: Target,
        manager: AccountId | None,
        state: Reconciliation,
    ) -> None:
        now = self._clock.now()
        match state.result:
            case Settled() as result:
                self._server.went_well(wrote=bool(result.written))
                if result.account_id is not None:
                    self._claims.claim(result.account_id, request.employee_id)
                note = _note(request, manager, result)
                person.entry = apply.settled(request, person.entry, target, result, manager, now, note)
            case Rejected() as result:
                self._server.went_well(wrote=False)
                person.entry = apply.rejected(
                    request,
                    person.entry,
                    result,
                    now,
                    known=state.goal.known,
                    create_attempted=state.create_attempted,
                )
            case Unsettled(cause):
                await self._server.failed("Unsettled")
                person.entry = apply.waits(request, person.entry, cause, now, create_sent=person.create_sent)
                person.causes.append("Unsettled")

    async def _finish(self, state: Reconciliation, person: Person) -> Reconciliation:
        attempt = 0
        while state.result is None:
            call = state.next
            if isinstance(call, FindHolder):
                state = state.answered(Held(by_another=await self._held(call.id, person.read.employee_id)))
                continue
            if state.looks_again:
                await self._clock.sleep(PAUSES[min(state.rounds, len(PAUSES) - 1)])
            try:
                state = state.answered(await self._perform(call, person))
            except ServerClosedError:
                raise
            except TransientError as error:
                pause = error.retry_after if error.retry_after is not None else PAUSES[min(attempt, len(PAUSES) - 1)]
                if attempt >= len(PAUSES) or pause > LONGEST_WAIT:
                    raise
                attempt += 1
                await self._clock.sleep(pause)
        return state

    async def _held(self, account: AccountId, employee: EmployeeId) -> bool:
        try:
            return await self._claims.by_another(account, employee)
        except TransientError as error:
            raise LedgerAwayError(describe(error)) from error

    async def _perform(self, call: Call, person: Person) -> Answer:
        def leaves() -> None:
            self._check()
            person.create_sent = person.create_sent or isinstance(call, CreateAccount)

        answer = await self._server.perform(call, leaves)
        if isinstance(answer, Refused) and answer.forbidden and not self._server.has_written:
            raise WritesForbiddenError("Declaree forbids this key to write (403)")
        return answer


def _note(request: AccountRequested, manager: AccountId | None, result: Settled) -> str | None:
    """What an operator should know of an account that is right as far as it can be."""
    notes = [_of_manager(request, manager)]
    if result.not_shown:
        fields = ", ".join(result.not_shown)
        notes.append(f"Declaree's answer does not show what was sent for {fields}: it may not keep that")
    return "; ".join(note for note in notes if note) or None


def _of_manager(request: AccountRequested, manager: AccountId | None) -> str | None:
    wanted = request.desired.manager if request.desired and request.intent is Intent.PROVISION else None
    if wanted is None or wanted.employee_id is None or manager is not None:
        return None
    if wanted.employee_id == request.employee_id:
        return "the manager is the person: left out"
    return "the manager has no account yet: it follows"
