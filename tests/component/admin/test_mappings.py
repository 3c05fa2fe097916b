"""Drafts and versions of a mapping on a real MongoDB, and the tasks that bring a version to all employees."""

from typing import Literal

import pytest

from services.admin import connections
from services.admin.mapping import versions as mappings
from services.admin.mapping.documents import InvalidMappingError
from services.admin.mapping.examples import FailingExamplesError, unpin
from services.admin.mapping.publication import prepare_publication
from services.contracts.connections import Connection
from services.contracts.examples import ExpectedAccount, MappingExample
from services.contracts.ids import ConnectionId
from services.contracts.mappings import (
    AttributeSource,
    ExpressionSource,
    MappingDocument,
    PublishedMapping,
    Rule,
    default_mapping,
)
from services.contracts.tasks import Poll, Resend
from services.store.database import Store
from services.store.errors import (
    DraftConflictError,
    MappingConflictError,
    StoreFailedError,
    UnknownConnectionError,
)
from tests.support.builders import ADA, CONNECTION, DECLAREE, PERSONIO, make_pinned
from tests.support.fakes import FakeClock

pytestmark = pytest.mark.mongo

TITLE = Rule(target="title", source=AttributeSource(attribute="position"))
FURTHER = MappingDocument(rules=(*default_mapping().rules, TITLE))
"""The default mapping, and a rule that reads a further attribute."""


@pytest.fixture
async def connection(store: Store) -> Connection:
    """A stored connection with the default mapping."""
    return await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, allow_private=False)


async def publish(
    store: Store,
    connection: Connection,
    mapping: MappingDocument,
    dropped: Literal["leave", "clear"] | None = None,
) -> PublishedMapping:
    """Publishes a mapping."""
    return await mappings.publish(store, FakeClock(), connection.id, mapping, by="ada", dropped=dropped)


async def save_draft(store: Store, connection: ConnectionId, mapping: MappingDocument, revision: int = 0) -> None:
    """Saves a draft."""
    await mappings.save_draft(store, FakeClock(), connection, mapping, by="ada", revision=revision)


async def list_tasks(store: Store, connection: Connection) -> list[object]:
    """Returns what the open tasks of a connection do."""
    return [task.action for task in await store.tasks.list_open(connection.id)]


async def test_published_mapping_resends_all_employees(store: Store, connection: Connection) -> None:
    """The next version applies, and an open task brings it to every employee."""
    published = await mappings.publish(store, FakeClock(), connection.id, default_mapping(), by="ada", note="as agreed")

    assert published.published_by == "ada"
    assert published.note == "as agreed"
    assert await store.mappings.get_published(connection.id) == published
    assert await list_tasks(store, connection) == [Resend(scope="all", reason="mapping version 2 was published")]


async def test_mapping_with_further_attributes_polls_before_it_resends(store: Store, connection: Connection) -> None:
    """Personio is asked for the new attribute, so that the resend has its values."""
    await store.connections.start(connection.id, now=FakeClock().now())

    await publish(store, connection, FURTHER)

    assert await list_tasks(store, connection) == [
        Poll(),
        Resend(scope="all", reason="mapping version 2 was published"),
    ]


async def test_mapping_of_a_paused_connection_does_not_poll(store: Store, connection: Connection) -> None:
    """A connection that was never started imports no employee. The first poll asks for the new attribute."""
    await publish(store, connection, FURTHER)

    assert [task.action.kind for task in await store.tasks.list_open(connection.id)] == ["resend"]


async def test_mapping_without_its_task_is_not_published(store: Store, connection: Connection) -> None:
    """Version and task are one transaction: here a task with the same id exists."""
    taken = await store.tasks.file(connection.id, Poll(), now=FakeClock().now())
    store.tasks._new_id = lambda: taken.id

    with pytest.raises(StoreFailedError):
        await publish(store, connection, default_mapping())

    assert [version.version for version in await store.mappings.list_versions(connection.id)] == [1]


async def test_dropped_field_needs_a_decision(store: Store, connection: Connection) -> None:
    """Otherwise its value would stay in the accounts unseen."""
    await publish(store, connection, FURTHER)

    with pytest.raises(mappings.DroppedFieldsError, match="the published version writes title") as caught:
        await publish(store, connection, default_mapping())

    assert caught.value.targets == ("title",)
    assert len(await store.mappings.list_versions(connection.id)) == 2


async def test_dropped_field_is_withdrawn_or_left(store: Store, connection: Connection) -> None:
    """The withdrawn rule is that of the version before."""
    await publish(store, connection, FURTHER)

    cleared = await publish(store, connection, default_mapping(), "clear")
    again = await publish(store, connection, FURTHER)
    left = await publish(store, connection, default_mapping(), "leave")

    assert cleared.mapping.withdrawn == (TITLE,)
    assert again.mapping.withdrawn == ()
    assert left.mapping.withdrawn == ()


async def test_draft_is_published_and_gone(store: Store, connection: Connection) -> None:
    """It has changed nothing before."""
    await save_draft(store, connection.id, FURTHER)
    tasks = await list_tasks(store, connection)
    draft = await mappings.get_draft(store, connection.id)

    published = await mappings.publish_draft(store, FakeClock(), draft, by="ben", note=None, dropped=None)

    assert tasks == []
    assert published.version == 2
    assert published.published_by == "ben"
    with pytest.raises(mappings.NoSuchVersionError, match="save one with"):
        await mappings.get_draft(store, connection.id)


async def test_draft_that_has_changed_is_not_published(store: Store, connection: Connection) -> None:
    """Its author has not seen what another person has saved since."""
    await save_draft(store, connection.id, FURTHER)
    draft = await mappings.get_draft(store, connection.id)
    await save_draft(store, connection.id, default_mapping(), revision=1)

    with pytest.raises(DraftConflictError):
        await mappings.publish_draft(store, FakeClock(), draft, by="ada", note=None, dropped=None)

    assert len(await store.mappings.list_versions(connection.id)) == 1


async def test_draft_of_an_older_version_is_not_published(store: Store, connection: Connection) -> None:
    """It would take back what was published in between."""
    await save_draft(store, connection.id, default_mapping())
    draft = await mappings.get_draft(store, connection.id)
    await publish(store, connection, FURTHER)

    with pytest.raises(mappings.OutdatedDraftError, match="version 2 was published since the draft was begun"):
        await mappings.publish_draft(store, FakeClock(), draft, by="ada", note=None, dropped="leave")

    assert await store.drafts.get(connection.id) == draft


async def test_unknown_versions_and_connections_are_named(store: Store, connection: Connection) -> None:
    """A typing error must not look like an empty history."""
    with pytest.raises(mappings.NoSuchVersionError, match="no version 7"):
        await mappings.get_version(store, connection.id, 7)
    for read in (mappings.get_published, mappings.get_draft, mappings.list_versions, mappings.discard_draft):
        with pytest.raises(UnknownConnectionError):
            await read(store, CONNECTION)


async def test_connection_without_a_mapping_is_an_error(store: Store, connection: Connection) -> None:
    """An empty document would look like a mapping without rules."""
    await store._database["mappings"].delete_many({})

    with pytest.raises(InvalidMappingError, match=connection.id):
        await mappings.get_published(store, connection.id)


async def test_unreadable_mapping_is_replaced(store: Store, connection: Connection) -> None:
    """Publishing is the way to repair it."""
    await store._database["mappings"].update_one({"version": 1}, {"$set": {"mapping.format_version": 9}})

    published = await publish(store, connection, FURTHER)

    assert published.version == 2
    assert await store.mappings.get_published(connection.id) == published


async def test_version_that_was_published_in_between_stays(store: Store, connection: Connection) -> None:
    """The question was answered for another difference."""
    publication = await prepare_publication(store, connection.id, FURTHER)
    await publish(store, connection, default_mapping())

    with pytest.raises(MappingConflictError):
        await mappings.publish(
            store, FakeClock(), connection.id, FURTHER, by="ada", expected_version=publication.version
        )


async def test_publication_has_what_its_author_decides_about(store: Store, connection: Connection) -> None:
    """Problems, hints, differences and dropped fields."""
    await publish(store, connection, FURTHER)
    unknown = Rule(target="urn:x:2.0:User:car", source=AttributeSource(attribute="position"))
    wrong = Rule(target="costCentre", source=AttributeSource(attribute="position"))
    mapping = MappingDocument(rules=(*default_mapping().rules, unknown, wrong))

    publication = await prepare_publication(store, connection.id, mapping)

    assert publication.version == 2
    assert publication.dropped == (TITLE,)
    assert [difference.place for difference in publication.differences] == ["title", unknown.target, wrong.target]
    assert [problem.partition(":")[0] for problem in publication.review.problems] == ["rule 5 (costCentre)"]
    assert [hint.partition(": ")[0] for hint in publication.review.hints] == ["rule 4 (urn:x:2.0:User:car)"]


async def test_mapping_that_cannot_be_used_is_not_published(store: Store, connection: Connection) -> None:
    """An earlier version may have an expression that a later one of the product refuses."""
    wrong = Rule(target="title", source=ExpressionSource(expression="a = b"))

    with pytest.raises(InvalidMappingError, match="a comparison has two equals signs"):
        await publish(store, connection, MappingDocument(rules=(*default_mapping().rules, wrong)))


# ------------------------------------------------------------ pinned examples


async def pin_title(store: Store, connection: Connection) -> None:
    """Pins an example that holds only with a mapping that writes the position to the title."""
    expected = ExpectedAccount(fields={"title": "Countess"})
    example = MappingExample(name="title", attributes={**ADA, "position": "Countess"}, expected=expected)
    await store.examples.save(make_pinned(connection_id=connection.id, example=example))


async def test_mapping_with_a_failing_example_is_not_published(store: Store, connection: Connection) -> None:
    """No task is filed either. A mapping with which it holds is published."""
    await pin_title(store, connection)

    with pytest.raises(FailingExamplesError) as caught:
        await publish(store, connection, default_mapping())

    assert [failure.place for failure in caught.value.check.failures] == ["title"]
    assert await store.mappings.find_newest_versions([connection.id]) == {connection.id: 1}
    assert await list_tasks(store, connection) == []
    assert (await publish(store, connection, FURTHER)).version == 2


async def test_draft_with_a_failing_example_stays(store: Store, connection: Connection) -> None:
    """Its author corrects it, or replaces the example."""
    await pin_title(store, connection)
    await save_draft(store, connection.id, default_mapping())
    draft = await mappings.get_draft(store, connection.id)

    with pytest.raises(FailingExamplesError):
        await mappings.publish_draft(store, FakeClock(), draft, by="ada", note=None, dropped=None)

    assert await mappings.get_draft(store, connection.id) == draft


async def test_version_with_a_failing_example_is_not_published_again(store: Store, connection: Connection) -> None:
    """Without the example, it is."""
    await publish(store, connection, FURTHER)
    await pin_title(store, connection)
    first = await mappings.get_version(store, connection.id, 1)

    with pytest.raises(FailingExamplesError):
        await publish(store, connection, first.mapping, dropped="leave")
    await unpin(store, connection.id, "title")

    assert (await publish(store, connection, first.mapping, dropped="leave")).version == 3


async def test_prepared_publication_says_which_examples_hold(store: Store, connection: Connection) -> None:
    """A mapping that cannot be used is refused for another reason."""
    await pin_title(store, connection)
    unusable = MappingDocument(rules=(Rule(target="title", source=ExpressionSource(expression="1 +")),))

    holding = [
        (await prepare_publication(store, connection.id, mapping)).examples.holding
        for mapping in (default_mapping(), FURTHER, unusable)
    ]

    assert holding == [0, 1, 1]
