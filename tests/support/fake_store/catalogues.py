"""Source catalogues in memory."""

from collections.abc import Iterable

from services.contracts.catalogues import AttributeChange, SourceCatalogue
from services.contracts.ids import ConnectionId
from tests.support.fake_store.pages import give_turn


class FakeCatalogues:
    """``services.store.catalogues.Catalogues`` in memory."""

    def __init__(self) -> None:
        self.content: dict[ConnectionId, SourceCatalogue] = {}

    async def get(self, connection: ConnectionId) -> SourceCatalogue | None:
        """Returns the catalogue; None before the first scan."""
        await give_turn()
        return self.content.get(connection)

    async def find_changes(
        self, connections: Iterable[ConnectionId]
    ) -> dict[ConnectionId, tuple[AttributeChange, ...]]:
        """Returns the changes of attributes of those connections that have any."""
        await give_turn()
        found = {one: self.content[one].changes for one in connections if one in self.content}
        return {connection: changes for connection, changes in found.items() if changes}

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        await give_turn()
        self.content[catalogue.connection_id] = catalogue
