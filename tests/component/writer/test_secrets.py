"""Secrets of a connection that cannot be decrypted: its employees wait, and are settled with the right key."""

import pytest

from services.contracts.connections import DeclareeAccess
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.database import Store
from tests.support.builders import DECLAREE, NOW, PERSONIO, make_request
from tests.support.writer_stage import URL, WriterStage, summarize

pytestmark = pytest.mark.mongo


async def add_connection(store: Store) -> ConnectionId:
    """Stores an active connection, with its secrets encrypted by the store's key."""
    access: DeclareeAccess = DECLAREE.model_copy(update={"url": URL})
    connection = (await store.connections.add("Nordlicht", PERSONIO, access, now=NOW)).id
    await store.connections.start(connection, now=NOW)
    return connection


def use_stored_connections(stage: WriterStage, store: Store) -> None:
    """Lets the writer read the connections from this store."""
    stage.connections = store.connections
    stage.restart()


async def test_undecryptable_secret_makes_employees_wait(stage: WriterStage, store_with_other_key: Store) -> None:
    """Without the encryption key the change waits, and nothing is sent to the server."""
    name = await add_connection(stage.store)
    use_stored_connections(stage, store_with_other_key)
    request = make_request("1", connection=name)

    outcomes = await stage.handle(request)

    entry = await stage.store.ledger.get(request.person)
    assert outcomes == []
    assert entry is not None
    assert entry.waiting is not None
    assert entry.waiting.cause == WaitingCause.UNREADABLE_SECRET
    assert stage.list_calls() == []


async def test_right_key_settles_waiting_employee(stage: WriterStage, store_with_other_key: Store) -> None:
    """A writer with the right encryption key settles the change that waits."""
    name = await add_connection(stage.store)
    request = make_request("1", connection=name)
    use_stored_connections(stage, store_with_other_key)
    await stage.handle(request)
    use_stored_connections(stage, stage.store)

    assert summarize(await stage.handle(request)) == [("1", Outcome.CREATED)]
    entry = await stage.store.ledger.get(request.person)
    assert entry is not None
    assert entry.waiting is None
