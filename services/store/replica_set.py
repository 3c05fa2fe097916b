"""The replica set of a single MongoDB server: the product needs one for transactions, and a new server has none."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from services.store.collection import Document
from services.store.translation import translate, translate_errors

_ALREADY_INITIATED = 23
"""MongoDB's error code for a replica set that another process has initiated at the same time."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says about itself."""

    replica_set: str | None
    """Name of its replica set; None if it has none."""
    time: datetime
    """The time of its clock."""


async def read_state(client: AsyncIOMotorClient[Document]) -> ServerState:
    """Returns the state of the primary. Call it within ``translate_errors``."""
    hello: dict[str, Any] = await client.admin.command("hello")
    time: datetime = hello["localTime"]
    return ServerState(
        hello.get("setName"), time.replace(tzinfo=UTC)
    )  # the answers to commands have times without a zone


async def ensure_replica_set(url: SecretStr, timeout_ms: int) -> str | None:
    """Initiates the replica set of a server that was started with ``--replSet`` and has none yet.

    The server becomes the only member, under its address in ``url``. Does nothing if ``url`` names several servers or no
    replica set. Returns a line for the output of ``init``, or None. Raises ``StoreUnavailableError``.
    """
    address = urlsplit(url.get_secret_value())
    options = dict(parse_qsl(address.query))
    name = next((value for option, value in options.items() if option.lower() == "replicaset"), None)
    member = address.netloc.rpartition("@")[2]
    if name is None or address.scheme != "mongodb" or "," in member:
        return None
    direct = {option: value for option, value in options.items() if option.lower() != "replicaset"}
    direct |= {"directConnection": "true"}
    client = AsyncIOMotorClient[Document](
        urlunsplit(address._replace(query=urlencode(direct))), serverSelectionTimeoutMS=timeout_ms, timeoutMS=timeout_ms
    )
    try:
        with translate_errors():
            return await initiate(client, name, member)
    finally:
        client.close()


async def initiate(client: AsyncIOMotorClient[Document], name: str, member: str) -> str | None:
    """Initiates the replica set with ``member`` as its only member, unless the server of the client belongs to one.

    Returns a line for the output, or None. Call it within ``translate_errors``.
    """
    hello: dict[str, Any] = await client.admin.command("hello")
    if "setName" in hello or not hello.get("isreplicaset"):
        return None
    try:
        await client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": member}]})
    except OperationFailure as error:
        if error.code == _ALREADY_INITIATED:
            return None
        raise translate(error) from None
    return f"replica set {name} of {member}"
