"""Publishing a mapping on a real MongoDB: the new version and the task that resends all employees."""

import pytest

from services.admin import connections, mappings
from services.contracts.connections import Connection
from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.tasks import Poll, Resend
from services.store.database import Store
from services.store.errors import StoreFailedError
from tests.support.builders import DECLAREE, PERSONIO
from tests.support.fakes import FakeClock

pytestmark = pytest.mark.mongo


@pytest.fixture
async def connection(store: Store) -> Connection:
    """A stored connection with the default mapping."""
    return await connections.add(store, FakeClock(), "Nordlicht", PERSONIO, DECLAREE, allow_private=False)


async def test_published_mapping_resends_all_employees(store: Store, connection: Connection) -> None:
    """The next version applies, and an open task brings it to every employee."""
    document = await mappings.export_document(store, connection.id)

    published = await mappings.publish_document(store, FakeClock(), connection.id, document)
    tasks = await store.tasks.list_open(connection.id)

    assert published.version == 2
    assert await store.mappings.get_published(connection.id) == published
    assert [task.action for task in tasks] == [Resend(scope="all", reason="mapping version 2 was published")]


FURTHER = MappingDocument(
    rules=(*default_mapping().rules, Rule(target="title", source=AttributeSource(attribute="position")))
)
"""The default mapping, and a rule that reads a further attribute."""


async def test_mapping_with_further_attributes_polls_before_it_resends(store: Store, connection: Connection) -> None:
    """Personio is asked for the new attribute, so that the resend has its values."""
    await store.connections.start(connection.id, now=FakeClock().now())

    await mappings.publish_document(store, FakeClock(), connection.id, mappings.format_document(FURTHER))
    tasks = await store.tasks.list_open(connection.id)

    assert [task.action for task in tasks] == [
        Poll(),
        Resend(scope="all", reason="mapping version 2 was published"),
    ]


async def test_mapping_of_a_paused_connection_does_not_poll(store: Store, connection: Connection) -> None:
    """A connection that was never started imports no employee. The first poll asks for the new attribute."""
    await mappings.publish_document(store, FakeClock(), connection.id, mappings.format_document(FURTHER))
    tasks = await store.tasks.list_open(connection.id)

    assert [task.action.kind for task in tasks] == ["resend"]


async def test_mapping_without_its_task_is_not_published(store: Store, connection: Connection) -> None:
    """Version and task are one transaction: here a task with the same id exists."""
    document = await mappings.export_document(store, connection.id)
    taken = await store.tasks.file(connection.id, Poll(), now=FakeClock().now())
    store.tasks._new_id = lambda: taken.id

    with pytest.raises(StoreFailedError):
        await mappings.publish_document(store, FakeClock(), connection.id, document)

    assert [version.version for version in await store.mappings.list_versions(connection.id)] == [1]
