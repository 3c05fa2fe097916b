"""Turns and pages, as the repositories on MongoDB have them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from services.contracts.ids import PersonKey
from services.store.collection import PAGE_SIZE

T = TypeVar("T")


async def give_turn() -> None:
    """Lets other coroutines run, as a command to MongoDB does."""
    await asyncio.sleep(0)


def sort_by_person(people: Iterable[PersonKey]) -> list[PersonKey]:
    """Returns the keys in the order that MongoDB gives to their text."""
    return sorted(people, key=str)


async def page_people(find: Callable[[], Iterable[PersonKey]], size: int = PAGE_SIZE) -> AsyncIterator[list[PersonKey]]:
    """Yields what ``find`` returns, in pages. Each page is a query of its own, so ``find`` runs for every page."""
    after = ""
    while True:
        await give_turn()
        page = [person for person in sort_by_person(find()) if str(person) > after][:size]
        if page:
            yield page
        if len(page) < size:
            return
        after = str(page[-1])
