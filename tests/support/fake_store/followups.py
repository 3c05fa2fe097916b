"""Queries over the ledger in memory."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.conflicts import LONGEST_EXCHANGE
from services.store.followups import MAX_LOOKS
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.pages import give_turn, page_people


class FakeFollowUps:
    """``services.store.followups.FollowUps`` over a fake ledger."""

    def __init__(self, ledger: FakeLedger) -> None:
        self._ledger = ledger

    async def find_waiting_reports(
        self, connection: ConnectionId, managers: Mapping[EmployeeId, AccountId]
    ) -> tuple[EmployeeId, ...]:
        """Returns employees that report to one of these managers and are not written with its account.

        Opens the references to another account of such a manager.
        """
        await give_turn()
        for entry in self._ledger.list_entries(connection):
            link = entry.manager
            if link and link.account_id and link.account_id != managers.get(link.employee_id, link.account_id):
                reopened = {"manager": link.model_copy(update={"account_id": None}), "seq": entry.seq + 1}
                self._ledger.content[entry.person] = entry.model_copy(update=reopened)
        return self._find(
            connection,
            lambda entry: (
                _takes_manager(entry)
                and entry.has_open_reference
                and entry.manager
                and entry.manager.employee_id in managers
            ),
        )

    async def find_resolvable_reports(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns employees that are not written with the account that their manager has now."""
        await give_turn()
        accounts = {entry.employee_id: entry.account_id for entry in self._ledger.list_entries(connection)}

        def is_resolvable(entry: LedgerEntry) -> bool:
            if entry.manager is None or not _takes_manager(entry):
                return False
            return accounts.get(entry.manager.employee_id) not in {None, entry.manager.account_id}

        return self._find(connection, is_resolvable)

    async def find_blocked_by(self, connection: ConnectionId, accounts: Iterable[AccountId]) -> tuple[EmployeeId, ...]:
        """Returns employees that were rejected because of a conflict with one of these accounts."""
        await give_turn()
        blockers = set(accounts)
        return self._find(connection, lambda entry: entry.blocked_by in blockers)

    async def find_unblocked(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns rejected employees if the conflicting account has another user name now."""
        await give_turn()
        employees = None if among is None else set(among)
        names: dict[AccountId | None, str] = {}
        for entry in self._ledger.list_entries(connection):
            if entry.user_name is not None:
                names.setdefault(entry.account_id, fold_address(entry.user_name))

        def is_unblocked(entry: LedgerEntry) -> bool:
            if entry.blocked_by is None or (employees is not None and entry.employee_id not in employees):
                return False
            return names.get(entry.blocked_by, "") not in {"", fold_address(entry.blocked_name or "")}

        return self._find(connection, is_unblocked)

    async def find_pending_reports(
        self, connection: ConnectionId, managers: Iterable[EmployeeId]
    ) -> tuple[EmployeeId, ...]:
        """Returns the employees with a change that waits until the account of one of these managers is created."""
        await give_turn()
        pending = set(managers)

        def is_pending(entry: LedgerEntry) -> bool:
            if entry.waiting is None or entry.manager is None:
                return False
            return entry.waiting.cause is WaitingCause.MANAGER_PENDING and entry.manager.employee_id in pending

        return self._find(connection, is_pending)

    async def find_exchanging(
        self, connection: ConnectionId, among: Iterable[EmployeeId] | None = None
    ) -> tuple[EmployeeId, ...]:
        """Returns those of the rejected employees that exchange their e-mail addresses: each blocks another of them."""
        await give_turn()
        employees = None if among is None else set(among)
        rejected = [
            entry for entry in self._ledger.list_entries(connection) if entry.blocked_by and _is_rejected(entry)
        ]
        owners = {entry.account_id: entry for entry in rejected if entry.account_id}

        def is_in_cycle(entry: LedgerEntry) -> bool:
            blocker: LedgerEntry | None = entry
            for _ in range(LONGEST_EXCHANGE):
                blocker = owners.get(blocker.blocked_by) if blocker and blocker.blocked_by else None
                if blocker == entry:
                    return True
            return False

        return tuple(
            entry.employee_id
            for entry in rejected
            if (employees is None or entry.employee_id in employees) and is_in_cycle(entry)
        )

    async def take_due_looks(self, now: datetime) -> dict[ConnectionId, tuple[EmployeeId, ...]]:
        """Marks entries with a due look for verification, and removes their ``look_at``. Returns their employees."""
        await give_turn()
        entries = [
            entry for entry in self._ledger.content.values() if entry.look_at is not None and entry.look_at <= now
        ]
        due = sorted(entries, key=lambda entry: cast("datetime", entry.look_at))[:MAX_LOOKS]
        employees: dict[ConnectionId, list[EmployeeId]] = defaultdict(list)
        for entry in due:
            marked = {"verify": True, "look_at": None, "seq": entry.seq + 1}
            self._ledger.content[entry.person] = entry.model_copy(update=marked)
            employees[entry.connection_id].append(entry.employee_id)
        return {connection: tuple(sorted(found)) for connection, found in sorted(employees.items())}

    async def find_connections_with_retryable(self) -> tuple[ConnectionId, ...]:
        """Returns the connections with employees that wait or are marked for verification."""
        await give_turn()
        entries = self._ledger.content.values()
        return tuple(sorted({entry.connection_id for entry in entries if entry.is_retryable}))

    async def take_due(
        self, connection: ConnectionId, now: datetime, most: int, patience: timedelta
    ) -> tuple[EmployeeId, ...]:
        """Returns employees that are due to be tried again, the longest due first."""
        await give_turn()

        def get_due(entry: LedgerEntry) -> datetime:
            due = entry.waiting.retry_at if entry.waiting is not None else None
            return self._ledger.taken.get(entry.person) or due or datetime.min.replace(tzinfo=UTC)

        retryable = [entry for entry in self._ledger.list_entries(connection) if entry.is_retryable]
        due = sorted((entry for entry in retryable if get_due(entry) <= now), key=get_due)[:most]
        self._ledger.taken |= {entry.person: now + patience for entry in due}
        return tuple(entry.employee_id for entry in due)

    def page_waiting(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait and that writers try again on their own."""
        return self._page(connection, lambda entry: entry.is_retryable and entry.waiting is not None)

    async def has_held_disabling(self, connection: ConnectionId) -> bool:
        """Returns whether the brake holds a change of the connection."""
        await give_turn()
        return any(entry.is_disabling_held for entry in self._ledger.list_entries(connection))

    def page_held_disablings(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with an account that the brake keeps from being disabled."""
        return self._page(connection, lambda entry: entry.is_disabling_held)

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a rejected last change."""
        return self._page(connection, _is_rejected)

    def page_incomplete(
        self, connection: ConnectionId, tried_before: datetime
    ) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a refused field that was last tried before this time."""
        return self._page(connection, lambda entry: any(field.tried_at < tried_before for field in entry.refused))

    def _find(self, connection: ConnectionId, matches: Callable[[LedgerEntry], object]) -> tuple[EmployeeId, ...]:
        return tuple(entry.employee_id for entry in self._ledger.list_entries(connection) if matches(entry))

    async def _page(
        self, connection: ConnectionId, matches: Callable[[LedgerEntry], bool]
    ) -> AsyncIterator[tuple[EmployeeId, ...]]:
        ledger = self._ledger
        async for page in page_people(lambda: [e.person for e in ledger.list_entries(connection) if matches(e)]):
            yield tuple(person.employee_id for person in page)


def _takes_manager(entry: LedgerEntry) -> bool:
    """Whether the account can be written now."""
    without_account = {Outcome.REJECTED, Outcome.OUT_OF_SCOPE}
    is_written = entry.decided is None or entry.decided.outcome not in without_account
    return entry.waiting is None and (is_written or entry.blocked_by is not None)


def _is_rejected(entry: LedgerEntry) -> bool:
    return entry.decided is not None and entry.decided.outcome is Outcome.REJECTED
