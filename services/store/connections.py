"""Connections: two systems each, their credentials (encrypted), whether they are on, and when to poll them next."""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import SecretStr

from services.contracts.connections import Connection, ConnectionState, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document, Session, to_model
from services.store.encryption import Cipher
from services.store.errors import (
    DuplicateConnectionError,
    EncryptionKeyError,
    StoreFailedError,
    UnknownConnectionError,
)

logger = logging.getLogger(__name__)

PERSONIO_SECRET = ("personio", "client_secret")
DECLAREE_KEY = ("declaree", "key")
SECRETS = (PERSONIO_SECRET, DECLAREE_KEY)

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def random_id() -> ConnectionId:
    """Sixty random bits: never given twice, and free of everything that keys and file names give a meaning to."""
    return ConnectionId("c" + "".join(secrets.choice(_BASE32) for _ in range(12)))


@dataclass(frozen=True, slots=True)
class Listed:
    """What can be told of a connection without opening its secrets."""

    id: ConnectionId
    name: str
    state: ConnectionState
    personio_url: str
    declaree_url: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rotation:
    """How many connections' secrets are encrypted with the first key now, and which cannot be read with any."""

    done: int
    unreadable: tuple[ConnectionId, ...]


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
        session: Session | None = None,
    ) -> Connection:
        """Raises ``DuplicateConnectionError`` where these two are connected already: two would overwrite each other."""
        connection = Connection(
            id=self._new_id(), name=name, state=state, personio=personio, declaree=declaree, created_at=now
        )
        if not await self._collection.insert(self._to_document(connection), session):
            raise _duplicate(personio.client_id, declaree.url)
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
        """Those that exist and can be read: one whose secret no key fits is left out, so that it stops nobody else."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}})
        found: dict[ConnectionId, Connection] = {}
        for document in documents:
            try:
                connection = self._to_model(document)
            except (EncryptionKeyError, StoreFailedError) as error:
                logger.warning("a connection cannot be read: %s", error, extra={"connection": document["_id"]})
            else:
                found[connection.id] = connection
        return found

    async def existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Those that exist, whether they can be read or not."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}}, fields=["_id"])
        return frozenset(ConnectionId(document["_id"]) for document in documents)

    async def must_exist(self, connection: ConnectionId) -> None:
        """Raises ``UnknownConnectionError``; one that cannot be read exists."""
        if not await self.existing([connection]):
            raise _unknown(connection)

    async def is_active(self, connection: ConnectionId) -> bool:
        found = await self._collection.find_one({"_id": connection}, ["state"])
        return found is not None and found["state"] == ConnectionState.ACTIVE.value

    async def listed(self) -> tuple[Listed, ...]:
        """All there are, in the order in which they were added."""
        found = map(_listed, await self._collection.find({}))
        return tuple(sorted(found, key=lambda connection: (connection.created_at, connection.id)))

    async def all(self) -> tuple[Connection, ...]:
        """In the order in which they were added."""
        return tuple(sorted(await self._where({}), key=lambda connection: connection.created_at))

    async def set_state(self, connection: ConnectionId, state: ConnectionState) -> None:
        await self._set(connection, {"state": state.value})

    async def set_credentials(
        self,
        connection: ConnectionId,
        *,
        personio_client_id: str | None = None,
        personio_secret: SecretStr | None = None,
        declaree_key: SecretStr | None = None,
    ) -> None:
        """None leaves one as it is. Raises ``DuplicateConnectionError`` where another connection has the client_id."""
        given = {PERSONIO_SECRET: personio_secret, DECLAREE_KEY: declaree_key}
        sealed = {
            ".".join(field): self._cipher.seal(_place(connection, field), secret)
            for field, secret in given.items()
            if secret is not None
        }
        if personio_client_id is None:
            await self._set(connection, sealed)
            return
        found = await self._collection.find_one({"_id": connection}, ["personio.url", "declaree.url"])
        if found is None:
            raise _unknown(connection)
        urls = found["personio"]["url"], found["declaree"]["url"]
        named = {"personio.client_id": personio_client_id, "identity": _identity(personio_client_id, *urls)}
        if await self._collection.changed({"_id": connection}, {"$set": sealed | named}) is None:
            raise _duplicate(personio_client_id, urls[1])

    async def due(self, now: datetime) -> tuple[ConnectionId, ...]:
        """The active connections whose time to be polled has come, the longest due first."""
        documents = await self._collection.find(
            {"state": ConnectionState.ACTIVE.value, "next_poll": {"$not": {"$gt": now}}},
            fields=["_id"],
            sort={"next_poll": 1, "_id": 1},
        )
        return tuple(ConnectionId(document["_id"]) for document in documents)

    async def rejected_resent_on(self, connection: ConnectionId) -> date | None:
        """The day (UTC) on which the rejected people were last sent again."""
        found = await self._collection.find_one({"_id": connection}, ["rejected_resent_on"])
        day = found.get("rejected_resent_on") if found else None
        return date.fromisoformat(day) if day else None

    async def set_rejected_resent_on(self, connection: ConnectionId, day: date) -> None:
        await self._set(connection, {"rejected_resent_on": day.isoformat()})

    async def set_next_poll(self, connection: ConnectionId, at: datetime) -> None:
        await self._set(connection, {"next_poll": at})

    async def rotate(self) -> Rotation:
        """Encrypts every secret with the first key. May be repeated at any time."""
        done, unreadable = 0, []
        async for page in self._collection.pages({}):
            for document in page:
                try:
                    done += await self._reseal(document)
                except EncryptionKeyError:
                    unreadable.append(ConnectionId(document["_id"]))
        return Rotation(done, tuple(unreadable))

    async def _reseal(self, document: Document) -> bool:
        # conditional on what was read: a secret that is entered at this moment wins
        old = {".".join(field): _sealed(document, field) for field in SECRETS}
        new = {
            ".".join(field): self._cipher.reseal(_place(document["_id"], field), _sealed(document, field))
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
        identity = _identity(connection.personio.client_id, connection.personio.url, connection.declaree.url)
        return {"_id": connection.id, "identity": identity, **document}

    def _to_model(self, document: Document) -> Connection:
        opened = {**document, "id": document["_id"]}
        for block, name in SECRETS:
            secret = self._cipher.open(_place(document["_id"], (block, name)), _sealed(document, (block, name)))
            opened[block] = {**opened[block], name: secret}
        return to_model(Connection, opened)


def _place(connection: str, field: tuple[str, str]) -> str:
    return f"{connection}/{'.'.join(field)}"


def _listed(document: Document) -> Listed:
    return Listed(
        id=ConnectionId(document["_id"]),
        name=document["name"],
        state=ConnectionState(document["state"]),
        personio_url=document["personio"]["url"],
        declaree_url=document["declaree"]["url"],
        created_at=datetime.fromisoformat(document["created_at"]),
    )


def _sealed(document: Document, field: tuple[str, str]) -> object:
    block = document.get(field[0])
    return block.get(field[1]) if isinstance(block, dict) else None


def _identity(personio_client_id: str, *urls: str) -> str:
    """What two connections must not have in common."""
    return " ".join((personio_client_id, *(url.rstrip("/").lower() for url in urls)))


def _duplicate(personio_client_id: str, declaree_url: str) -> DuplicateConnectionError:
    return DuplicateConnectionError(
        f"Personio client {personio_client_id} is connected with {declaree_url} already; "
        "a second connection would overwrite the first: change or resume that one"
    )


def _unknown(connection: ConnectionId) -> UnknownConnectionError:
    return UnknownConnectionError(f"there is no connection {connection}: `connections list` shows those that are")
