"""Marks of forgotten employees in memory."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.contracts.ids import ConnectionId, PersonKey
from services.store.forgotten import hash_name
from tests.support.fake_store.pages import give_turn


class FakeForgotten:
    """``services.store.forgotten.Forgotten`` in memory. The keys of ``content`` are hashes."""

    def __init__(self) -> None:
        self.content: dict[str, datetime] = {}

    async def mark(self, names: Iterable[PersonKey | ConnectionId], *, now: datetime, until: datetime) -> None:
        """Notes that employees or connections were forgotten. The marks never end here."""
        await give_turn()
        for name in names:
            self.content[hash_name(name)] = max(now, self.content.get(hash_name(name), now))

    async def find(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, datetime]:
        """Returns when those of the employees were forgotten that were, alone or with their connection."""
        await give_turn()
        found: dict[PersonKey, datetime] = {}
        for person in people:
            keys = (hash_name(person), hash_name(person.connection_id))
            if times := [self.content[key] for key in keys if key in self.content]:
                found[person] = max(times)
        return found
