"""Compares the accounts of one page of the list with their desired state."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.contracts.drift import Drift, DriftKind
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.verifications import ListedAccount
from services.poller.account_reader import AccountReader
from services.poller.known_people import KnownPeople
from services.poller.repositories import Repositories
from services.provisioning.calls import Resource
from services.provisioning.drift import (
    KnownPerson,
    compare_account,
    find_employee_id,
    judge_unknown,
    list_judged_fields,
)
from services.provisioning.states import is_enabled


class PageComparison:
    """Finds the employees of listed accounts, and what is wrong with the accounts that the ledger knows."""

    def __init__(
        self,
        repositories: Repositories,
        connection: ConnectionId,
        known: KnownPeople,
        reader: AccountReader,
        patience: timedelta,
    ) -> None:
        """``known`` are the employees, ``reader`` reads accounts that the list does not show as needed."""
        self._repositories = repositories
        self._connection = connection
        self._known = known
        self._reader = reader
        self._patience = patience

    async def compare(
        self, accounts: Mapping[AccountId, Resource], asked_at: datetime
    ) -> tuple[tuple[ListedAccount, ...], list[Drift]]:
        """Returns the accounts with their employees, and what is wrong with them. They were asked for at ``asked_at``."""
        employees, drifts = await self._find_employees(accounts)
        people = await self._known.read(set(employees.values()))
        elsewhere = {drift.account_id for drift in drifts}
        judged = {
            account: list_judged_fields(people.get(employee))
            for account, employee in employees.items()
            if account not in elsewhere and (employee not in people or people[employee] is not None)
        }
        complete = await self._reader.complete(accounts, judged)
        for account, live in complete.items():
            found = self._judge(live, people.get(employees[account]), asked_at)
            drifts.extend([found] if found else [])
        listed = [
            ListedAccount(
                id=account,
                employee_id=employees.get(account),
                is_enabled=account not in complete or is_enabled(complete[account]),
            )
            for account in accounts
        ]
        return tuple(listed), drifts

    async def _find_employees(
        self, accounts: Mapping[AccountId, Resource]
    ) -> tuple[dict[AccountId, EmployeeId], list[Drift]]:
        """Returns the employees of the accounts: by claim, by the ledger, or by external id, in this order.

        An account that another connection has claimed belongs to that connection. It is reported if our ledger knows it.
        """
        claims = await self._repositories.claims.find_owners(self._reader.server, accounts)
        ledger = await self._repositories.ledger.find_by_accounts(self._connection, accounts)
        employees: dict[AccountId, EmployeeId] = {}
        drifts: list[Drift] = []
        for account, live in accounts.items():
            owner, known = claims.get(account), ledger.get(account)
            if owner is not None and owner.connection_id == self._connection:
                employees[account] = owner.employee_id
            elif known is not None:
                employees[account] = known
                if owner is not None:
                    drifts.append(self._build_claimed(known, account))
            elif owner is None and (named := find_employee_id(live, self._known.prefix)) is not None:
                employees[account] = named
        return employees, drifts

    def _build_claimed(self, employee: EmployeeId, account: AccountId) -> Drift:
        return Drift(
            connection_id=self._connection,
            kind=DriftKind.CLAIMED_ELSEWHERE,
            employee_id=employee,
            account_id=account,
        )

    def _judge(self, live: Resource, person: KnownPerson | None, asked_at: datetime) -> Drift | None:
        """Returns what is wrong with an account. Another account than the known one is judged after the whole list."""
        if person is None:
            return judge_unknown(self._connection, live)
        if live.id != person.account_id:
            return None
        return compare_account(person, live, person.find_stage(asked_at, self._patience))
