"""Rules and fixtures of all tests: no network beyond this machine, no swallowed error, shared Kafka and MongoDB."""

import asyncio
import functools
import gc
import inspect
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import hypothesis
import pytest
import pytest_socket
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from xdist.scheduler.loadscope import LoadScopeScheduling

from sandbox.stack.kafka import Kafka
from sandbox.stack.mongo import Mongo, connect
from services.store.database import Store
from services.store.indexes import INDEXES
from tests.support.keys import make_key
from tests.support.servers import KafkaServers, MongoServers

LOOPBACK_HOSTS = ["127.0.0.1", "::1", "localhost"]
"""Hosts that tests may connect to."""

OURS = ("services", "sandbox")
"""Packages of the product: an error in their logs fails a test."""

INDEPENDENT = ("tests/simulation/", "tests/unit/provisioning/test_exhaustive.py")
"""Tests that take long, and share no fixture with the others of their module."""

LONGEST = ("tests/e2e/", *INDEPENDENT, "tests/kafka/")
"""Tests that take longest."""

# without a deadline, and with the same examples in every run, a busy machine does not fail a test
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ours")


TIME_LIMIT_SHARE = 0.9
"""The share of its time limit after which a test fails. At the whole limit, pytest-timeout ends the test process."""

BEGAN = pytest.StashKey[float]()
"""When the setup of a test began, in monotonic seconds."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers of this file."""
    config.addinivalue_line("markers", "expects_errors: logs errors on purpose, which fail every other test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets the longest tests begin first, so that no worker is left alone with one, and limits the time of each."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _limit_time(item, item.obj)


def _limit_time(item: pytest.Item, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Returns a test that fails before pytest-timeout ends its process, with all other tests of that worker."""
    marker = item.get_closest_marker("timeout")
    seconds = TIME_LIMIT_SHARE * float(marker.args[0] if marker and marker.args else item.config.getini("timeout"))

    @functools.wraps(test)
    async def run(*arguments: Any, **fixtures: Any) -> None:
        async with asyncio.timeout(max(0.0, seconds - (time.monotonic() - item.stash[BEGAN]))):
            await test(*arguments, **fixtures)

    return run


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Returns the scheduler of ``--dist loadscope``; None for any other."""
    return IndependentTests(config, log) if config.getvalue("dist") == "loadscope" else None


class IndependentTests(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Lets the tests of a module run in one worker, because they share servers, but not those that share nothing."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(INDEPENDENT) else super()._split_scope(nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Blocks connections to other machines; pytest-socket removes the block after each test."""
    item.stash[BEGAN] = time.monotonic()
    pytest_socket.socket_allow_hosts([*LOOPBACK_HOSTS, *_get_server_hosts()], allow_unix_socket=True)


def _get_server_hosts() -> list[str]:
    """Returns the hosts of the servers that environment variables name for the tests."""
    addresses = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "").split(",")
    addresses += (
        os.environ.get("MONGODB_URL", "").rpartition("@")[2].removeprefix("mongodb://").split("/")[0].split(",")
    )
    return [address.rpartition(":")[0] or address for address in addresses if address]


@pytest.fixture(autouse=True)
def _no_swallowed_errors(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails the test if an error was logged, or lost in a task that was not awaited."""
    yield
    if request.node.get_closest_marker("expects_errors"):
        return
    gc.collect(1)  # asyncio logs the exception of a task that was not awaited when the task is collected
    records = [record for when in ("setup", "call", "teardown") for record in caplog.get_records(when)]
    errors = [f"{record.name}: {record.getMessage()}" for record in records if _is_swallowed_error(record)]
    if errors:
        pytest.fail("errors were logged, not raised:\n" + "\n".join(errors), pytrace=False)


def _is_swallowed_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR and record.name.partition(".")[0] in {*OURS, "asyncio"}


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaServers]:
    """The Kafka of the session: KAFKA_BOOTSTRAP_SERVERS if set, otherwise a server that is started here."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield KafkaServers(servers)
        return
    folder = tmp_path_factory.mktemp("kafka")
    async with Kafka(folder) as server:
        yield KafkaServers(server.bootstrap_servers)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MongoServers]:
    """The MongoDB replica set of the session: MONGODB_URL if set, otherwise a server that is started here."""
    if url := os.environ.get("MONGODB_URL"):
        yield MongoServers(url)
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
    """The name of a database for one test. The database is dropped afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    yield name
    await _mongo_client.drop_database(name)


@pytest.fixture(scope="session")
async def _prepared(mongo: MongoServers, _mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """The name of a database with all indexes, which take longer to create than most tests take to run.

    TTL indexes are left out: the times of the test data are long past, so MongoDB would delete the documents.
    """
    name = f"test-prepared-{secrets.token_hex(4)}"
    store = Store.connect(SecretStr(mongo.url), name, [SecretStr(make_key())], timeout_ms=30_000)
    try:
        await store.create_indexes()
    finally:
        store.close()
    for index in INDEXES:
        if "expireAfterSeconds" in index.options:
            await _mongo_client[name][index.collection].drop_index(index.name)
    yield name
    await _mongo_client.drop_database(name)


@pytest.fixture
async def prepared_database(_prepared: str, _mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[str]:
    """The name of a database as ``init`` creates it, empty for each test."""
    yield _prepared
    for name in await _mongo_client[_prepared].list_collection_names():
        await _mongo_client[_prepared][name].delete_many({})


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for the topics and groups of one test, such as ``t7f3a1c-``, for KAFKA_TOPIC_PREFIX."""
    return f"t{secrets.token_hex(3)}-"
