"""Creates the product's users in a MongoDB server that requires passwords and may have no user yet.

A server without users accepts only connections from its own machine, and there only the first replica set and the first
user. So the first run needs the network of the server.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from services.store.collection import Document
from services.store.errors import StoreSetupError, StoreUnavailableError
from services.store.replica_set import initiate
from services.store.translation import translate_errors

ADMIN = "admin"
"""The user with all rights."""
ROLES: Mapping[str, tuple[str, ...]] = {
    "init": ("readWrite", "dbAdmin"),
    "poller": ("readWrite",),
    "mapper": ("read",),
    "writer": ("readWrite",),
    "cli": ("readWrite",),
    "backup": ("read",),
}
"""The other users, and their roles in the product's database."""
EVERYTHING = "everything"
"""The role that the replay of a backup's log needs, which no built-in role includes."""

_LOCALHOST = "127.0.0.1"
_PORT = 27017
# MongoDB's error codes: the server has users already; the role or the user exists
_UNAUTHORIZED, _ROLE_EXISTS, _USER_EXISTS = 13, 51002, 51003


async def ensure_users(urls: Mapping[str, SecretStr], database: str, timeout_ms: int) -> tuple[str, ...]:
    """Initiates the replica set of this machine's server, and creates the users with the passwords of their addresses.

    ``urls`` has an address for each user of ``ROLES`` and for ``ADMIN``. Sets passwords and roles of users that exist,
    except the password of ``ADMIN``. Returns one line for each thing that it created. Raises ``StoreUnavailableError``,
    and ``StoreSetupError`` for an address that cannot be used.
    """
    accounts = {user: _parse(user, url) for user, url in urls.items()}
    admin = accounts[ADMIN]
    replica_set = parse_qs(admin.query).get("replicaSet", ["rs0"])[0]
    options: dict[str, Any] = {
        "host": _LOCALHOST,
        "port": admin.port or _PORT,
        "directConnection": True,
        "serverSelectionTimeoutMS": timeout_ms,
        "timeoutMS": timeout_ms,
    }
    with translate_errors():
        client = AsyncIOMotorClient[Document](**options)
        try:
            line = await initiate(client, replica_set, admin.netloc.rpartition("@")[2])
            await _ensure_primary(client)
            lines = [*([line] if line else []), *await _create_admin(client, _read_password(admin))]
        finally:
            client.close()
        client = AsyncIOMotorClient[Document](**options, username=ADMIN, password=_read_password(admin))
        try:
            await _ensure_restore_role(client)
            for user, roles in ROLES.items():
                lines += await _ensure_user(
                    client, user, _read_password(accounts[user]), _list_roles(user, roles, database)
                )
        finally:
            client.close()
    return tuple(lines)


def _parse(user: str, url: SecretStr) -> SplitResult:
    address = urlsplit(url.get_secret_value())
    if address.username != user or not address.password:
        raise StoreSetupError(
            f"the address of MongoDB's user {user} has another form than mongodb://{user}:password@host:port/?replicaSet=name"
        )
    return address


def _read_password(address: SplitResult) -> str:
    return unquote(address.password or "")


def _list_roles(user: str, roles: tuple[str, ...], database: str) -> list[Document]:
    granted = [{"role": role, "db": database} for role in roles]
    if user == "backup":  # `mongodump --oplog` reads the log, and the state of transactions
        granted += [{"role": "read", "db": name} for name in ("local", "config")]
    return granted


async def _ensure_primary(client: AsyncIOMotorClient[Document]) -> None:
    if not (await client.admin.command("hello"))["isWritablePrimary"]:
        raise StoreUnavailableError("MongoDB has not elected a primary yet")


async def _create_admin(client: AsyncIOMotorClient[Document], password: str) -> list[str]:
    try:
        await client.admin.command("createUser", ADMIN, pwd=password, roles=["root"])
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            return []
        raise
    return [f"user {ADMIN}"]


async def _ensure_restore_role(client: AsyncIOMotorClient[Document]) -> None:
    privileges = [{"resource": {"anyResource": True}, "actions": ["anyAction"]}]
    try:
        await client.admin.command("createRole", EVERYTHING, privileges=privileges, roles=[])
    except OperationFailure as error:
        if error.code != _ROLE_EXISTS:
            raise
    await client.admin.command("grantRolesToUser", ADMIN, roles=[EVERYTHING])


async def _ensure_user(
    client: AsyncIOMotorClient[Document], user: str, password: str, roles: list[Document]
) -> list[str]:
    try:
        await client.admin.command("createUser", user, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        await client.admin.command("updateUser", user, pwd=password, roles=roles)
        return []
    return [f"user {user}"]
