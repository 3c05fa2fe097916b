"""Files resends of employees after a batch has changed an account that their change depends on."""

from collections import defaultdict
from collections.abc import Mapping

from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import MANAGER
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.tasks import Resend
from services.runtime.clock import Clock
from services.writer.ports import FollowUps, Ledger, Tasks
from services.writer.work import PersonWork

NOT_WRITTEN = frozenset({Outcome.REJECTED, Outcome.OUT_OF_SCOPE})
"""Outcomes after which an account is not written: the account of a manager changes nothing for these employees.

An employee that is rejected because another account has the e-mail address is written, except for the address.
"""


class ResendFiler:
    """Files one resend task for each connection.

    Call it after the ledger write. Of two concurrent batches, the one that writes last then sees the other's entries.
    """

    def __init__(self, ledger: Ledger, followups: FollowUps, tasks: Tasks, clock: Clock) -> None:
        """Reads ``ledger`` and ``followups``, and files in ``tasks``."""
        self._ledger = ledger
        self._followups = followups
        self._tasks = tasks
        self._clock = clock

    async def file_resends(self, people: Mapping[PersonKey, PersonWork]) -> None:
        """Files resends after the entries of these people were written."""
        by_connection: dict[ConnectionId, dict[PersonKey, PersonWork]] = defaultdict(dict)
        for key, person in people.items():
            by_connection[key.connection_id][key] = person
        for connection, batch in by_connection.items():
            employees = await self._find_reports(connection, batch)
            employees |= await self._find_completable(batch)
            employees |= await self._find_unblocked(connection, batch)
            employees |= await self._find_pending(connection, batch)
            employees |= await self._mark_refused_managers(batch)
            if employees:
                action = Resend(scope="people", people=tuple(sorted(employees)), reason="a related account has changed")
                await self._tasks.file(connection, action, now=self._clock.now())

    async def _find_reports(self, connection: ConnectionId, batch: Mapping[PersonKey, PersonWork]) -> set[EmployeeId]:
        """Finds the reports of managers with a new account. No report waits for an account that existed before."""
        accounts = {
            key.employee_id: person.entry.account_id
            for key, person in batch.items()
            if person.entry.account_id is not None and person.entry.account_id != person.stored.account_id
        }
        return set(await self._followups.find_waiting_reports(connection, accounts)) if accounts else set()

    async def _find_completable(self, batch: Mapping[PersonKey, PersonWork]) -> set[EmployeeId]:
        """Finds the employees of this batch with a manager that got an account while the batch was in progress."""
        managers_by_report = {
            key: PersonKey(key.connection_id, person.entry.manager.employee_id)
            for key, person in batch.items()
            if person.entry.manager is not None and person.entry.has_open_reference and _is_written(person)
        }
        managers = await self._ledger.read(set(managers_by_report.values())) if managers_by_report else {}
        return {
            key.employee_id
            for key, manager in managers_by_report.items()
            if manager in managers and managers[manager].account_id is not None
        }

    async def _find_unblocked(self, connection: ConnectionId, batch: Mapping[PersonKey, PersonWork]) -> set[EmployeeId]:
        """Finds the employees that were rejected because of an account that has changed.

        The account has another user name now, or its owner has left: the same person may be back under a new employee id. Or
        it is no longer the account of its former owner.
        """
        freed = [
            person.stored.account_id
            for person in batch.values()
            if person.stored.account_id is not None
            and (
                person.stored.account_id != person.entry.account_id
                or person.stored.user_name != person.entry.user_name
                or _has_left(person)
            )
        ]
        # already resent once for this conflict: leave it to the next poll, to avoid an endless loop
        blocked = [
            key.employee_id
            for key, person in batch.items()
            if person.entry.blocked_by is not None and not person.is_resent
        ]
        employees = set[EmployeeId]()
        if blocked:
            employees |= set(await self._followups.find_exchanging(connection, blocked))
        if freed:
            employees |= set(await self._followups.find_blocked_by(connection, freed))
        if blocked:
            employees |= set(await self._followups.find_unblocked(connection, blocked))
        return employees

    async def _find_pending(self, connection: ConnectionId, batch: Mapping[PersonKey, PersonWork]) -> set[EmployeeId]:
        """Finds the reports that wait for a manager of this batch, and those of this batch with a settled manager."""
        settled = [
            key.employee_id
            for key, person in batch.items()
            if (person.entry.decided is not None and (person.stored.decided is None or person.is_suspect))
            or (person.entry.account_id is not None and (person.stored.account_id is None or person.is_suspect))
        ]
        employees = set(await self._followups.find_pending_reports(connection, settled)) if settled else set()
        managers_by_report = {
            key: PersonKey(key.connection_id, person.entry.manager.employee_id)
            for key, person in batch.items()
            if person.entry.waiting is not None
            and person.entry.waiting.cause is WaitingCause.MANAGER_PENDING
            and person.entry.manager is not None
        }
        managers = await self._ledger.read(set(managers_by_report.values())) if managers_by_report else {}
        return employees | {
            report.employee_id
            for report, manager in managers_by_report.items()
            if manager in managers and (managers[manager].account_id or managers[manager].decided)
        }

    async def _mark_refused_managers(self, batch: Mapping[PersonKey, PersonWork]) -> set[EmployeeId]:
        """Marks the managers that the server has refused for a report: their account may no longer exist."""
        refused = {
            PersonKey(key.connection_id, person.entry.manager.employee_id)
            for key, person in batch.items()
            if person.entry.manager is not None
            and any(field.path == MANAGER for field in person.entry.refused)
            and person.entry.refused != person.stored.refused
        }
        # one without an entry was forgotten: a mark would create its entry again
        known = (await self._ledger.read(refused)).keys() if refused else frozenset[PersonKey]()
        if known:
            await self._ledger.mark_verify(known)
        return {manager.employee_id for manager in known}


def _has_left(person: PersonWork) -> bool:
    """Whether the batch has disabled the account."""
    return person.entry.enabled is False and person.stored.enabled is not False


def _is_written(person: PersonWork) -> bool:
    decided = person.entry.decided
    if person.entry.waiting is not None or decided is None:
        return False
    return decided.outcome not in NOT_WRITTEN or person.entry.blocked_by is not None
