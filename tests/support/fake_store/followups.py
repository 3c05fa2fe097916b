"""Queries over the ledger in memory."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from services.contracts.snapshots import Snapshot
from tests.support.fake_store.ledger import FakeLedger
from tests.support.fake_store.pages import give_turn, page_people
from tests.support.fake_store.snapshots import FakeSnapshots


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

    def page_retryable(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait or are marked for verification."""
        return self._page(connection, lambda entry: entry.waiting is not None or entry.verify)

    def page_waiting(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees that wait."""
        return self._page(connection, lambda entry: entry.waiting is not None)

    def page_rejected(self, connection: ConnectionId) -> AsyncIterator[tuple[EmployeeId, ...]]:
        """Yields the employees with a rejected last change."""
        return self._page(
            connection, lambda entry: entry.decided is not None and entry.decided.outcome is Outcome.REJECTED
        )

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
    return entry.waiting is None and (entry.decided is None or entry.decided.outcome not in without_account)


class FakeCounters:
    """``services.store.counters.Counters`` over a fake ledger and fake snapshots."""

    def __init__(self, ledger: FakeLedger, snapshots: FakeSnapshots) -> None:
        self._ledger = ledger
        self._snapshots = snapshots

    async def count_waiting(self) -> dict[ConnectionId, int]:
        """Returns the number of waiting employees for each connection that has any."""
        await give_turn()
        entries = self._ledger.content.values()
        return dict(sorted(Counter(entry.connection_id for entry in entries if entry.waiting).items()))

    async def count_outcomes(self, connection: ConnectionId) -> dict[str, int]:
        """Returns the number of employees by their last outcome."""
        await give_turn()
        entries = self._ledger.list_entries(connection)
        return dict(sorted(Counter(entry.decided.outcome.value for entry in entries if entry.decided).items()))

    async def count_active_with_account(self, connection: ConnectionId) -> int:
        """Returns the number of employees that Personio lists as active and that have an enabled account."""
        await give_turn()
        return len(self._find_enabled(connection, FakeSnapshots.is_listed_as_active))

    async def find_absent_with_account(self, connection: ConnectionId) -> tuple[EmployeeId, ...]:
        """Returns the employees with an enabled account that a complete scan no longer lists."""
        await give_turn()
        return self._find_enabled(connection, lambda snapshot: snapshot.absent_since is not None)

    async def count_behind(self, connection: ConnectionId) -> int:
        """Returns the number of employees with a snapshot that is newer than the last decision."""
        await give_turn()
        behind = 0
        for snapshot in self._snapshots.list_snapshots(connection):
            entry = self._ledger.content.get(snapshot.person)
            decided = entry.decided_version.revision if entry is not None else 0
            is_oversized = self._snapshots.oversized.get(snapshot.person) == snapshot.revision
            behind += not is_oversized and snapshot.revision > decided
        return behind

    def _find_enabled(self, connection: ConnectionId, is_listed: Callable[[Snapshot], bool]) -> tuple[EmployeeId, ...]:
        snapshots = self._snapshots.content
        return tuple(
            entry.employee_id
            for entry in self._ledger.list_entries(connection)
            if entry.enabled and entry.account_id and entry.person in snapshots and is_listed(snapshots[entry.person])
        )
