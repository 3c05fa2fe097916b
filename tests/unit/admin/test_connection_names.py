"""A connection is found by its id, its name, or the beginning of either."""

import pytest

from services.admin.connection_names import AmbiguousNameError, find_connection
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import ConnectionId
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import DECLAREE, NOW, PERSONIO


async def add(store: Store, *names: str) -> list[ConnectionId]:
    """Adds connections to Declaree administrations of their own."""
    added = list[ConnectionId]()
    for number, name in enumerate(names):
        declaree = DeclareeAccess(url=f"https://app.declaree.com/SCIM/{number}", key=DECLAREE.key)
        added.append((await store.connections.add(name, PERSONIO, declaree, now=NOW)).id)
    return added


async def test_id_name_and_their_beginnings_find_the_connection(store: Store) -> None:
    """Names are compared without case."""
    nordlicht, _ = await add(store, "Nordlicht GmbH", "Süd AG")

    for named in (nordlicht, nordlicht[:-1], "Nordlicht GmbH", "nordlicht gmbh", " Nord "):
        assert await find_connection(store, named) == nordlicht


async def test_whole_name_comes_before_the_beginning_of_another(store: Store) -> None:
    """Otherwise a connection could not be named any longer once another begins with its name."""
    nord, _ = await add(store, "Nord", "Nordlicht")

    assert await find_connection(store, "nord") == nord


async def test_ambiguous_beginning_is_an_error(store: Store) -> None:
    """The message has the ids to choose from."""
    first, second = await add(store, "Nordlicht", "Nordwind")

    with pytest.raises(AmbiguousNameError) as raised:
        await find_connection(store, "Nord")

    assert str(raised.value) == (
        f"several connections fit 'Nord': Nordlicht ({first}), Nordwind ({second}): use the id of one of them"
    )


async def test_two_connections_with_one_name_need_their_ids(store: Store) -> None:
    """A name is a label, and not unique."""
    first, _ = await add(store, "Nord", "Nord")

    with pytest.raises(AmbiguousNameError):
        await find_connection(store, "Nord")
    assert await find_connection(store, first) == first


@pytest.mark.parametrize("named", ["", "  ", "west"])
async def test_empty_or_unknown_text_finds_nothing(store: Store, named: str) -> None:
    """An unset variable of a script must not find the only connection."""
    await add(store, "Nord")

    with pytest.raises(UnknownConnectionError):
        await find_connection(store, named)


async def test_beginning_is_not_enough_for_a_removal(store: Store) -> None:
    """A further connection may begin with the same text tomorrow."""
    (nord,) = await add(store, "Nordlicht")

    with pytest.raises(UnknownConnectionError):
        await find_connection(store, "Nord", is_exact=True)
    assert await find_connection(store, "nordlicht", is_exact=True) == nord
