"""Finds the employees that share nothing with any other employee, so that each can be settled apart from all others.

Two employees share something if the lookups of one find an account or name a value of the other, or if one reports to the other.
What an employee and the ledger entry name is enough to tell: a settlement looks for nothing else, and ends if it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.accounts.index import AccountIndex
from services.admin.preview.collection import CollectedEmployees
from services.contracts.ids import AccountId, EmployeeId
from services.provisioning.calls import FindAccounts
from services.provisioning.marks import Marks


@dataclass(frozen=True, slots=True)
class Reach:
    """What the lookups of one employee lead to."""

    marks: Marks
    """What the request names, and what the ledger entry remembers."""
    found: Mapping[FindAccounts, tuple[AccountId, ...]]
    """The accounts that each lookup finds."""
    accounts: frozenset[AccountId]
    """All of these accounts, and the one that the ledger remembers."""

    def list_keys(self) -> Iterator[str]:
        """Yields a text for each mark and each account. No mark has the text of an account, or of another kind of mark."""
        yield from (f"id {external_id}" for external_id in self.marks.external_ids)
        yield from (f"address {address}" for address in self.marks.addresses)
        yield from (f"account {account}" for account in self.accounts)


def find_reach(index: AccountIndex, employees: CollectedEmployees, employee: EmployeeId) -> Reach | None:
    """Returns what the lookups of an employee lead to; None if the list of accounts cannot tell."""
    marks = employees.get_marks(employee)
    lookups = list(marks.list_lookups())
    if not all(map(index.can_answer, lookups)):
        return None
    found = {lookup: index.find(lookup) for lookup in lookups}
    accounts = {account for hits in found.values() for account in hits}
    remembered = employees.get_account(employee)
    if remembered is not None:
        accounts.add(remembered)
    return Reach(marks, found, frozenset(accounts))


def find_independent(index: AccountIndex, employees: CollectedEmployees) -> frozenset[EmployeeId]:
    """Returns the employees that need an account, share nothing with any other one, and have nothing under way.

    ``index`` are the listed accounts. The entries of all employees have been noted.
    """
    holders: dict[str, EmployeeId] = {}
    shared = {*employees.managers.values()} | employees.unsettled | employees.absent
    for employee in employees.ids:
        reach = find_reach(index, employees, employee)
        if reach is None:
            shared.add(employee)
            continue
        for key in reach.list_keys():
            holder = holders.setdefault(key, employee)
            if holder != employee:
                shared |= {holder, employee}
    return frozenset(employees.provisioned - shared)
