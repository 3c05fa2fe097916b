"""One schedule: a company, its changes, two replicas of each service, and faults."""

import asyncio
import logging

import detangle

from sandbox.declaree.state import Declaree
from services.contracts.tasks import Poll
from services.contracts.topics import Topic
from tests.simulation.accounts import Accounts
from tests.simulation.company import Company
from tests.simulation.faults import Fault, Faults
from tests.simulation.group import Group
from tests.simulation.history import History
from tests.simulation.kafka_log import Log
from tests.simulation.ledger_watch import LedgerWatch
from tests.simulation.plan import MARKED, UNMARKED, Options, Plan
from tests.simulation.process import Life, LifeClock, TaskFactory
from tests.simulation.rest import RestCheck, find_unrest
from tests.simulation.server import Network
from tests.simulation.wiring import POLL_SECONDS, SERVICES, Surroundings, is_owed, make_store
from tests.support.builders import CONNECTION

REPLICAS = 2
"""Number of replicas of each service."""
RESTART_SECONDS = (0.5, 8.0, 70.0)
"""Seconds between a crash and the next life of the replica."""
CHECK_SECONDS = 20.0
"""Seconds between two checks whether everything is at rest."""
QUIET_SECONDS = POLL_SECONDS * 1.2
"""How long everything must be at rest: long enough for one more poll, which resends what is due."""
LONGEST_SECONDS = 3 * 3600.0
"""Seconds after the last change within which everything must be at rest."""


class Simulation:
    """One schedule in progress."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self.plan = plan
        self.history = History()
        self.faults = Faults(plan.rates, plan.most)
        clock = LifeClock()
        declaree = Declaree(behaviour=plan.behaviour, clock=clock.now)
        store = make_store(options.broken)
        is_late_possible = Fault.LATE_LANDING in plan.rates
        accounts = Accounts(declaree.directory, self.history, is_late_possible=is_late_possible)
        watch = LedgerWatch(store.ledger, self.history, accounts.is_enabled, is_owed)
        _plant_strangers(declaree, accounts)
        self.around = Surroundings(
            store=store,
            log=Log(accounts.see_record),
            groups={
                "mapper": Group("mapper", Topic.EMPLOYEES_CHANGED, self.faults, self.history),
                "writer": Group("writer", Topic.ACCOUNTS_REQUESTED, self.faults, self.history),
            },
            company=Company(plan.script, clock.now),
            network=Network(declaree, accounts),
            watch=watch,
            batch=plan.batch,
            broken=options.broken,
        )

    async def run(self) -> None:
        """Runs the schedule to rest. Raises ``ViolationError``."""
        asyncio.get_running_loop().set_task_factory(TaskFactory())
        handler = _ErrorHandler(self.history)
        logging.getLogger("services").addHandler(handler)
        living = asyncio.ensure_future(self._live())
        try:
            await asyncio.wait({living, self.history.verdict}, return_when=asyncio.FIRST_COMPLETED)
            if self.history.verdict.done():
                self.history.verdict.result()
            living.result()
        finally:
            logging.getLogger("services").removeHandler(handler)

    async def _live(self) -> None:
        replicas = [(service, number) for service in SERVICES for number in range(1, REPLICAS + 1)]
        for service, number in replicas:
            asyncio.ensure_future(self._replicate(service, number))  # noqa: RUF006 - lives as long as the loop
        for change in self.plan.script.changes:
            await asyncio.sleep(change.after)
            self.around.company.apply(change)
            self.history.note("company", f"{change.employee}: {change.values}")
            if change.is_polled:
                clock = LifeClock()
                await self.around.store.tasks.file(CONNECTION, Poll(), now=clock.now())
        await self._wait_for_rest()
        for promise, text in RestCheck(self.around).check(is_clean=self.faults.is_clean):
            self.history.violate(promise, text)

    async def _replicate(self, service: str, number: int) -> None:
        """Keeps one replica alive: starts it again after each crash."""
        while True:
            life = Life(f"{service}-{number}", self.faults, self.history)
            life.start(SERVICES[service](life, self.around))
            await life.end.wait()
            await asyncio.sleep(detangle.choice(RESTART_SECONDS))
            self.history.note(life.name, "starts again")

    async def _wait_for_rest(self) -> None:
        """Lets the faults go on for a while, and then waits until nothing is left to do."""
        await asyncio.sleep(POLL_SECONDS)
        self.faults.are_over = True
        self.history.note("world", "the faults are over")
        quiet, unrest = 0.0, list[str]()
        for _ in range(int(LONGEST_SECONDS / CHECK_SECONDS)):
            await asyncio.sleep(CHECK_SECONDS)
            unrest = find_unrest(self.around)
            quiet = 0.0 if unrest else quiet + CHECK_SECONDS
            if quiet >= QUIET_SECONDS:
                self.history.note("world", "everything is at rest")
                return
        self.history.violate("P1", f"no rest after {LONGEST_SECONDS:.0f} s: {', '.join(unrest)}")


def _plant_strangers(declaree: Declaree, accounts: Accounts) -> None:
    """Creates accounts that the product must leave alone."""
    strangers: tuple[tuple[str, dict[str, object]], ...] = (
        ("admin@nordlicht.example", {"active": False}),
        (MARKED, {"externalId": "payroll-1029"}),
        (UNMARKED, {}),
        ("guest@nordlicht.example", {"externalId": "99"}),
    )
    for address, more in strangers:
        payload = {
            "userName": address,
            "name": {"givenName": "Grace", "familyName": "Hopper"},
            "emails": [{"type": "work", "value": address, "primary": True}],
            **more,
        }
        accounts.plant(declaree.registry.create("User", payload, declaree.behaviour))


class _ErrorHandler(logging.Handler):
    """An error in the product's log is a defect: no fault of the surroundings is unexpected."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.INFO)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line of the log into the history."""
        self._history.note("log", f"{record.levelname} {record.getMessage()}")
        if record.levelno >= logging.ERROR:
            details = record.exc_info[1] if record.exc_info else ""
            self._history.violate("log", f"{record.getMessage()} ({details!r})")
