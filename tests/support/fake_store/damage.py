"""The notes about damaged documents in memory."""

from services.contracts.damage import Damage
from services.contracts.ids import ConnectionId
from tests.support.fake_store.pages import give_turn


class FakeDamageNotes:
    """``services.store.damage_notes.DamageNotes`` in memory. No document is damaged there: a test puts notes into ``content``."""

    def __init__(self) -> None:
        self.content: list[Damage] = []

    async def list_all(self, connection: ConnectionId | None = None) -> tuple[Damage, ...]:
        """Returns the notes about a connection, or about all."""
        await give_turn()
        return tuple(note for note in self.content if connection in {None, note.connection_id})
