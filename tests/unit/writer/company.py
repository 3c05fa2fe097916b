"""The newest request of each employee, and the resends that writers and their background loop file."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sandbox.declaree.late import land_all
from services.contracts.claims import Decision, LinkDecision
from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountIdentity, AccountRequested, AccountSynced
from services.contracts.ids import AccountId, PersonKey
from services.contracts.outcomes import Intent, Outcome
from services.contracts.tasks import Resend
from services.provisioning.calls import Call
from services.writer.wakeup import Wakeup
from tests.support.builders import CONNECTION, make_person, make_request_with_intent
from tests.support.fakes import PlentyOfRoom
from tests.support.writer_stage import LATE_WRITE_SECONDS, WriterStage

MAX_ROUNDS = 30
"""Number of rounds of resends after which a test fails."""


class Company:
    """The employees of a test. It stands for the poller: it resends the newest request of each employee."""

    def __init__(self, stage: WriterStage) -> None:
        """Starts without employees."""
        self.stage = stage
        self.newest: dict[PersonKey, AccountRequested] = {}

    async def settle(self, *requests: AccountRequested) -> dict[str, Outcome]:
        """Handles the requests as one batch, and then every resend. Returns the last outcome of each employee."""
        return {outcome.employee_id: outcome.outcome for outcome in await self.settle_all(*requests)}

    async def settle_all(self, *requests: AccountRequested) -> list[AccountSynced]:
        """Handles the requests as one batch, and then every resend that is filed. Returns all outcomes."""
        self.newest |= {request.person: request for request in requests}
        outcomes = await self.stage.handle(*requests) if requests else []
        for _ in range(MAX_ROUNDS):
            people = await self._take_filed()
            if not people:
                return outcomes
            outcomes += await self._resend(people)
        raise AssertionError(f"resends do not end: {people}")

    async def resend(self, *employees: str) -> dict[str, Outcome]:
        """Resends these employees, and then every resend that is filed. Returns the last outcome of each employee."""
        outcomes = await self._resend(make_person(employee) for employee in employees)
        outcomes += await self.settle_all()
        return {outcome.employee_id: outcome.outcome for outcome in outcomes}

    async def pass_time(self, seconds: float = LATE_WRITE_SECONDS + 1) -> dict[str, Outcome]:
        """Moves the clock, runs the writer's background loop once, and handles every resend."""
        stage = self.stage
        stage.clock.seconds += seconds
        wakeup = Wakeup(
            room=PlentyOfRoom(stage.clock),
            followups=stage.store.followups,
            connections=stage.connections,
            tasks=stage.tasks,
            endpoints=stage.endpoints,
            freshness=stage.freshness,
            clock=stage.clock,
            interval=2,
            fatal=_fail,
        )
        await wakeup.check_waiting()
        await wakeup.check_looks()
        unblocked = await stage.store.followups.find_unblocked(CONNECTION)  # the next poll resends them
        return await self.resend(*unblocked)

    async def decide(self, employee: str, account: str, decision: Decision) -> None:
        """Stores what an administrator decides about an account that was asked about."""
        links, person = self.stage.store.links, make_person(employee)
        asked = (await links.read([person])).get((person, AccountId(account)))
        assert asked is not None, "no decision was asked for"
        assert await links.decide(asked, decision, self.stage.clock.now()) is not None

    async def list_open_decisions(self) -> list[LinkDecision]:
        """Returns the open decisions."""
        return [decision async for page in self.stage.store.links.page_open(CONNECTION) for decision in page]

    async def lose_ledger(self, *, with_claims: bool = True) -> None:
        """Removes all ledger entries, decisions and claims, as after a loss of MongoDB. Snapshots are polled again."""
        store: Any = self.stage.store
        store.ledger.content.clear()
        store.links.content.clear()
        if with_claims:
            store.claims.content.clear()

    async def _resend(self, people: Iterable[PersonKey]) -> list[AccountSynced]:
        requests = [self.newest[person] for person in people if person in self.newest]
        return await self.stage.handle(*requests, reason=SendReason.RESENT)

    async def _take_filed(self) -> list[PersonKey]:
        filed, self.stage.tasks.filed = self.stage.tasks.filed, []
        people: dict[PersonKey, None] = {}
        for connection, action, _ in filed:
            assert isinstance(action, Resend)
            people |= dict.fromkeys(PersonKey(connection, employee) for employee in action.people)
        return list(people)


async def land_after(stage: WriterStage, seconds: float) -> datetime:
    """Carries out postponed writes before the first request after this time on the clock, and returns the time."""
    server, begun = await stage.get_server(), stage.clock.seconds

    async def land_if_due(_: Call) -> None:
        if stage.clock.seconds >= begun + seconds:
            land_all(stage.declaree)

    server.before = land_if_due
    return stage.clock.now()


def make_leaver(employee: str = "7", revision: int = 2_000, **identity: Any) -> AccountRequested:
    """Returns a request to disable the account of an employee with the names of ``make_request``, as the mapper does."""
    known = {"user_name": f"e{employee}@nordlicht.example", "given_name": "Ada", "family_name": "Lovelace"}
    account = AccountIdentity(**{"external_id": employee, **known, **identity})
    return make_request_with_intent(Intent.DISABLE, employee, revision, identity=account)


def _fail(message: str) -> None:
    raise AssertionError(message)
