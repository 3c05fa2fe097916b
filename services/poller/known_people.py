"""What snapshots, mapping and ledger say about employees, for the verification of their accounts."""

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Self

from pydantic import ValidationError

from services.contracts.events import AccountRequested, ChangeKind
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import PublishedMapping
from services.contracts.snapshots import Snapshot
from services.mapping.engine import Engine
from services.poller.repositories import Repositories
from services.provisioning.drift import KnownPerson
from services.provisioning.manager import ManagerAccount, find_wanted_manager

logger = logging.getLogger(__name__)


class KnownPeople:
    """The employees of one connection, with the mapping that is published now."""

    def __init__(
        self,
        repositories: Repositories,
        connection: ConnectionId,
        published: PublishedMapping | None,
        oversized: frozenset[EmployeeId],
    ) -> None:
        """``oversized`` are the employees with data that is too large."""
        self._repositories = repositories
        self._connection = connection
        self._published = published
        self._engine = Engine(published)
        self._oversized = oversized

    @classmethod
    async def load(cls, repositories: Repositories, connection: ConnectionId) -> Self:
        """Reads the mapping and the employees with data that is too large."""
        published = await repositories.mappings.get_published(connection)
        oversized = await repositories.snapshots.find_oversized(connection)
        return cls(repositories, connection, published, frozenset(oversized))

    @property
    def prefix(self) -> str:
        """The prefix of the external ids."""
        return self._published.mapping.external_id_prefix if self._published else ""

    async def read(self, employees: Iterable[EmployeeId]) -> dict[EmployeeId, KnownPerson | None]:
        """Returns what is known about those that have a snapshot; None for an employee that must not be resent."""
        snapshots = await self._repositories.snapshots.read(self._connection, employees)
        return await self.build(snapshots.values())

    async def build(self, snapshots: Collection[Snapshot]) -> dict[EmployeeId, KnownPerson | None]:
        """Returns what is known about these employees; None for an employee that must not be resent."""
        known: dict[EmployeeId, KnownPerson | None] = {snapshot.employee_id: None for snapshot in snapshots}
        requests = {
            snapshot.employee_id: request
            for snapshot in snapshots
            if self._is_judged(snapshot) and (request := self._map(snapshot)) is not None
        }
        judged = [snapshot for snapshot in snapshots if snapshot.employee_id in requests]
        managers = {
            employee: PersonKey(self._connection, manager)
            for employee, request in requests.items()
            if (manager := find_wanted_manager(request)) is not None
        }
        people = {request.person for request in requests.values()} | set(managers.values())
        entries = await self._repositories.ledger.read(people) if people else {}
        for snapshot in judged:
            employee = snapshot.employee_id
            known[employee] = KnownPerson(
                requests[employee],
                entries.get(snapshot.person),
                self._find_request_time(snapshot),
                _get_account(entries, managers.get(employee)),
            )
        return known

    def _is_judged(self, snapshot: Snapshot) -> bool:
        """Whether a resend could repair the account.

        An employee that Personio no longer lists must not be resent: its last snapshot may enable the account. A change
        that is not yet published, or too large for Kafka, is under way or reported elsewhere. An event without the
        attributes that are too large is published like any other.
        """
        is_listed = snapshot.absent_since is None or snapshot.kind is ChangeKind.REMOVED
        is_refused = snapshot.employee_id in self._oversized and not snapshot.oversized
        return is_listed and not snapshot.is_pending and not is_refused

    def _map(self, snapshot: Snapshot) -> AccountRequested | None:
        """Returns the request that the snapshot leads to; None if its attributes are damaged."""
        try:
            return self._engine.map(snapshot.to_event())
        except ValidationError:
            logger.warning(
                "the stored attributes of an employee cannot be read", extra={"person": str(snapshot.person)}
            )
            return None

    def _find_request_time(self, snapshot: Snapshot) -> datetime:
        detected = snapshot.detected_at
        return detected if self._published is None else max(detected, self._published.published_at)


def _get_account(entries: Mapping[PersonKey, LedgerEntry], manager: PersonKey | None) -> ManagerAccount | None:
    entry = entries.get(manager) if manager is not None else None
    return ManagerAccount(entry.account_id, entry.external_id) if entry and entry.account_id else None
