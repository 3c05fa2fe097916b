"""Parts of the product with a broken rule."""

from collections.abc import Callable, Sequence
from typing import Any

from services.contracts.ids import PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.work_ranges import WorkRange
from services.provisioning.calls import Answer, Call, FindAccounts, Found, Lost
from services.runtime.kafka.ownership import Ownership
from tests.support.fake_store import FakeLedger, FakeWorkRanges
from tests.support.fake_store.pages import give_turn


class RepeatingServer:
    """Repeats a write without an answer at once, without a look."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """Performs the call, and repeats it after a lost answer."""
        answer: Answer = await self._inner.perform(call, before=before)
        return await self._inner.perform(call, before=before) if isinstance(answer, Lost) else answer


class UnconditionalLedger(FakeLedger):
    """Writes each entry over the stored one."""

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes all entries."""
        await give_turn()
        for entry in entries:
            stored = self.content.get(entry.person)
            self.content[entry.person] = entry.model_copy(update={"seq": stored.seq + 1 if stored else 1})
        return frozenset()


class BlindServer:
    """Finds no account by its external id."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def perform(self, call: Call, *, before: Callable[[], None]) -> Answer:
        """Performs the call, unless it is a lookup by external id."""
        if isinstance(call, FindAccounts) and call.attribute == "externalId":
            return Found(())
        answer: Answer = await self._inner.perform(call, before=before)
        return answer


class ForgetfulLedger(FakeLedger):
    """Stores no time of a look that is due later."""

    def __init__(self, *, has_account: bool) -> None:
        """``has_account`` tells whether the forgotten looks are those at known accounts, or those after creates."""
        super().__init__()
        self._has_account = has_account

    async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        """Writes the entries without ``look_at``."""
        return await super().write(
            [
                entry.model_copy(update={"look_at": None})
                if (entry.account_id is not None) is self._has_account
                else entry
                for entry in entries
            ]
        )


class EternalOwnership(Ownership):
    """Lets everything be sent, although the partitions have moved."""

    def __init__(self) -> None:
        super().__init__(lambda: True)

    def ensure_owned(self) -> None:
        """Does nothing."""


class ForgetfulRanges(FakeWorkRanges):
    """Does not tell which records an earlier writer had in progress."""

    async def begin(self, ranges: Sequence[WorkRange]) -> dict[int, WorkRange]:
        """Stores the records in progress, and returns nothing."""
        await super().begin(ranges)
        return {}
