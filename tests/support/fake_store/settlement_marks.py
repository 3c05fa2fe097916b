"""The marks on snapshots: the fakes count without them, so that they are never wrong."""

from collections.abc import Iterable

from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.ledger import LedgerEntry
from tests.support.fake_store.pages import give_turn


class FakeSettlementMarks:
    """``services.store.settlement_marks.SettlementMarks`` without any mark. ``repaired`` records the repairs."""

    def __init__(self) -> None:
        self.repaired: list[tuple[ConnectionId, str]] = []

    async def note(self, entries: Iterable[LedgerEntry]) -> None:
        """Does nothing."""

    async def forget_decision(self, person: PersonKey) -> None:
        """Does nothing."""

    async def forget_account(self, person: PersonKey) -> None:
        """Does nothing."""

    async def repair_unsettled(self, connection: ConnectionId) -> int:
        """Returns 0: no mark is left behind."""
        await give_turn()
        self.repaired.append((connection, "unsettled"))
        return 0

    async def repair_all(self, connection: ConnectionId) -> int:
        """Returns 0: no mark is left behind."""
        await give_turn()
        self.repaired.append((connection, "all"))
        return 0
