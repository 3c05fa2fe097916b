"""What must be true after every write of the ledger."""

from collections.abc import Callable

from services.contracts.events import Version
from services.contracts.ids import AccountId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome
from tests.simulation.history import History
from tests.support.fake_store import FakeLedger


class LedgerWatch:
    """Checks the ledger after each of its writes."""

    def __init__(
        self,
        ledger: FakeLedger,
        history: History,
        is_enabled: Callable[[AccountId], bool],
        is_owed: Callable[[LedgerEntry], bool],
    ) -> None:
        """``is_enabled`` tells whether an account is enabled on the server, ``is_owed`` whether an entry awaits a look."""
        self._ledger = ledger
        self._is_enabled = is_enabled
        self._is_owed = is_owed
        self._history = history
        self._decided: dict[PersonKey, Version] = {}
        self._seen: dict[PersonKey, int] = {}

    def check(self, actor: str) -> None:
        """Checks the entries that have changed since the last check."""
        for person, entry in self._ledger.content.items():
            if self._seen.get(person) == entry.seq:
                continue
            self._seen[person] = entry.seq
            self._history.note(actor, f"ledger: {_describe(entry)}")
            newest = self._decided.get(person, entry.decided_version)
            if entry.decided_version < newest:
                self._history.violate("P2", f"the decision about {person.employee_id} goes back")
            self._decided[person] = max(newest, entry.decided_version)
            self._check_leaver(entry)
        self._check_owners()

    def _check_leaver(self, entry: LedgerEntry) -> None:
        """An employee that counts as disabled has a disabled account, unless the entry says that a look is due."""
        if entry.decided is None or entry.decided.outcome is not Outcome.DISABLED or self._is_owed(entry):
            return
        if entry.account_id is not None and self._is_enabled(entry.account_id):
            self._history.violate("P9", f"{entry.employee_id} counts as disabled, and the account is enabled")

    def _check_owners(self) -> None:
        owners: dict[str, str] = {}
        for person, entry in self._ledger.content.items():
            if (
                entry.account_id is not None
                and owners.setdefault(entry.account_id, person.employee_id) != person.employee_id
            ):
                self._history.violate("P4", f"account {entry.account_id} belongs to two employees in the ledger")


def _describe(entry: object) -> str:
    fields = entry.model_dump(mode="json", exclude_none=True, exclude={"connection_id", "decided", "manager"})  # type: ignore[attr-defined]
    decided = entry.decided  # type: ignore[attr-defined]
    return f"{fields} decided {decided and (decided.revision, decided.outcome.value)}"
