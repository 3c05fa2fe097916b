"""The notes about damaged documents in memory."""

from collections.abc import Iterable

from services.contracts.damage import Damage
from services.contracts.ids import ConnectionId
from tests.support.fake_store.pages import give_turn


class FakeDamageNotes:
    """``services.store.damage_notes.DamageNotes`` in memory. No document is damaged there: a test puts notes here."""

    def __init__(self) -> None:
        self.content: dict[str, Damage] = {}

    def put(self, notes: Iterable[Damage]) -> None:
        """Replaces all notes. For tests."""
        self.content = {str(number): note for number, note in enumerate(notes)}

    async def list_all(self, connection: ConnectionId | None = None) -> tuple[Damage, ...]:
        """Returns the notes about a connection, or about all."""
        await give_turn()
        return tuple(note for note in self.content.values() if connection in {None, note.connection_id})
