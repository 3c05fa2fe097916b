"""Pinned examples as a condition: which hold, what an error says, and what it must not say."""

from dataclasses import replace

import pytest

from services.admin.mapping.examples import (
    MAX_NAMED,
    ExampleCheck,
    FailingExamplesError,
    UnknownExampleError,
    check_examples,
    ensure_examples_hold,
    list_examples,
    unpin,
)
from services.contracts.connections import Connection
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.ids import ConnectionId
from services.contracts.mappings import ExpressionSource, MappingDocument, Rule, default_mapping
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapping.examples import ExampleFailure
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import ADA, NOW, make_pinned, make_rule
from tests.support.fake_store.examples import FakeExamples

SHORT = MappingDocument(rules=(make_rule("name.givenName", "last_name"),))
"""A mapping that writes the wrong name."""
UNUSABLE = MappingDocument(rules=(Rule(target="title", source=ExpressionSource(expression="1 +")),))


async def pin(store: Store, connection: Connection, name: str = "Ada", *, title: Value = None) -> None:
    """Stores an example that holds with the default mapping, unless it expects a title."""
    fields: dict[str, Value] = {"name.givenName": "Ada", **({} if title is None else {"title": title})}
    example = MappingExample(name=name, attributes=dict(ADA), expected=ExpectedAccount(fields=fields))
    await store.examples.save(make_pinned(connection_id=connection.id, example=example))


def damage(store: Store, connection: Connection, name: str) -> None:
    """Makes an example unreadable."""
    examples = store.examples
    assert isinstance(examples, FakeExamples)
    examples.unreadable.add((connection.id, name))


async def test_check_counts_the_examples_that_hold(store: Store, connection: Connection) -> None:
    """An unreadable one does not."""
    await pin(store, connection)
    await pin(store, connection, "Countess", title="Countess")
    damage(store, connection, "old")

    check = await check_examples(store, connection.id, default_mapping())

    assert check.number == 3
    assert check.holding == 1
    assert check.unreadable == ("old",)
    assert check.failures == (ExampleFailure("Countess", "title", "Countess", None),)
    assert not check.has_passed


async def test_examples_that_hold_allow_the_mapping(store: Store, connection: Connection) -> None:
    """A connection without examples can publish each mapping."""
    await ensure_examples_hold(store, connection.id, SHORT)
    await pin(store, connection)

    await ensure_examples_hold(store, connection.id, default_mapping())


async def test_error_names_example_and_kinds_without_values(store: Store, connection: Connection) -> None:
    """The values are real data of an employee, and an error is logged."""
    await pin(store, connection, "names", title="Countess")

    with pytest.raises(FailingExamplesError) as caught:
        await ensure_examples_hold(store, connection.id, SHORT)

    message = str(caught.value)
    assert "names: name.givenName: another text; names: title: no value instead of text" in message
    assert f"`mapping preview {connection.id} [FILE] --employee EMPLOYEE --pin NAME`" in message
    assert f"`mapping unpin {connection.id} NAME`" in message
    assert not [value for value in ("Ada", "Lovelace", "Countess") if value in message + repr(caught.value)]


async def test_error_says_how_to_remove_what_cannot_be_read(store: Store, connection: Connection) -> None:
    """It cannot be replaced by chance: its name is known."""
    damage(store, connection, "old")

    with pytest.raises(FailingExamplesError) as caught:
        await ensure_examples_hold(store, connection.id, default_mapping())

    assert "(old: it cannot be read)" in str(caught.value)
    assert f"`mapping unpin {connection.id} NAME`" in str(caught.value)


def test_error_with_many_differences_is_short() -> None:
    """A hundred examples can differ in each field."""
    failures = tuple(ExampleFailure(f"e{number}", "title", "a", 1) for number in range(500))

    error = FailingExamplesError(ExampleCheck(ConnectionId("c"), 500, failures, ()))

    assert str(error).count("number instead of text") == MAX_NAMED
    assert f"and {500 - MAX_NAMED} more" in str(error)


@pytest.mark.parametrize(
    ("expected", "actual", "kinds"),
    [
        ("a", "b", "another text"),
        (1, True, "boolean instead of number"),
        (1.5, 2, "another number"),
        (None, ("a",), "list instead of no value"),
    ],
)
def test_difference_has_the_kinds_of_the_values(expected: Value, actual: Value, kinds: str) -> None:
    """They help without the values."""
    assert ExampleFailure("x", "title", expected, actual).kinds == kinds


def test_difference_of_intents_names_them() -> None:
    """They are not personal data."""
    failure = ExampleFailure("x", "intent", Intent.PROVISION.value, Intent.REJECT.value)

    assert failure.kinds == "reject instead of provision"


async def test_listed_examples_say_which_mapping_they_fit(store: Store, connection: Connection) -> None:
    """Without a mapping, or with one that cannot be used, this is unknown."""
    await pin(store, connection)
    before = await list_examples(store, connection.id)
    await store.mappings.publish(connection.id, default_mapping(), now=NOW, expected_version=None)
    await store.drafts.save(connection.id, SHORT, based_on=1, expected_revision=0, by="ada", now=NOW)

    (listed,) = (await list_examples(store, connection.id)).examples
    await store.drafts.save(connection.id, UNUSABLE, based_on=1, expected_revision=1, by="ada", now=NOW)
    (unusable,) = (await list_examples(store, connection.id)).examples

    assert [(one.published, one.draft) for one in before.examples] == [(None, None)]
    assert listed.published == ()
    assert [failure.place for failure in listed.draft or ()] == ["name.givenName"]
    assert unusable == replace(listed, draft=None)


async def test_unpinned_example_is_gone(store: Store, connection: Connection) -> None:
    """An unknown name or connection is an error: it may be a mistake in writing."""
    await pin(store, connection)
    damage(store, connection, "old")

    await unpin(store, connection.id, "Ada")
    await unpin(store, connection.id, "old")

    assert (await list_examples(store, connection.id)).examples == ()
    with pytest.raises(UnknownExampleError, match="'Ada'"):
        await unpin(store, connection.id, "Ada")
    with pytest.raises(UnknownConnectionError):
        await unpin(store, ConnectionId("c-unknown"), "Ada")
