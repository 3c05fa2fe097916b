"""Shows the attributes of a connection's Personio, for the author of a mapping."""

from services.clients.personio.v1 import PersonioClient
from services.contracts.catalogues import SourceAttribute, SourceCatalogue
from services.contracts.ids import ConnectionId
from services.runtime.clock import Clock
from services.store.database import Store


async def read_source_catalogue(
    store: Store, clock: Clock, connection: ConnectionId, *, allow_private: bool
) -> SourceCatalogue:
    """Returns the attributes that the credential can read now, with the numbers of the last full scan.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, ``EncryptionKeyError``, and the errors of Personio.
    """
    access = (await store.connections.get(connection)).personio
    async with PersonioClient(access, clock=clock, allow_private=allow_private) as client:
        definitions = await client.list_attributes()
    stored = await store.catalogues.get(connection) or SourceCatalogue(connection_id=connection, attributes=())
    filled = {attribute.key: attribute.filled for attribute in stored.attributes}
    attributes = tuple(SourceAttribute.describe(definition, filled.get(definition.key)) for definition in definitions)
    return stored.model_copy(update={"attributes": attributes})
