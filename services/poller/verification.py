"""The state of a verification: the sum of its stored steps. Only ids are kept, not the accounts themselves."""

from collections import Counter
from datetime import datetime

from services.contracts.drift import Drift
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.verifications import VerificationStep


class Verification:
    """The sum of the steps of one verification."""

    def __init__(self) -> None:
        """Starts before the first step."""
        self.next_step = 0
        """Number of the next step."""
        self.began_at: datetime | None = None
        """When the first step began; None before it."""
        self.next_start = 1
        """Number of the next account to list, from 1."""
        self.is_list_over = False
        """Whether the list has ended."""
        self.is_list_complete = False
        """Whether the list has certainly shown all accounts. An account that is not in it then does not exist."""
        self.last_employee: EmployeeId | None = None
        """The last employee that was judged after the end of the list; None before the first."""
        self.listed: set[AccountId] = set()
        """The accounts that the list has shown."""
        self.accounts: dict[EmployeeId, dict[AccountId, bool]] = {}
        """The listed accounts of each employee, and whether they are enabled."""
        self.repaired: set[EmployeeId] = set()
        """The employees that are resent."""
        self.counts: Counter[str] = Counter()
        """Number of requests for single accounts, of findings by kind, and of repaired findings."""
        self._length = 0
        self._totals: set[int | None] = set()
        self._has_repeated = False

    def add(self, step: VerificationStep) -> None:
        """Adds the next step."""
        self.next_step = step.number + 1
        self.began_at = self.began_at or step.taken_at
        self.last_employee = step.last_employee or self.last_employee
        self.counts.update(step.counts)
        self.counts.update(_count(step.drifts))
        self.repaired |= {drift.employee_id for drift in step.drifts if drift.is_repaired and drift.employee_id}
        match step.kind:
            case "page":
                self._length += step.next_start - self.next_start
                self._totals.add(step.total)
                self._has_repeated = self._has_repeated or step.has_repeated
                self.next_start = step.next_start
                for account in step.listed:
                    self.listed.add(account.id)
                    if account.employee_id is not None:
                        self.accounts.setdefault(account.employee_id, {})[account.id] = account.is_enabled
            case "list-end":
                self.is_list_over = True
                self.is_list_complete = step.is_list_complete

    def has_listed_all(self) -> bool:
        """Returns whether the total of the pages says that no further page follows."""
        total = next(iter(self._totals)) if len(self._totals) == 1 else None
        return total is not None and self.next_start > total

    def has_shifted(self) -> bool:
        """Returns whether the list may have left accounts out: it changed while it was read, or states no right total.

        An account that is deleted between two pages moves the later ones forward, so that a page begins too late. A list with one
        total, with as many accounts, and without a repeated one has shown every account.
        """
        if self._has_repeated:
            return True
        return self._totals not in ({self._length}, set())

    def get_counts(self) -> dict[str, int]:
        """Returns the numbers for the report."""
        return {"listed": len(self.listed), **{name: count for name, count in sorted(self.counts.items()) if count}}


def _count(drifts: tuple[Drift, ...]) -> Counter[str]:
    counts = Counter(drift.kind.value for drift in drifts)
    counts["repaired"] = sum(drift.is_repaired for drift in drifts)
    return counts
