"""The product's users in a new MongoDB server that requires passwords. This test module has a server of its own."""

import shutil
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from sandbox.stack.mongo import REPLICA_SET, Mongo, connect
from sandbox.stack.ports import LOOPBACK, is_free
from sandbox.stack.processes import Process
from services.admin.install import repeat_until_available
from services.errors import TransientError
from services.runtime.clock import SystemClock
from services.store.database import Store
from services.store.errors import StoreAccessError, StoreSetupError
from services.store.users import ADMIN, ROLES, ensure_users
from tests.contract.store.conftest import make_key

pytestmark = pytest.mark.mongo

DATABASE, OTHER = "company", "another"
TIMEOUT_MS = 10_000
PASSWORDS = {user: f"password of {user}".replace(" ", "-") for user in (ADMIN, *ROLES)}
UNAUTHORIZED = 13
WRITERS = {"init", "poller", "writer", "cli"}


class MongoWithUsers(Mongo):
    """A server that requires passwords and has neither a user nor a replica set: an installation on an empty volume."""

    async def _prepare(self) -> Process:
        key_file = self.data_dir / "keyfile"
        key_file.parent.mkdir(parents=True, exist_ok=True)
        key_file.write_text("a2V5IG9mIHRoZSB0ZXN0", encoding="utf-8")
        key_file.chmod(0o400)
        process = await super()._prepare()
        return Process(
            "mongod", [*process.command, "--keyFile", str(key_file)], folder=self.data_dir, ready=self._is_ready
        )

    async def _is_ready(self) -> bool:
        """Returns whether the port is open; the sandbox would initiate the replica set."""
        return not is_free(self.port)


def build_url(server: Mongo, user: str, password: str | None = None) -> str:
    """Returns the address of a user."""
    return f"mongodb://{user}:{password or PASSWORDS[user]}@{LOOPBACK}:{server.port}/?replicaSet={REPLICA_SET}"


async def install(server: Mongo, passwords: Mapping[str, str] = PASSWORDS) -> tuple[str, ...]:
    """Creates the users as the command does."""
    urls = {user: SecretStr(build_url(server, user, password)) for user, password in passwords.items()}
    return await repeat_until_available(lambda: ensure_users(urls, DATABASE, TIMEOUT_MS), SystemClock(), seconds=60)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongo]:
    """The server, with users."""
    folder = tmp_path_factory.mktemp("mongo-with-users")
    async with MongoWithUsers(folder) as server:
        created = await install(server)
        assert created[-len(PASSWORDS) :] == tuple(f"user {user}" for user in PASSWORDS)
        async with connect(build_url(server, "admin")) as client:
            await client[DATABASE]["ledger"].insert_one({"_id": 1})
            await client[OTHER]["ledger"].insert_one({"_id": 1})
        yield server
    shutil.rmtree(folder)


async def is_allowed(server: Mongo, user: str, database: str, command: dict[str, Any]) -> bool:
    """Returns whether MongoDB runs the command for the user."""
    async with connect(build_url(server, user)) as client:
        try:
            await client[database].command(command)
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                return False
            raise
        return True


FIND = {"find": "ledger"}
INSERT = {"insert": "ledger", "documents": [{"x": 1}]}
CREATE_INDEX = {"createIndexes": "ledger", "indexes": [{"name": "x", "key": {"x": 1}}]}


@pytest.mark.parametrize("user", ROLES)
async def test_user_has_its_rights_in_one_database(server: Mongo, user: str) -> None:
    """The mapper and the backup only read, and other databases of the server are closed to all."""
    assert await is_allowed(server, user, DATABASE, FIND)
    assert await is_allowed(server, user, DATABASE, INSERT) is (user in WRITERS)
    assert not await is_allowed(server, user, OTHER, FIND)
    assert not await is_allowed(server, user, OTHER, INSERT)
    assert not await is_allowed(server, user, "admin", {"createUser": "x", "pwd": "x", "roles": []})
    assert not await is_allowed(server, user, "admin", {"find": "system.users"})


@pytest.mark.parametrize(
    "command", [FIND, INSERT, {"listCollections": 1}, {"createUser": "x", "pwd": "x", "roles": []}]
)
async def test_client_without_a_user_does_nothing(server: Mongo, command: dict[str, Any]) -> None:
    """Once a user exists, a connection from the server's own machine has no rights either."""
    async with connect(f"mongodb://{LOOPBACK}:{server.port}/?directConnection=true") as client:
        with pytest.raises(OperationFailure, match=r"requires authentication|not authorized"):
            await client[DATABASE].command(command)


async def test_init_creates_indexes_and_transactions_work(server: Mongo) -> None:
    """The roles suffice for what the product does on its own database."""
    store = Store.connect(SecretStr(build_url(server, "init")), DATABASE, [make_key()], timeout_ms=TIMEOUT_MS)
    try:
        assert await store.ensure_replica_set() == ()
        assert await store.create_indexes() != ()
        async with store.transaction():
            pass
    finally:
        store.close()


async def test_backup_reads_the_log_of_the_replica_set(server: Mongo) -> None:
    """A backup is consistent only with the log. Its user sees the product's database and none of the others."""
    async with connect(build_url(server, "backup")) as client:
        assert await client["local"]["oplog.rs"].find_one() is not None
        assert set(await client.list_database_names()) == {DATABASE, "local", "config"}


async def test_administrator_can_replay_a_log(server: Mongo) -> None:
    """`mongorestore --oplogReplay` requires the right to any action on any resource, which `root` does not include."""
    async with connect(build_url(server, ADMIN)) as client:
        status = await client.admin.command("connectionStatus", showPrivileges=True)
    everywhere = [
        privilege["actions"]
        for privilege in status["authInfo"]["authenticatedUserPrivileges"]
        if privilege["resource"] == {"anyResource": True}
    ]

    assert "anyAction" in [action for actions in everywhere for action in actions]


async def test_new_password_and_roles_replace_the_old_ones(server: Mongo) -> None:
    """A repetition corrects what was changed by hand, and creates nothing."""
    async with connect(build_url(server, ADMIN)) as client:
        await client.admin.command("grantRolesToUser", "mapper", roles=["root"])

    assert await install(server, PASSWORDS | {"cli": "new"}) == ()
    assert not await is_allowed(server, "mapper", OTHER, FIND)
    with pytest.raises(OperationFailure, match="Authentication failed"):
        await is_allowed(server, "cli", DATABASE, FIND)

    await install(server)

    assert await is_allowed(server, "cli", DATABASE, FIND)


async def test_wrong_password_of_the_administrator_is_refused(server: Mongo) -> None:
    """The password of the first user cannot be replaced by a new file."""
    urls = {user: SecretStr(build_url(server, user, "other")) for user in PASSWORDS}

    with pytest.raises(StoreAccessError, match="check the user, password and rights"):
        await ensure_users(urls, DATABASE, TIMEOUT_MS)


async def test_address_of_another_user_is_named() -> None:
    """A file under a wrong name would give one user the password of another."""
    urls = {user: SecretStr(f"mongodb://{user}:secret@mongo:27017/?replicaSet=rs0") for user in PASSWORDS}
    urls["mapper"] = urls["writer"]

    with pytest.raises(StoreSetupError, match="user mapper has another form") as raised:
        await ensure_users(urls, DATABASE, TIMEOUT_MS)

    assert "secret" not in str(raised.value)
    assert not isinstance(raised.value, TransientError)
