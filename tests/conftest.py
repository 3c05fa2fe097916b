"""Cross-cutting only: no network beyond this machine, swallowed errors fail, one Kafka and one MongoDB a session."""

import gc
import logging
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
import pytest_socket
from cryptography.fernet import Fernet
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from sandbox.stack.kafka import Kafka
from sandbox.stack.mongo import Mongo, connect
from services.store.database import Store
from services.store.migrations import INDEXES
from tests.stack import KafkaServers, MongoServers

LOOPBACK_HOSTS = ["127.0.0.1", "::1", "localhost"]
OURS = ("services", "sandbox")

# no time limit an example, and the same examples every time: a busy machine must not turn a test red
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ours")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "expects_errors: logs errors on purpose, which fail every other test")


def pytest_runtest_setup() -> None:
    """Refuse connections to everything but this machine; pytest-socket lifts it after each test."""
    pytest_socket.socket_allow_hosts([*LOOPBACK_HOSTS, *_given_hosts()], allow_unix_socket=True)


def _given_hosts() -> list[str]:
    """Return the hosts of servers the tests were pointed to."""
    addresses = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "").split(",")
    addresses += (
        os.environ.get("MONGODB_URL", "").rpartition("@")[2].removeprefix("mongodb://").split("/")[0].split(",")
    )
    return [address.rpartition(":")[0] or address for address in addresses if address]


@pytest.fixture(autouse=True)
def _no_swallowed_errors(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """An error that ends in the log, or in a task nobody awaits, fails the test as if it had been raised."""
    yield
    if request.node.get_closest_marker("expects_errors"):
        return
    gc.collect(1)  # asyncio reports a task's lost exception when the task is collected
    records = [record for when in ("setup", "call", "teardown") for record in caplog.get_records(when)]
    errors = [f"{record.name}: {record.getMessage()}" for record in records if _is_swallowed_error(record)]
    if errors:
        pytest.fail("errors were logged, not raised:\n" + "\n".join(errors), pytrace=False)


def _is_swallowed_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR and record.name.partition(".")[0] in {*OURS, "asyncio"}


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaServers]:
    """An Apache Kafka for the whole session: KAFKA_BOOTSTRAP_SERVERS if set, else one of our own."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield KafkaServers(given)
        return
    folder = tmp_path_factory.mktemp("kafka")
    async with Kafka(folder) as server:
        yield KafkaServers(server.bootstrap_servers)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MongoServers]:
    """A MongoDB replica set for the whole session: MONGODB_URL if set, else one of our own."""
    if given := os.environ.get("MONGODB_URL"):
        yield MongoServers(given)
        return
    folder = tmp_path_factory.mktemp("mongo")
    async with Mongo(folder) as server:
        yield MongoServers(server.url)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def _mongo_client(mongo: MongoServers) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    async with connect(mongo.url) as client:
        yield client


@pytest.fixture
async def database(_mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """Name of a database of the test's own, dropped afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    await _mongo_client.drop_database(name)


@pytest.fixture(scope="session")
async def _prepared(mongo: MongoServers, _mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """To make two dozen indexes takes longer than most tests, so they are made once.

    Without those by which MongoDB deletes what has expired: by the clock of the tests all of it has, long ago.
    """
    name = f"test-prepared-{secrets.token_hex(4)}"
    store = Store.connect(SecretStr(mongo.url), name, [SecretStr(Fernet.generate_key().decode())], timeout_ms=30_000)
    try:
        await store.migrate()
    finally:
        store.close()
    for index in INDEXES:
        if "expireAfterSeconds" in index.options:
            await _mongo_client[name][index.collection].drop_index(index.name)
    yield name
    await _mongo_client.drop_database(name)


@pytest.fixture
async def prepared_database(_prepared: str, _mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """Name of a database as `init` leaves it, empty for each test."""
    yield _prepared
    for name in await _mongo_client[_prepared].list_collection_names():
        await _mongo_client[_prepared][name].delete_many({})


@pytest.fixture
def topic_prefix() -> str:
    """Stands before the names of the test's own topics and groups, as KAFKA_TOPIC_PREFIX does: `t7f3a1c-`."""
    return f"t{secrets.token_hex(3)}-"
