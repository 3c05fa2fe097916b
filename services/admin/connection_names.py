"""Finds the connection that a person names: by its id, its name, or the beginning of either."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from services.admin.shortening import join_first
from services.contracts.ids import ConnectionId
from services.errors import PermanentError
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store
from services.store.errors import UnknownConnectionError

MAX_LISTED = 10
"""Maximum number of connections that an error lists."""


class AmbiguousNameError(PermanentError):
    """Several connections have this name, or begin with this text."""

    code: ClassVar[str] = "ambiguous-name"


async def find_connection(store: Store, named: str, *, is_exact: bool = False) -> ConnectionId:
    """Returns the only connection with this id, else with this name, else with an id or a name that begins with the text.

    Names are compared without case. ``is_exact`` finds none by the beginning alone. Raises ``AmbiguousNameError``, and
    ``UnknownConnectionError``, also for an empty text.
    """
    text = named.strip()
    summaries = await store.connections.list_all()
    for found in _iterate_matches(summaries, text, is_exact=is_exact) if text else ():
        if len(found) > 1:
            raise AmbiguousNameError(_describe(text, found))
        if found:
            return found[0].id
    raise UnknownConnectionError(ConnectionId(named))


def _iterate_matches(
    summaries: Sequence[ConnectionSummary], text: str, *, is_exact: bool
) -> Iterator[list[ConnectionSummary]]:
    """Yields the connections that fit best, then those that fit less."""
    folded = text.casefold()
    yield [summary for summary in summaries if summary.id == text]
    yield [summary for summary in summaries if summary.name.casefold() == folded]
    if not is_exact:
        begins = [summary for summary in summaries if summary.name.casefold().startswith(folded)]
        yield [summary for summary in summaries if summary.id.startswith(text) or summary in begins]


def _describe(text: str, found: Sequence[ConnectionSummary]) -> str:
    named = join_first(sorted(f"{summary.name} ({summary.id})" for summary in found), MAX_LISTED)
    return f"several connections fit {text!r}: {named}: use the id of one of them"
