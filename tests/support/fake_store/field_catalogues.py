"""Field catalogues in memory."""

from services.contracts.fields import FieldCatalogue
from services.contracts.ids import ConnectionId
from tests.support.fake_store.pages import give_turn


class FakeFieldCatalogues:
    """``services.store.field_catalogues.FieldCatalogues`` in memory."""

    def __init__(self) -> None:
        self.content: dict[ConnectionId, FieldCatalogue] = {}

    async def get(self, connection: ConnectionId) -> FieldCatalogue | None:
        """Returns the catalogue; None before the first check."""
        await give_turn()
        return self.content.get(connection)

    async def save(self, catalogue: FieldCatalogue) -> None:
        """Stores the catalogue in place of an earlier one."""
        await give_turn()
        self.content[catalogue.connection_id] = catalogue
