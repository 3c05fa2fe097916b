"""The brakes in memory."""

from services.contracts.brakes import Brake
from services.contracts.ids import ConnectionId
from tests.support.fake_store.pages import give_turn


class FakeBrakes:
    """``services.store.brakes.Brakes`` in memory: each write is conditional on the ``seq`` of the stored brake."""

    def __init__(self) -> None:
        self.content: dict[ConnectionId, Brake] = {}

    async def read(self, connection: ConnectionId) -> Brake:
        """Returns the brake of a connection; an empty one if none is stored."""
        await give_turn()
        return self.content.get(connection) or Brake(connection_id=connection)

    async def write(self, brake: Brake) -> bool:
        """Writes a brake if the stored ``seq`` is one below. Returns whether it did."""
        await give_turn()
        stored = self.content.get(brake.connection_id) or Brake(connection_id=brake.connection_id)
        if stored.seq != brake.seq - 1:
            return False
        self.content[brake.connection_id] = brake
        return True

    async def reset(self, connection: ConnectionId) -> None:
        """Forgets the disabled accounts of a connection."""
        await give_turn()
        if connection in self.content:
            seq = self.content[connection].seq + 1
            self.content[connection] = Brake(connection_id=connection, seq=seq)
