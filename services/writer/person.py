"""One person's requests of a batch, strictly in their order."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.contracts.accounts import Account
from services.contracts.events import AccountRequested, AccountSynced, Intent, Outcome
from services.contracts.ids import AccountId, EmployeeId
from services.errors import TransientError
from services.provisioning import apply
from services.provisioning.apply import Decision
from services.provisioning.reconcile import Reconciliation, Rejected, Settled, Unsettled, begin
from services.provisioning.target import Target
from services.runtime.clock import Clock
from services.writer.servers import Server, ServerClosedError

logger = logging.getLogger(__name__)

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further attempt, where the server named none."""
LONGEST_WAIT = 10.0
"""A server that asks us to wait longer than so many seconds makes the person wait outside the batch."""


@dataclass
class Person:
    """A person's way through a batch: the entry carried forward in memory, and the outcomes so far."""

    read: Account
    entry: Account
    outcomes: list[AccountSynced] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.entry != self.read


ManagerOf = Callable[[EmployeeId], AccountId | None]


class Applier:
    """Applies requests to one connection's accounts. ``check`` raises when this writer may send nothing more."""

    def __init__(self, server: Server, manager_of: ManagerOf, check: Callable[[], None], clock: Clock) -> None:
        self._server = server
        self._manager_of = manager_of
        self._check = check
        self._clock = clock

    async def apply_all(self, person: Person, requests: Iterable[AccountRequested]) -> None:
        for request in requests:
            await self._apply(person, request)

    async def _apply(self, person: Person, request: AccountRequested) -> None:
        manager = self._manager(request)
        target = apply.target_of(request, manager)
        decision = apply.decide(request, person.entry, target)
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
            state = await self._finish(state)
        except TransientError as error:
            await self._wait(person, request, error)
            return
        self._server.verb = state.verb
        now = self._clock.now()
        match state.result:
            case Settled() as result:
                note = _note(request, manager)
                person.entry = apply.settled(request, person.entry, target, result, manager, now, note)
            case Rejected() as result:
                person.entry = apply.rejected(
                    request, person.entry, result, now, create_attempted=state.create_attempted
                )
            case Unsettled(cause):
                person.entry = apply.waits(request, person.entry, cause, now)
                person.causes.append("Unsettled")

    async def _finish(self, state: Reconciliation) -> Reconciliation:
        attempt = 0
        while state.result is None:
            if state.looks_again:
                await self._clock.sleep(PAUSES[min(state.rounds, len(PAUSES) - 1)])
            try:
                answer = await self._server.perform(state.next, self._check)
            except ServerClosedError:
                raise
            except TransientError as error:
                pause = error.retry_after if error.retry_after is not None else PAUSES[min(attempt, len(PAUSES) - 1)]
                if attempt >= len(PAUSES) or pause > LONGEST_WAIT:
                    raise
                attempt += 1
                await self._clock.sleep(pause)
                continue
            state = state.answered(answer)
        return state

    async def _wait(self, person: Person, request: AccountRequested, error: TransientError) -> None:
        await self._server.judge(error)
        person.entry = apply.waits(request, person.entry, type(error).__name__, self._clock.now())
        person.causes.append(type(error).__name__)


def _note(request: AccountRequested, manager: AccountId | None) -> str | None:
    """What an operator should know of an account that is right as far as it can be."""
    wanted = request.desired.manager if request.desired and request.intent is Intent.PROVISION else None
    if wanted is None or wanted.employee_id is None or manager is not None:
        return None
    if wanted.employee_id == request.employee_id:
        return "the manager is the person: left out"
    return "the manager has no account yet: it follows"
