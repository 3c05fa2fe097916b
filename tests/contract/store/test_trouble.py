"""The store in trouble, on a real MongoDB: which error, how soon, and what it never says."""

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
from cryptography.fernet import Fernet
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import SecretStr
from pymongo import UpdateOne, errors
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import free_port
from services.contracts.ids import EmployeeId
from services.errors import ConnectorError, TransientError
from services.store.collection import Collection, translate
from services.store.database import Store
from services.store.errors import StoreAccessError, StoreFailedError, StoreSetupError, StoreUnavailableError
from tests.stack import MongoServers
from tests.stored import CONNECTION, NOW, entry, person, snapshot

pytestmark = pytest.mark.mongo

KEY = SecretStr(Fernet.generate_key().decode())
PASSWORD = "a-database-password"


@asynccontextmanager
async def opened(url: str, database: str = "test-trouble", timeout_ms: int = 5000) -> AsyncIterator[Store]:
    store = Store.connect(SecretStr(url), database, [KEY], timeout_ms=timeout_ms)
    try:
        yield store
    finally:
        store.close()


async def everything(store: Store) -> list[BaseException | None]:
    """What one method of each repository raises."""
    work = (
        store.ping(),
        store.migrate(),
        store.connections.due(NOW),
        store.snapshots.read(CONNECTION, [EmployeeId("1")]),
        store.snapshots.save([(snapshot(), None)]),
        store.mappings.published(CONNECTION),
        store.accounts.write([entry()]),
        store.accounts.behind(CONNECTION),
        store.requests.reopen_running(CONNECTION),
        store.runs.begin(CONNECTION, now=NOW),
        store.leases.find("x"),
        store.dead_letters.mark_retried(["0/1"], now=NOW),
    )
    found = await asyncio.gather(*work, return_exceptions=True)
    return [result if isinstance(result, BaseException) else None for result in found]


async def test_a_server_that_is_not_there_is_unavailable_within_the_time_out() -> None:
    began = time.monotonic()
    async with opened(f"mongodb://127.0.0.1:{free_port()}/", timeout_ms=500) as store:
        raised = await everything(store)
    assert {type(error) for error in raised} == {StoreUnavailableError}
    assert isinstance(raised[0], TransientError)
    assert "MONGODB_URL" in str(raised[0])
    assert time.monotonic() - began < 20, "each of them has half a second, all at once"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the driver leaves sockets of hanging servers behind
async def test_a_server_that_hangs_or_dies_is_unavailable_within_the_time_out_and_works_again_afterwards(
    tmp_path: Path,
) -> None:
    async with Mongo(tmp_path) as server, opened(server.url, timeout_ms=1000) as store:
        async with opened(server.url, timeout_ms=30_000) as patient:
            await patient.migrate()
            await patient.accounts.write([entry()])
        await until_it_works(store)
        server.pause()
        try:
            began = time.monotonic()
            raised = await everything(store)
            took = time.monotonic() - began
        finally:
            server.resume()
        assert {type(error) for error in raised} == {StoreUnavailableError}
        assert took < 20
        await until_it_works(store)
        await server.kill()
        assert {type(error) for error in await everything(store)} == {StoreUnavailableError}
        await server.start()
        await until_it_works(store)
        assert await store.accounts.get(person("1")) == entry(), "a majority had it on its disk"
    gc.collect()


async def until_it_works(store: Store) -> None:
    async with asyncio.timeout(60):
        while any(await everything(store)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


async def test_a_wrong_user_is_named_without_the_password(mongo: MongoServers) -> None:
    place = urlsplit(mongo.url).netloc.rpartition("@")[2]
    # below the ten seconds after which the driver looks at the server again, and finds that it answers after all
    async with opened(f"mongodb://nobody:{PASSWORD}@{place}/", timeout_ms=3_000) as store:
        for _ in range(2):
            with pytest.raises(StoreAccessError, match="user, password") as caught:
                await store.ping()
        raised = [caught.value, *await everything(store)]
    assert all(isinstance(error, StoreUnavailableError) for error in raised), "work waits, as for a server that is down"
    assert PASSWORD not in "".join("".join(traceback.format_exception(error)) for error in raised)


@pytest.mark.parametrize(
    "url",
    ["", "mysql://x", "http://h", f"mongodb://user:{PASSWORD}@", "mongodb://a:b:c@h", "mongodb://h:port"],
)
def test_an_address_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(StoreSetupError, match="MONGODB_URL") as caught:
        Store.connect(SecretStr(url), "unused", [KEY])
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_document_of_another_shape_is_named_by_its_fields_and_not_by_their_content(
    store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    damaged = {
        "_id": f"{CONNECTION}/1",
        "connection_id": CONNECTION,
        "employee_id": 7,
        "seq": "many",
        "user_name": ["zoe"],
    }
    await raw["accounts"].insert_one(damaged)
    with pytest.raises(StoreFailedError, match=r"Account .*/1 cannot be read: employee_id, seq, user_name") as caught:
        await store.accounts.get(person("1"))
    assert "many" not in str(caught.value)
    assert "zoe" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_value_that_the_database_cannot_hold_is_our_own_failure(store: Store) -> None:
    with pytest.raises(StoreFailedError, match="cannot be stored"):
        await store.accounts.write([entry(seq=2**70)])


async def test_a_bulk_that_fails_in_part_for_another_reason_than_a_taken_id_fails(store: Store) -> None:
    collection: Collection = store.accounts._collection
    await store.accounts.write([entry("1")])
    wrong = UpdateOne({"_id": str(person("1"))}, {"$inc": {"employee_id": 1}})
    with pytest.raises(StoreFailedError, match="code 14"):
        await collection.bulk([wrong, UpdateOne({"_id": "x"}, {"$set": {"a": 1}}, upsert=True)])


async def test_everything_is_written_to_a_majority_and_read_as_one_holds_it(store: Store) -> None:
    repositories = [value for value in vars(store).values() if hasattr(value, "_collection")]
    assert len(repositories) == 8
    for repository in repositories:
        motor = repository._collection.motor
        assert motor.write_concern == WriteConcern("majority")
        assert motor.read_concern == ReadConcern("majority")
        assert motor.read_preference.mode == 0


async def test_a_list_of_named_people_longer_than_a_page_brings_these_alone(store: Store) -> None:
    await store.snapshots.save([(snapshot(f"{number:04}"), None) for number in range(900)])
    wanted = [EmployeeId(f"{number:04}") for number in range(600)]
    found = [item.employee_id async for batch in store.snapshots.stream(CONNECTION, wanted) for item in batch]
    assert found == wanted


# ---------------------------------------------------------------- the pure part


def driver_errors() -> list[type[Exception]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PyMongoError)]
    return sorted(set(found), key=lambda kind: kind.__name__)


def raised(kind: type[Any]) -> errors.PyMongoError:
    quoting = "dup key: zoe@example.com"
    needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    arguments: dict[str, Any] = {
        "error": quoting,
        "cause": ValueError(quoting),
        "results": {"writeErrors": [{"errmsg": quoting}]},
    }
    made: errors.PyMongoError = kind(*(arguments.get(p.name, {}) for p in needed)) if needed else kind(quoting)
    return made


@pytest.mark.parametrize("kind", driver_errors())
def test_every_error_of_the_driver_is_one_of_ours_and_does_not_quote_it(kind: type[Any]) -> None:
    error = raised(kind)
    ours = translate(error)
    assert isinstance(ours, ConnectorError)
    assert "zoe" not in str(ours)
    passing = isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WriteConcernError)
    assert isinstance(ours, TransientError) == (passing or error.timeout)


@pytest.mark.parametrize(
    ("code", "ours"),
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
def test_what_the_server_s_codes_mean(code: int | None, ours: type[ConnectorError]) -> None:
    assert type(translate(errors.OperationFailure("quotes a document", code))) is ours
