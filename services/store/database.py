"""The store as a whole: one client, one object a collection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import SecretStr
from pymongo import ReadPreference
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.store.accounts import Accounts
from services.store.collection import Collection, Document, Session, translated
from services.store.connections import Connections
from services.store.dead_letters import DeadLetters
from services.store.encryption import Cipher
from services.store.errors import StoreSetupError
from services.store.leases import Leases
from services.store.mappings import Mappings
from services.store.migrations import INDEXES, ensure
from services.store.requests import Requests
from services.store.runs import Runs
from services.store.snapshots import Snapshots


class Store:
    """Everything is read from the primary as a majority holds it, and written to a majority.

    Every method raises ``StoreUnavailableError`` when MongoDB does not answer within the time-out.
    """

    def __init__(self, client: AsyncIOMotorClient[Document], database: str, keys: Sequence[SecretStr]) -> None:
        self._client = client
        self._database = client.get_database(
            database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        self.connections = Connections(self._collection("connections"), Cipher(keys))
        self.snapshots = Snapshots(self._collection("snapshots"))
        self.mappings = Mappings(self._collection("mappings"))
        self.accounts = Accounts(self._collection("accounts"), snapshots="snapshots")
        self.requests = Requests(self._collection("requests"))
        self.runs = Runs(self._collection("runs"))
        self.leases = Leases(self._collection("leases"))
        self.dead_letters = DeadLetters(self._collection("dead_letters"))

    @classmethod
    def connect(cls, url: SecretStr, database: str, keys: Sequence[SecretStr], *, timeout_ms: int = 5000) -> Self:
        """Does no I/O: the first command connects. ``timeout_ms`` bounds each command as a whole.

        Raises ``StoreSetupError`` for a URL that is none, ``EncryptionKeyError`` for keys that are none.
        """
        client = _client(url, timeout_ms)
        try:
            return cls(client, database, keys)
        except BaseException:
            client.close()
            raise

    async def ping(self) -> None:
        with translated():
            await self._database.command("ping")

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Session]:
        """A transaction: all that is written with its session, or nothing if the block raises or the process dies."""
        with translated():
            async with (
                await self._client.start_session() as session,
                session.start_transaction(write_concern=WriteConcern("majority")),
            ):
                yield session

    async def migrate(self) -> tuple[str, ...]:
        """Prepares the database for this version; tells what it did, nothing if it was ready. May be repeated."""
        done = [await ensure(self._collection(index.collection), index) for index in INDEXES]
        return tuple(step for step in done if step is not None)

    def close(self) -> None:
        self._client.close()

    def _collection(self, name: str) -> Collection:
        return Collection(self._database[name])


def _client(url: SecretStr, timeout_ms: int) -> AsyncIOMotorClient[Document]:
    options: dict[str, Any] = {
        "appname": "personio-declaree",
        "tz_aware": True,
        "timeoutMS": timeout_ms,
        "serverSelectionTimeoutMS": timeout_ms,
        "connectTimeoutMS": timeout_ms,
        "retryWrites": True,
        "retryReads": True,
    }
    try:
        return AsyncIOMotorClient(url.get_secret_value(), **options)
    except (InvalidURI, DriverConfigurationError, ValueError):
        raise StoreSetupError(
            "MONGODB_URL is no MongoDB address: it has the form mongodb://user:password@host:port/?replicaSet=name"
        ) from None
