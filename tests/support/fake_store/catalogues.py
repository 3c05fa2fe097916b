"""Source catalogues in memory."""

from services.contracts.catalogues import SourceCatalogue
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

    async def save(self, catalogue: SourceCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        await give_turn()
        self.content[catalogue.connection_id] = catalogue
