"""Connections: two systems each, their credentials (encrypted), whether they are on, and when to poll them next."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document, to_model
from services.store.encryption import Cipher
from services.store.errors import DuplicateConnectionError, UnknownConnectionError

PERSONIO_SECRET = ("personio", "client_secret")
DECLAREE_KEY = ("declaree", "key")
SECRETS = (PERSONIO_SECRET, DECLAREE_KEY)

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def random_id() -> ConnectionId:
    """Sixty random bits: never given twice, and free of everything that keys and file names give a meaning to."""
    return ConnectionId("c" + "".join(secrets.choice(_BASE32) for _ in range(12)))


class Connections:
    def __init__(self, collection: Collection, cipher: Cipher, new_id: Callable[[], ConnectionId] = random_id) -> None:
        self._collection = collection
        self._cipher = cipher
        self._new_id = new_id

    async def add(
        self,
        name: str,
        personio: PersonioAccess,
        declaree: DeclareeAccess,
        *,
        now: datetime,
        state: ConnectionState = ConnectionState.ACTIVE,
    ) -> Connection:
        """Raises ``DuplicateConnectionError`` where these two are connected already: two would overwrite each other."""
        connection = Connection(
            id=self._new_id(), name=name, state=state, personio=personio, declaree=declaree, created_at=now
        )
        if not await self._collection.insert(self._to_document(connection)):
            raise DuplicateConnectionError(
                f"Personio client {personio.client_id} is connected with {declaree.url} already; "
                "a second connection would overwrite the first: change or resume that one"
            )
        return connection

    async def get(self, connection: ConnectionId) -> Connection:
        found = await self.find(connection)
        if found is None:
            raise _unknown(connection)
        return found

    async def find(self, connection: ConnectionId) -> Connection | None:
        document = await self._collection.find_one({"_id": connection})
        return None if document is None else self._to_model(document)

    async def many(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        found = await self._where({"_id": {"$in": sorted(set(connections))}})
        return {connection.id: connection for connection in found}

    async def all(self) -> tuple[Connection, ...]:
        """In the order in which they were added."""
        return tuple(sorted(await self._where({}), key=lambda connection: connection.created_at))

    async def active(self) -> tuple[Connection, ...]:
        return await self._where({"state": ConnectionState.ACTIVE.value})

    async def set_state(self, connection: ConnectionId, state: ConnectionState) -> None:
        await self._set(connection, {"state": state.value})

    async def set_secrets(
        self,
        connection: ConnectionId,
        *,
        personio_secret: SecretStr | None = None,
        declaree_key: SecretStr | None = None,
    ) -> None:
        """None leaves a secret as it is."""
        given = {PERSONIO_SECRET: personio_secret, DECLAREE_KEY: declaree_key}
        await self._set(
            connection,
            {
                ".".join(field): self._cipher.seal(_place(connection, field), secret)
                for field, secret in given.items()
                if secret is not None
            },
        )

    async def due(self, now: datetime) -> tuple[ConnectionId, ...]:
        """The active connections whose time to be polled has come, the longest due first."""
        documents = await self._collection.find(
            {"state": ConnectionState.ACTIVE.value, "next_poll": {"$not": {"$gt": now}}},
            fields=["_id"],
            sort={"next_poll": 1, "_id": 1},
        )
        return tuple(ConnectionId(document["_id"]) for document in documents)

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        await self._set(connection, {"next_poll": at})

    async def rotate(self) -> int:
        """Encrypts every secret with the first key; returns the number of connections. May be repeated at any time."""
        count = 0
        async for page in self._collection.pages({}):
            for document in page:
                count += await self._reseal(document)
        return count

    async def _reseal(self, document: Document) -> bool:
        # conditional on what was read: a secret that is entered at this moment wins
        old = {".".join(field): document[field[0]][field[1]] for field in SECRETS}
        new = {
            ".".join(field): self._cipher.reseal(_place(document["_id"], field), document[field[0]][field[1]])
            for field in SECRETS
        }
        return await self._collection.update({"_id": document["_id"], **old}, {"$set": new})

    async def _where(self, where: Mapping[str, Any]) -> tuple[Connection, ...]:
        return tuple(self._to_model(document) for document in await self._collection.find(where, sort={"_id": 1}))

    async def _set(self, connection: ConnectionId, values: Document) -> None:
        if values and not await self._collection.update({"_id": connection}, {"$set": values}):
            raise _unknown(connection)

    def _to_document(self, connection: Connection) -> Document:
        document = connection.model_dump(
            mode="json", exclude={"id": True, **{block: {name} for block, name in SECRETS}}
        )
        for block, name in SECRETS:
            secret: SecretStr = getattr(getattr(connection, block), name)
            document[block][name] = self._cipher.seal(_place(connection.id, (block, name)), secret)
        return {"_id": connection.id, "identity": _identity(connection), **document}

    def _to_model(self, document: Document) -> Connection:
        opened = {**document, "id": document["_id"]}
        for block, name in SECRETS:
            secret = self._cipher.open(_place(document["_id"], (block, name)), document[block][name])
            opened[block] = {**opened[block], name: secret}
        return to_model(Connection, opened)


def _place(connection: str, field: tuple[str, str]) -> str:
    return f"{connection}/{'.'.join(field)}"


def _identity(connection: Connection) -> str:
    """What two connections must not have in common."""
    urls = (url.rstrip("/").lower() for url in (connection.personio.url, connection.declaree.url))
    return " ".join((connection.personio.client_id, *urls))


def _unknown(connection: ConnectionId) -> UnknownConnectionError:
    return UnknownConnectionError(f"there is no connection {connection}: connections list shows those that are")
