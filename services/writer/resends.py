"""Whom to send again after a batch: those whose change depends on an account that this batch has changed."""

from collections import defaultdict
from collections.abc import Mapping

from services.contracts.events import Outcome
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.requests import Resend
from services.runtime.clock import Clock
from services.writer.person import Person
from services.writer.ports import Ledger, Requests

NOT_WRITTEN = frozenset({Outcome.REJECTED, Outcome.OUT_OF_SCOPE})
"""Whose account is not written now: a manager's account changes nothing for them."""


class Resends:
    """Asked after the ledger was written: of two batches, the later to write it sees what the other has written."""

    def __init__(self, ledger: Ledger, requests: Requests, clock: Clock) -> None:
        self._ledger = ledger
        self._requests = requests
        self._clock = clock

    async def ask(self, people: Mapping[PersonKey, Person], lost: frozenset[PersonKey]) -> None:
        """``lost`` are the people whom another writer has handled meanwhile."""
        by_connection: dict[ConnectionId, dict[PersonKey, Person]] = defaultdict(dict)
        for key, person in people.items():
            by_connection[key.connection_id][key] = person
        for connection, own in by_connection.items():
            again = {key.employee_id for key in lost if key.connection_id == connection}
            again |= await self._reports(connection, own)
            again |= await self._completed(own)
            again |= await self._unblocked(connection, own)
            if again:
                task = Resend(scope="people", people=tuple(sorted(again)), why="somebody's account has changed")
                await self._requests.file(connection, task, now=self._clock.now())

    async def _reports(self, connection: ConnectionId, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People who wait for an account of this batch as their manager's; of one that was there before, nobody does."""
        accounts = {
            key.employee_id: person.entry.account_id
            for key, person in own.items()
            if person.entry.account_id is not None and person.entry.account_id != person.read.account_id
        }
        return set(await self._ledger.reports_waiting_for(connection, accounts)) if accounts else set()

    async def _completed(self, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People of this batch whose manager's account has appeared while it was worked on."""
        open_ones = {
            key: PersonKey(key.connection_id, person.entry.manager.employee_id)
            for key, person in own.items()
            if person.entry.manager is not None and person.entry.open_reference and _is_written(person)
        }
        managers = await self._ledger.read(set(open_ones.values())) if open_ones else {}
        return {
            key.employee_id
            for key, manager in open_ones.items()
            if manager in managers and managers[manager].account_id is not None
        }

    async def _unblocked(self, connection: ConnectionId, own: Mapping[PersonKey, Person]) -> set[EmployeeId]:
        """People who were rejected because of an account whose user name is another one now."""
        renamed = [
            person.entry.account_id
            for person in own.values()
            if person.entry.account_id is not None
            and person.read.account_id == person.entry.account_id
            and person.read.user_name != person.entry.user_name
        ]
        # whoever was sent again for it and is blocked all the same is looked at by the next poll, not at once for ever
        blocked = [
            key.employee_id for key, person in own.items() if person.entry.blocked_by is not None and not person.resent
        ]
        found = set(await self._ledger.blocked_by(connection, renamed)) if renamed else set[EmployeeId]()
        return found | set(await self._ledger.released(connection, blocked)) if blocked else found


def _is_written(person: Person) -> bool:
    decided = person.entry.decided
    return person.entry.waiting is None and decided is not None and decided.outcome not in NOT_WRITTEN
