"""Pinned examples: one for each connection and name, a bounded number, and damage that concerns one of them."""

import asyncio
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.examples import MAX_PINNED, MappingExample, PinnedExample
from services.contracts.values import Value
from services.store.database import Store
from services.store.errors import ExampleLimitError
from services.store.examples import MAX_LENGTH, StoredExamples
from tests.support.builders import CONNECTION, OTHER, make_person, make_pinned

KEY = f"{CONNECTION}/Ada"


def make_odd(value: Value, name: str = "Ada") -> PinnedExample:
    """Returns an example with an attribute that has this value."""
    example = make_pinned().example
    attributes = {**example.attributes, "$odd.name": value}
    return make_pinned(example=MappingExample(name=name, attributes=attributes, expected=example.expected))


@pytest.mark.parametrize("value", [2**70, 0.1, True, "Zoë", None, ("a", None, 1)])
async def test_example_is_read_as_stored(store: Store, value: Value) -> None:
    """Types stay, also those that MongoDB has not. Another connection has no example."""
    pinned = make_odd(value)

    is_replaced = await store.examples.save(pinned)

    assert is_replaced is False
    assert await store.examples.list_all(CONNECTION) == StoredExamples((pinned,))
    assert await store.examples.list_all(OTHER) == StoredExamples(())


async def test_example_with_the_same_name_is_replaced(store: Store) -> None:
    """It may be made from another employee. That of another connection stays."""
    other = make_pinned("1", connection_id=OTHER)
    await store.examples.save(make_pinned("1"))
    await store.examples.save(other)

    is_replaced = await store.examples.save(make_pinned("2"))

    assert is_replaced is True
    assert (await store.examples.list_all(CONNECTION)).examples == (make_pinned("2"),)
    assert (await store.examples.list_all(OTHER)).examples == (other,)


async def test_examples_are_listed_by_name(store: Store) -> None:
    """A name may contain what keys are made of."""
    names = ["a/b", "A", "ä"]
    for name in names:
        await store.examples.save(make_pinned(name=name))

    stored = await store.examples.list_all(CONNECTION)

    assert [pinned.example.name for pinned in stored.examples] == sorted(names)


async def test_example_is_removed_once(store: Store) -> None:
    """The second time, it is already gone."""
    await store.examples.save(make_pinned())

    assert await store.examples.remove(CONNECTION, "Ada") is True
    assert await store.examples.remove(CONNECTION, "Ada") is False
    assert await store.examples.list_all(CONNECTION) == StoredExamples(())


async def test_connection_has_a_limited_number_of_examples(store: Store) -> None:
    """Publishing checks all of them. One that exists can still be replaced."""
    await asyncio.gather(*(store.examples.save(make_pinned(name=f"n{number:03}")) for number in range(MAX_PINNED)))

    with pytest.raises(ExampleLimitError):
        await store.examples.save(make_pinned(name="one too many"))

    assert await store.examples.save(make_pinned(name="n000")) is True
    assert len((await store.examples.list_all(CONNECTION)).examples) == MAX_PINNED


async def test_example_has_a_limited_size(store: Store) -> None:
    """A text of Personio can have any length."""
    with pytest.raises(ExampleLimitError):
        await store.examples.save(make_odd("x" * MAX_LENGTH))

    assert await store.examples.list_all(CONNECTION) == StoredExamples(())


@pytest.mark.parametrize(("is_made_up", "number"), [(False, 1), (True, 0)])
async def test_example_is_erased_with_its_manager(store: Store, *, is_made_up: bool, number: int) -> None:
    """Real data has the name of the manager. With made-up values, the manager is made up."""
    await store.examples.save(make_pinned("1", manager="2", is_made_up=is_made_up))

    erased = await store.erasure.erase_person(make_person("2"))

    assert erased["mapping_examples"] == number
    assert len((await store.examples.list_all(CONNECTION)).examples) == 1 - number


async def test_made_up_example_is_erased_with_its_employee(store: Store) -> None:
    """It names the employee that it was made from."""
    await store.examples.save(make_pinned("1", is_made_up=True))

    await store.erasure.erase_person(make_person("1"))

    assert await store.examples.list_all(CONNECTION) == StoredExamples(())


@pytest.mark.mongo
@pytest.mark.parametrize(
    "change",
    [
        {"example": "no JSON"},
        {"example": 7},
        {"example": "[" * 100_000},
        {"example": '{"name": "Eva", "attributes": {}, "expected": {}}'},
        {"pinned_at": "yesterday"},
        {"connection_id": OTHER},
        {"employee_id": None},
        {"people": []},
        {"people": None},
    ],
)
async def test_damaged_example_is_named(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]], change: dict[str, Any]
) -> None:
    """It hides no other one, and can be replaced or removed by its name."""
    sound = make_pinned(name="sound")
    for pinned in (make_pinned(), sound):
        await mongodb_store.examples.save(pinned)
    await raw["mapping_examples"].update_one({"_id": KEY}, {"$set": change})

    stored = await mongodb_store.examples.list_all(CONNECTION)
    is_replaced = await mongodb_store.examples.save(make_pinned())

    assert stored == StoredExamples((sound,), ("Ada",))
    assert is_replaced is True
    assert (await mongodb_store.examples.list_all(CONNECTION)).unreadable == ()


@pytest.mark.mongo
async def test_example_that_was_removed_in_between_is_stored(
    mongodb_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command has stored and removed the same name between two steps: the example must not be lost."""
    collection = mongodb_store.examples._collection
    insert, answers = collection.insert, [False]

    async def meet_another(document: dict[str, Any]) -> bool:
        return answers.pop() if answers else await insert(document)

    monkeypatch.setattr(collection, "insert", meet_another)

    await mongodb_store.examples.save(make_pinned())

    assert await mongodb_store.examples.list_all(CONNECTION) == StoredExamples((make_pinned(),))


@pytest.mark.mongo
async def test_damaged_example_can_be_removed(mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Nothing of it but its key is needed."""
    await raw["mapping_examples"].insert_one({"_id": KEY})

    assert (await mongodb_store.examples.list_all(CONNECTION)).unreadable == ("Ada",)
    assert await mongodb_store.examples.remove(CONNECTION, "Ada") is True


@pytest.mark.mongo
@pytest.mark.parametrize(
    ("name", "shown"), [("\x1b[2J\x00", "\ufffd[2J\ufffd"), ("a\nb", "a\ufffdb"), ("", ""), ("\ufffd", "\ufffd")]
)
async def test_example_with_a_damaged_name_can_be_removed(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]], name: str, shown: str
) -> None:
    """By the name that is shown: no command line contains the stored one, and no mapping could be published for ever."""
    await mongodb_store.examples.save(make_pinned(name="sound"))
    document = await raw["mapping_examples"].find_one({})
    assert document is not None
    await raw["mapping_examples"].insert_one({**document, "_id": f"{CONNECTION}/{name}"})

    assert (await mongodb_store.examples.list_all(CONNECTION)).unreadable == (shown,)
    assert await mongodb_store.examples.remove(CONNECTION, shown) is True
    assert len((await mongodb_store.examples.list_all(CONNECTION)).examples) == 1
    assert await mongodb_store.examples.remove(CONNECTION, shown) is False


@pytest.mark.mongo
async def test_example_with_a_name_of_several_lines_is_unreadable(mongodb_store: Store) -> None:
    """It could imitate lines of this program."""
    await mongodb_store.examples.save(make_pinned(name="a\nb"))

    assert await mongodb_store.examples.list_all(CONNECTION) == StoredExamples((), ("a\ufffdb",))
