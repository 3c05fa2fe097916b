"""External id prefixes of connections that share one Declaree administration."""

from typing import ClassVar

from services.contracts.ids import ConnectionId
from services.errors import ConfigurationError
from services.store.database import Store


class PrefixConflictError(ConfigurationError):
    """Another connection to the same Declaree has external ids that could be equal to those of this connection."""

    code: ClassVar[str] = "prefix-conflict"


class InvalidPrefixError(ConfigurationError):
    """The prefix contains characters that a server may remove, so that the external id would differ."""

    code: ClassVar[str] = "invalid-prefix"


async def ensure_distinct(store: Store, server: str, prefix: str, connection: ConnectionId | None = None) -> None:
    """Raises ``PrefixConflictError`` if the external ids of another connection to this server could be the same.

    ``connection`` is the connection that uses ``prefix``; None for a new one. Raises ``InvalidPrefixError`` for a prefix
    that a server may change.
    """
    if any(character.isspace() or not character.isprintable() for character in prefix):
        raise InvalidPrefixError(
            f"the external id prefix {prefix!r} contains spaces or control characters: remove them"
        )
    for other in await store.connections.find_by_server(server):
        if other == connection:
            continue
        published = await store.mappings.get_published(other)
        theirs = published.mapping.external_id_prefix if published else ""
        if are_confusable(prefix, theirs):
            raise PrefixConflictError(
                f"connection {other} writes to the same Declaree {_describe(theirs)}, and external ids {_describe(prefix)} could "
                "be equal to its own: choose another prefix, such as 'north-' (--external-id-prefix; in a mapping, "
                "external_id_prefix)"
            )


def _describe(prefix: str) -> str:
    return f"with the prefix {prefix!r}" if prefix else "without a prefix"


def are_confusable(first: str, second: str) -> bool:
    """Returns whether two prefixes before employee ids, which are numbers, can give the same external id.

    Some servers compare external ids without case.
    """
    shorter, longer = sorted((first.casefold(), second.casefold()), key=len)
    rest = longer.removeprefix(shorter)
    return longer.startswith(shorter) and (not rest or rest.isdigit())
