"""External id prefixes of connections that share one Declaree administration."""

from typing import ClassVar

from services.contracts.ids import ConnectionId
from services.errors import ConfigurationError
from services.store.database import Store


class PrefixConflictError(ConfigurationError):
    """Another connection to the same Declaree has external ids that could be equal to those of this connection."""

    code: ClassVar[str] = "prefix-conflict"


async def ensure_distinct(store: Store, server: str, prefix: str, connection: ConnectionId | None = None) -> None:
    """Raises ``PrefixConflictError`` if the external ids of another connection to this server could be the same.

    ``connection`` is the connection that uses ``prefix``; None for a new one.
    """
    for other in await store.connections.find_by_server(server):
        if other == connection:
            continue
        published = await store.mappings.get_published(other)
        theirs = published.mapping.external_id_prefix if published else ""
        if are_confusable(prefix, theirs):
            raise PrefixConflictError(
                f"connection {other} writes to the same Declaree, and external ids with the prefix {prefix!r} could be equal "
                f"to its own (prefix {theirs!r}): choose another external id prefix, such as the company's short name and a dash"
            )


def are_confusable(first: str, second: str) -> bool:
    """Returns whether two prefixes before employee ids, which are numbers, can give the same external id.

    Some servers compare external ids without case.
    """
    shorter, longer = sorted((first.casefold(), second.casefold()), key=len)
    rest = longer.removeprefix(shorter)
    return longer.startswith(shorter) and (not rest or rest.isdigit())
