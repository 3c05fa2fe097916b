"""The replica set of a new MongoDB server. This test has a server of its own, which nothing has prepared."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.stack.mongo import Mongo
from sandbox.stack.ports import is_free
from services.store.database import Store
from services.store.errors import StoreUnavailableError
from services.store.replica_set import ensure_replica_set
from tests.contract.store.conftest import make_key


class NewMongo(Mongo):
    """A server that was started with ``--replSet`` and has no replica set: an installation on an empty volume."""

    async def _is_ready(self) -> bool:
        """Returns whether the port is open; the sandbox would initiate the replica set."""
        return not is_free(self.port)


@pytest.fixture
async def new_mongo(tmp_path: Path) -> AsyncIterator[Mongo]:
    """The server."""
    async with NewMongo(tmp_path / "mongo") as server:
        yield server
    shutil.rmtree(tmp_path / "mongo")


@pytest.mark.mongo
async def test_new_server_becomes_a_replica_set_once(new_mongo: Mongo) -> None:
    """Afterwards indexes can be created and transactions run; a second call changes nothing."""
    store = Store.connect(SecretStr(new_mongo.url), "test", [make_key()], timeout_ms=10_000)
    try:
        assert await store.ensure_replica_set() == (f"replica set rs0 of 127.0.0.1:{new_mongo.port}",)
        assert await store.create_indexes() != ()
        async with store.transaction():
            pass
        assert await store.ensure_replica_set() == ()
        state = await store.read_server_state()
        assert state.replica_set == "rs0"
        assert abs(state.time - datetime.now(UTC)) < timedelta(hours=1)
    finally:
        store.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://127.0.0.1:9/",
        "mongodb://127.0.0.1:9,127.0.0.2:9/?replicaSet=rs0",
        "mongodb+srv://cluster.example/?replicaSet=rs0",
    ],
)
async def test_url_of_another_kind_of_installation_is_left_alone(url: str) -> None:
    """Several members, a managed service or a single server without a replica set are the operator's matter."""
    assert await ensure_replica_set(SecretStr(url), timeout_ms=100) is None


async def test_missing_server_is_unavailable() -> None:
    """The caller tries again."""
    with pytest.raises(StoreUnavailableError):
        await ensure_replica_set(SecretStr("mongodb://user:pass@127.0.0.1:9/?replicaSet=rs0"), timeout_ms=100)
