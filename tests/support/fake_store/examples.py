"""Pinned examples of mappings in memory."""

from services.contracts.examples import MAX_PINNED, PinnedExample
from services.contracts.ids import ConnectionId
from services.store.errors import ExampleLimitError
from services.store.examples import MAX_LENGTH, StoredExamples
from tests.support.fake_store.pages import give_turn


class FakeExamples:
    """``services.store.examples.Examples`` in memory. ``unreadable`` holds keys of examples that cannot be read."""

    def __init__(self) -> None:
        self.content: dict[tuple[ConnectionId, str], PinnedExample] = {}
        self.unreadable: set[tuple[ConnectionId, str]] = set()

    async def list_all(self, connection: ConnectionId) -> StoredExamples:
        """Returns the examples of a connection, by name."""
        await give_turn()
        valid = [self.content[key] for key in sorted(self.content) if key[0] == connection]
        return StoredExamples(
            tuple(valid), tuple(sorted(name for owner, name in self.unreadable if owner == connection))
        )

    async def save(self, pinned: PinnedExample) -> bool:
        """Stores an example. Returns whether there was one with this name."""
        await give_turn()
        key = (pinned.connection_id, pinned.example.name)
        if len(pinned.example.model_dump_json()) > MAX_LENGTH:
            raise ExampleLimitError("the example is too large")
        is_replaced = key in self.content or key in self.unreadable
        number = sum(owner == pinned.connection_id for owner, _ in (*self.content, *self.unreadable))
        if not is_replaced and number >= MAX_PINNED:
            raise ExampleLimitError(f"connection {pinned.connection_id} has {MAX_PINNED} pinned examples")
        self.unreadable.discard(key)
        self.content[key] = pinned
        return is_replaced

    async def remove(self, connection: ConnectionId, name: str) -> bool:
        """Removes an example. Returns whether there was one."""
        await give_turn()
        key = (connection, name)
        was_there = key in self.content or key in self.unreadable
        self.content.pop(key, None)
        self.unreadable.discard(key)
        return was_there
