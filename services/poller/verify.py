"""Verifies the accounts of a connection: lists them page by page, and compares each with its desired state.

A verification only reads from Declaree. To repair an account, its ledger entry is marked and the employee resent: the
writer then looks the account up and writes the difference. Each step is stored before its repairs, so that another poller
can continue after a crash with the same report.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from services.clients.declaree.listing import ListUnsupportedError
from services.contracts.drift import Drift
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.tasks import Verify
from services.contracts.verifications import VerificationStep
from services.errors import ConnectorError, PermanentError, TransientError
from services.poller.account_reader import AccountReader, ListedPage, UnreadableError, VerificationInterruptedError
from services.poller.known_people import KnownPeople
from services.poller.page_comparison import PageComparison
from services.poller.ports import ProgressCallback
from services.poller.repositories import Repositories
from services.poller.resend import Resender
from services.poller.verification import Verification
from services.poller.verification_ports import AccountSource
from services.provisioning.drift import KnownPerson, compare_account, judge_accounts
from services.runtime.clock import Clock

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20.0
"""Seconds after which a verification gives way to a due poll and to other tasks. It continues later."""
PEOPLE_AT_ONCE = 200
"""Number of employees that are judged in one step after the end of the list."""
ACCOUNTS_AT_ONCE, READS_AT_ONCE = 100, 10
"""Number of accounts in one step, and of those that are read one by one. A server may list any number of accounts on a page."""
MAX_MISSING = 10
"""Number of known accounts of one step that the list may lack. If it lacks more, and more than half, the list is checked."""


class NoEmployeesError(PermanentError):
    """No poll of the connection has succeeded yet."""

    code: ClassVar[str] = "no-employees"


@dataclass(frozen=True, slots=True)
class _Work:
    """One verification of one connection, from its last stored step on."""

    connection: ConnectionId
    run: str
    action: Verify
    known: KnownPeople
    reader: AccountReader
    state: Verification
    patience: timedelta
    report_progress: ProgressCallback


class Verifier:
    """Verifies connections while their lease is held."""

    def __init__(
        self,
        repositories: Repositories,
        accounts: AccountSource,
        resender: Resender,
        clock: Clock,
        ensure_lease: Callable[[], None],
        patience: timedelta,
    ) -> None:
        """``accounts`` opens a connection's Declaree, ``resender`` publishes the employees to repair.

        ``ensure_lease`` raises ``LeaseLostError`` once the lease is lost. A change without an outcome counts as under way
        for the time of ``patience``.
        """
        self._repositories = repositories
        self._accounts = accounts
        self._resender = resender
        self._clock = clock
        self._ensure_lease = ensure_lease
        self._patience = patience

    async def verify(
        self, connection: ConnectionId, run: str, action: Verify, progress: ProgressCallback
    ) -> dict[str, int] | None:
        """Verifies all accounts and returns the counts of the report; None if ``SLICE_SECONDS`` have passed before the end.

        The next call with the same ``run`` continues after the last stored step. Raises ``VerificationInterruptedError``, and
        ``NoEmployeesError`` without a snapshot: every account would be a finding.
        """
        deadline = self._clock.monotonic() + SLICE_SECONDS
        if not await self._repositories.snapshots.count(connection):
            raise NoEmployeesError(
                "no employee is known yet: verify again after the first poll has succeeded, see `status`"
            )
        known = await KnownPeople.load(self._repositories, connection)
        async with self._accounts(connection) as accounts:
            reader = AccountReader(accounts, self._clock)
            patience = self._patience if action.is_patient else timedelta()
            work = _Work(connection, run, action, known, reader, Verification(), patience, progress)
            work = await self._resume(work)
            async for step in self._take_steps(work):
                await self._store(work, step)
                if self._clock.monotonic() >= deadline:
                    return None
        counts = work.state.get_counts()
        self._ensure_lease()
        await self._repositories.verifications.finish(connection, run, counts, now=self._clock.now())
        return counts

    async def _resume(self, work: _Work) -> _Work:
        """Adds up the steps that are stored. Repeats the repairs that a crash may have prevented.

        If a step is damaged, the verification begins again.
        """
        verifications = self._repositories.verifications
        self._ensure_lease()
        await verifications.begin(work.connection, work.run)
        try:
            async for step in verifications.iterate_steps(work.connection, work.run):
                work.state.add(step)
                await self._repair(work, step)
        except TransientError:
            raise
        except ConnectorError as error:
            logger.warning("the verification begins again: %s", error, extra={"connection": work.connection})
            await verifications.restart(work.connection, work.run)
            return replace(work, state=Verification())
        return work

    async def _store(self, work: _Work, step: VerificationStep) -> None:
        repaired = [
            drift.model_copy(update={"is_repaired": True}) if _is_repaired(drift, work.action) else drift
            for drift in step.drifts
        ]
        people = {drift.employee_id for drift in repaired if drift.is_repaired and drift.employee_id is not None}
        counts = +work.reader.counts
        step = step.model_copy(update={"drifts": tuple(repaired), "counts": counts, "to_repair": tuple(sorted(people))})
        work.reader.counts.clear()
        self._ensure_lease()
        if not await self._repositories.verifications.save_step(work.connection, work.run, step):
            raise VerificationInterruptedError(
                "another poller has stored this step: the verification continues after it"
            )
        work.state.add(step)
        await self._repair(work, step)
        await work.report_progress(work.state.get_counts())

    async def _repair(self, work: _Work, step: VerificationStep) -> None:
        """Marks and resends the employees of a step. Repeating this is safe."""
        if not step.to_repair:
            return
        self._ensure_lease()
        people = [PersonKey(work.connection, employee) for employee in step.to_repair]
        await self._repositories.ledger.mark_verify(people)
        await self._resender.resend_people(work.connection, step.to_repair)
        await self._repositories.verifications.note_repaired(work.connection, work.run, step.number)

    # ------------------------------------------------------------ steps

    async def _take_steps(self, work: _Work) -> AsyncIterator[VerificationStep]:
        """Yields the further steps. Each must be added to the state before the next one is asked for."""
        if not work.state.is_list_over:
            try:
                if not work.state.has_listed_all():
                    async for listed in work.reader.iterate_pages(work.state.next_start):
                        async for part in _split(listed, work.reader):
                            yield await self._compare_page(work, part)
                is_complete = not work.state.has_shifted()
            except ListUnsupportedError as error:
                logger.info("known accounts are read one by one: %s", error, extra={"connection": work.connection})
                is_complete = False
            yield self._build_step(work, "list-end", is_list_complete=is_complete)
        last = work.state.last_employee
        async for snapshots in self._repositories.snapshots.stream(work.connection, None, PEOPLE_AT_ONCE):
            rest = [snapshot for snapshot in snapshots if last is None or snapshot.employee_id > last]
            size = PEOPLE_AT_ONCE if work.state.is_list_complete else min(PEOPLE_AT_ONCE, READS_AT_ONCE)
            for first in range(0, len(rest), size):
                judged = rest[first : first + size]
                drifts = await self._judge_people(work, await work.known.build(judged))
                yield self._build_step(work, "people", last_employee=judged[-1].employee_id, drifts=tuple(drifts))

    async def _compare_page(self, work: _Work, listed: ListedPage) -> VerificationStep:
        resources = listed.page.resources
        new = {live.id: live for live in resources if live.id not in work.state.listed}
        comparison = PageComparison(self._repositories, work.connection, work.known, work.reader, work.patience)
        accounts, drifts = await comparison.compare(new, listed.asked_at)
        return self._build_step(
            work,
            "page",
            taken_at=listed.asked_at,
            next_start=listed.next_start,
            total=listed.page.total,
            listed=accounts,
            has_repeated=len(new) < len(resources),
            drifts=tuple(drifts),
        )

    async def _judge_people(self, work: _Work, people: Mapping[EmployeeId, KnownPerson | None]) -> list[Drift]:
        """Returns what is wrong besides the content of listed accounts: missing accounts, duplicates, lost outcomes."""
        is_complete = work.state.is_list_complete and not await self._hides_accounts(work, people)
        drifts: list[Drift] = []
        for employee, person in people.items():
            if person is None:
                continue
            listed = dict(work.state.accounts.get(employee, {}))
            account, now = person.account_id, self._clock.now()
            if account is not None and account not in listed and not is_complete:
                try:
                    live = await work.reader.read(account)
                except UnreadableError:
                    continue
                if live is not None:
                    listed[account] = True
                    found = compare_account(person, live, person.find_stage(now, work.patience))
                    drifts.extend([found] if found else [])
            # an account that was created after the list began need not be in it
            began_at, is_marked_here = work.state.began_at or now, employee in work.state.repaired
            stage = person.find_stage(began_at, work.patience, is_marked_here=is_marked_here)
            drifts.extend(judge_accounts(person, listed, stage))
        return drifts

    async def _hides_accounts(self, work: _Work, people: Mapping[EmployeeId, KnownPerson | None]) -> bool:
        """Returns whether the list shows only some accounts: most known ones are missing in it, and one of these exists."""
        known = {person.account_id: employee for employee, person in people.items() if person and person.account_id}
        missing = [
            account for account, employee in known.items() if account not in work.state.accounts.get(employee, {})
        ]
        if len(missing) <= max(MAX_MISSING, len(known) // 2):
            return False
        try:
            return await work.reader.read(missing[0]) is not None
        except UnreadableError:
            return True

    def _build_step(self, work: _Work, kind: str, **content: object) -> VerificationStep:
        now = self._clock.now()
        return VerificationStep.model_validate(
            {"number": work.state.next_step, "kind": kind, "taken_at": now, **content}
        )


async def _split(listed: ListedPage, reader: AccountReader) -> AsyncIterator[ListedPage]:
    """Yields the accounts of a page for one step each. The reader may learn from each step that the next one takes longer."""
    while listed.page.resources:
        part, listed = listed.split(READS_AT_ONCE if reader.may_read_each else ACCOUNTS_AT_ONCE)
        yield part


def _is_repaired(drift: Drift, action: Verify) -> bool:
    is_wanted = drift.kind.is_repaired_always or (action.repair and drift.kind.is_repairable)
    return is_wanted and drift.employee_id is not None
