"""The errors of the store on MongoDB: which one, how soon, and that they quote neither documents nor passwords."""

import asyncio
import gc
import inspect
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr
from pymongo import UpdateOne, errors
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import reserve_port
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.work_ranges import WorkRange
from services.errors import ConnectorError, TransientError
from services.store.collection import Collection
from services.store.database import Store
from services.store.errors import StoreAccessError, StoreFailedError, StoreSetupError, StoreUnavailableError
from services.store.translation import translate
from tests.support.builders import CONNECTION, NOW, make_entry, make_person, make_pinned, make_snapshot
from tests.support.keys import make_key
from tests.support.servers import MongoServers

KEY = SecretStr(make_key())
PASSWORD = "a-database-password"

needs_mongo = pytest.mark.mongo


@asynccontextmanager
async def open_store(url: str, timeout_ms: int = 5000) -> AsyncIterator[Store]:
    """Yields a store of this server."""
    store = Store.connect(SecretStr(url), "test-errors", [KEY], timeout_ms=timeout_ms)
    try:
        yield store
    finally:
        store.close()


async def call_all(store: Store) -> list[BaseException | None]:
    """Calls one method of each repository at the same time. Returns what each of them raises."""
    calls = (
        store.ping(),
        store.create_indexes(),
        store.schedule.find_due(NOW, limit=99),
        store.snapshots.read(CONNECTION, [EmployeeId("1")]),
        store.snapshots.save([(make_snapshot(), None)]),
        store.mappings.get_published(CONNECTION),
        store.ledger.write([make_entry()]),
        store.counters.count_behind(CONNECTION),
        store.claims.claim_accounts("https://s.example", {AccountId("a-1"): make_person("1")}),
        store.claims.release(make_person("1")),
        store.links.count_open(CONNECTION),
        store.work_ranges.begin([WorkRange(partition=0, first_offset=0, last_offset=1, timestamp_ms=1)]),
        store.tasks.reopen_running(CONNECTION),
        store.runs.begin(CONNECTION, now=NOW),
        store.leases.find("x"),
        store.dead_letters.mark_retried(["0/1"], now=NOW),
        store.examples.save(make_pinned()),
    )
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result if isinstance(result, BaseException) else None for result in results]


async def wait_until_usable(store: Store) -> None:
    """Returns once no repository raises an error."""
    async with asyncio.timeout(60):
        while any(await call_all(store)):  # noqa: ASYNC110 - the driver has no event for it
            await asyncio.sleep(0.1)


# ------------------------------------------------------------ servers that do not answer


@needs_mongo
async def test_missing_server_is_unavailable_within_the_timeout() -> None:
    """Every repository raises the same error, which names the setting."""
    began = time.monotonic()

    async with open_store(f"mongodb://127.0.0.1:{reserve_port()}/", timeout_ms=500) as store:
        raised = await call_all(store)

    assert {type(error) for error in raised} == {StoreUnavailableError}
    assert isinstance(raised[0], TransientError)
    assert "MONGODB_URL" in str(raised[0])
    assert time.monotonic() - began < 20, "each call has half a second, and all run at the same time"


# The driver does not close the sockets of a server that hangs, so the garbage collector warns.
@needs_mongo
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_server_that_hangs_or_dies_is_usable_afterwards(tmp_path: Path) -> None:
    """The store reports the server as unavailable within the timeout, and works again with all confirmed data."""
    async with Mongo(tmp_path) as server, open_store(server.url, timeout_ms=1000) as store:
        async with open_store(server.url, timeout_ms=30_000) as patient:
            await patient.create_indexes()
            await patient.ledger.write([make_entry()])
        await wait_until_usable(store)
        server.pause()
        try:
            began = time.monotonic()
            raised_by_pause = await call_all(store)
            seconds = time.monotonic() - began
        finally:
            server.resume()
        await wait_until_usable(store)
        await server.kill()
        raised_by_kill = await call_all(store)
        await server.start()
        await wait_until_usable(store)
        stored = await store.ledger.get(make_person("1"))
    gc.collect()

    assert {type(error) for error in raised_by_pause} == {StoreUnavailableError}
    assert seconds < 20
    assert {type(error) for error in raised_by_kill} == {StoreUnavailableError}
    assert stored == make_entry(), "a majority had it on its disk"


@needs_mongo
async def test_wrong_user_is_named_without_the_password(mongo: MongoServers) -> None:
    """Work waits, as it does for a server that is down."""
    address = urlsplit(mongo.url).netloc.rpartition("@")[2]
    # After ten seconds the driver's heartbeat marks the server as available again. The timeout is below that.
    async with open_store(f"mongodb://stranger:{PASSWORD}@{address}/", timeout_ms=3_000) as store:
        for _ in range(2):
            with pytest.raises(StoreAccessError, match="user, password") as caught:
                await store.ping()
        raised = [caught.value, *await call_all(store)]

    assert all(isinstance(error, StoreUnavailableError) for error in raised)
    assert PASSWORD not in "".join("".join(traceback.format_exception(error)) for error in raised)


@pytest.mark.parametrize(
    "url",
    ["", "mysql://x", "http://h", f"mongodb://user:{PASSWORD}@", "mongodb://a:b:c@h", "mongodb://h:port"],
)
def test_invalid_address_is_rejected_without_its_password(url: str) -> None:
    """Neither the message nor the chain of errors quotes the address."""
    with pytest.raises(StoreSetupError, match="MONGODB_URL") as caught:
        Store.connect(SecretStr(url), "unused", [KEY])

    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ------------------------------------------------------------ documents and commands


@needs_mongo
async def test_invalid_document_is_named_by_its_fields(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    """The error never quotes the content of the document."""
    damaged = {"_id": "r1", "connection_id": 7, "action": {"kind": "poll"}, "filed_at": "many", "state": ["zoe"]}
    await raw["tasks"].insert_one(damaged)

    with pytest.raises(
        StoreFailedError, match=r"Task r1 has invalid fields \(.*connection_id.*filed_at.*id.*state"
    ) as caught:
        await mongodb_store.tasks.get("r1")

    assert "many" not in str(caught.value)
    assert "zoe" not in str(caught.value)
    assert caught.value.__suppress_context__


@needs_mongo
async def test_value_that_bson_cannot_store_fails(mongodb_store: Store) -> None:
    """BSON integers have 64 bits."""
    with pytest.raises(StoreFailedError, match="cannot be stored"):
        await mongodb_store.ledger.write([make_entry(seq=2**70)])


@needs_mongo
async def test_bulk_fails_for_an_error_other_than_a_duplicate(mongodb_store: Store) -> None:
    """One such error fails the whole bulk, although its other writes may have happened."""
    collection: Collection = mongodb_store.ledger._collection
    await mongodb_store.ledger.write([make_entry("1")])
    wrong = UpdateOne({"_id": str(make_person("1"))}, {"$inc": {"employee_id": 1}})

    with pytest.raises(StoreFailedError, match="code 14"):
        await collection.write_bulk([wrong, UpdateOne({"_id": "x"}, {"$set": {"a": 1}}, upsert=True)])


@needs_mongo
async def test_all_repositories_read_and_write_with_a_majority(mongodb_store: Store) -> None:
    """A read from the primary as a majority has it, and a write to a majority, survive the loss of the primary."""
    repositories = [
        value for value in vars(mongodb_store).values() if type(value).__module__.startswith("services.store")
    ]
    collections = [value for one in repositories for value in vars(one).values() if isinstance(value, Collection)]

    assert len(repositories) == 27
    assert len(collections) >= len(repositories)
    for collection in collections:
        motor = collection.motor
        assert motor.write_concern == WriteConcern("majority")
        assert motor.read_concern == ReadConcern("majority")
        assert motor.read_preference.mode == 0


# ------------------------------------------------------------ translation of the driver's errors


def list_driver_errors() -> list[type[Exception]]:
    """Returns every error class of the driver."""
    classes = [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.PyMongoError)
    ]
    return sorted(set(classes), key=lambda value: value.__name__)


def build_error(error_class: type[Any]) -> errors.PyMongoError:
    """Returns an error that quotes a document in every argument."""
    quote = "dup key: zoe@example.com"
    required = [p for p in inspect.signature(error_class).parameters.values() if p.default is p.empty]
    arguments: dict[str, Any] = {
        "error": quote,
        "cause": ValueError(quote),
        "results": {"writeErrors": [{"errmsg": quote}]},
    }
    error: errors.PyMongoError
    error = error_class(*(arguments.get(p.name, {}) for p in required)) if required else error_class(quote)
    return error


@pytest.mark.promise("P7")
@pytest.mark.parametrize("error_class", list_driver_errors())
def test_driver_error_is_translated_without_its_text(error_class: type[Any]) -> None:
    """Failures of the connection are transient; the text of the driver can quote documents."""
    error = build_error(error_class)

    translation = translate(error)

    is_temporary = isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WriteConcernError)
    assert isinstance(translation, ConnectorError)
    assert "zoe" not in str(translation)
    assert isinstance(translation, TransientError) == (is_temporary or error.timeout)


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (11000, StoreFailedError),
        (13, StoreAccessError),
        (18, StoreAccessError),
        (20, StoreSetupError),
        (91, StoreUnavailableError),
        (189, StoreUnavailableError),
        (10107, StoreUnavailableError),
        (None, StoreFailedError),
    ],
)
def test_server_code_selects_the_error(code: int | None, error_class: type[ConnectorError]) -> None:
    """A wrong user, a missing replica set and an election need different steps."""
    assert type(translate(errors.OperationFailure("quotes a document", code))) is error_class
