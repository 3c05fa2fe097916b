"""Connections: two systems each, their encrypted credentials, and whether they are active."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr, TypeAdapter

from services.contracts.connections import (
    Connection,
    ConnectionState,
    DeclareeAccess,
    Guard,
    LinkPolicy,
    PersonioAccess,
    normalise_server,
)
from services.contracts.damage import DocumentKind
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document, Session
from services.store.connection_summaries import SUMMARY_FIELDS, ConnectionSummary, to_state, to_summary
from services.store.credentials import DECLAREE_KEY, PERSONIO_SECRET, SECRET_FIELDS, CredentialCodec
from services.store.damage_notes import DamageNotes
from services.store.damaged import select_named
from services.store.encryption import Cipher
from services.store.errors import (
    DuplicateConnectionError,
    EncryptionKeyError,
    StoreFailedError,
    UnknownConnectionError,
)

_TIME = TypeAdapter(datetime)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def make_connection_id() -> ConnectionId:
    """Returns a new id: 60 random bits in characters without a meaning in keys and file names."""
    return ConnectionId("c" + "".join(secrets.choice(_BASE32) for _ in range(12)))


def build_identity(personio_client_id: str, personio_url: str, declaree_url: str) -> str:
    """Returns the value that is unique among connections: the Personio account and the Declaree administration."""
    return " ".join((personio_client_id, normalise_server(personio_url), normalise_server(declaree_url)))


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation of encryption keys."""

    done: int
    """Number of connections with secrets under the first key."""
    unreadable: tuple[ConnectionId, ...]
    """Connections with a secret that does not open, or with an invalid document."""


class Connections:
    """The connections, one document each. Their secrets are encrypted."""

    def __init__(
        self,
        collection: Collection,
        cipher: Cipher,
        damage: DamageNotes,
        new_id: Callable[[], ConnectionId] = make_connection_id,
    ) -> None:
        """``damage`` takes notes about connections that cannot be read."""
        self._collection = collection
        self._codec = CredentialCodec(cipher)
        self._damage = damage
        damage.add_check(DocumentKind.CONNECTION, self._codec.to_connection)
        self._new_id = new_id

    async def add(
        self,
        name: str,
        personio: PersonioAccess,
        declaree: DeclareeAccess,
        *,
        now: datetime,
        link_policy: LinkPolicy = LinkPolicy.ASK,
        session: Session | None = None,
    ) -> Connection:
        """Stores a new connection and returns it. It is paused until ``start``.

        Raises ``DuplicateConnectionError`` if these two systems are already connected: two connections would
        overwrite each other's accounts.
        """
        connection = Connection(
            id=self._new_id(),
            name=name,
            state=ConnectionState.PAUSED,
            personio=personio,
            declaree=declaree,
            link_policy=link_policy,
            created_at=now,
            personio_secret_at=now,
            declaree_key_at=now,
        )
        identity = build_identity(personio.client_id, personio.url, declaree.url)
        server = normalise_server(declaree.url)
        document = {**self._codec.to_document(connection), "identity": identity, "server": server}
        if not await self._collection.insert(document, session):
            raise await self._build_duplicate(identity, personio.client_id, declaree.url)
        return connection

    async def get(self, connection: ConnectionId) -> Connection:
        """Returns the connection.

        Raises ``UnknownConnectionError``, and ``EncryptionKeyError`` if a secret does not open.
        """
        model = await self.find(connection)
        if model is None:
            raise UnknownConnectionError(connection)
        return model

    async def find(self, connection: ConnectionId) -> Connection | None:
        """Returns the connection; None if it does not exist.

        Raises ``EncryptionKeyError`` if a secret does not open.
        """
        document = await self._collection.find_one({"_id": connection})
        return None if document is None else self._codec.to_connection(document)

    async def get_readable(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, Connection]:
        """Returns the connections that exist and have secrets that open.

        An unreadable one is logged, noted and left out, so that it does not stop the others.
        """
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}})
        readable = await self._damage.read_all(DocumentKind.CONNECTION, documents, self._codec.to_connection)
        return {connection.id: connection for connection in readable.valid}

    async def filter_existing(self, connections: Iterable[ConnectionId]) -> frozenset[ConnectionId]:
        """Returns the connections that exist, readable or not."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}}, fields=["_id"])
        return frozenset(ConnectionId(document["_id"]) for document in documents)

    async def find_states(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, ConnectionState]:
        """Returns the states of the connections that exist, readable or not. One with an invalid state counts as paused."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}}, fields=["_id", "state"])
        return {ConnectionId(document["_id"]): to_state(document.get("state")) for document in documents}

    async def ensure_exists(self, connection: ConnectionId) -> None:
        """Raises ``UnknownConnectionError`` if the connection does not exist. An unreadable one exists."""
        if not await self.filter_existing([connection]):
            raise UnknownConnectionError(connection)

    async def list_all(self) -> tuple[ConnectionSummary, ...]:
        """Returns all connections, readable or not, in the order in which they were added."""
        pages = self._collection.iterate_pages({}, fields=SUMMARY_FIELDS)
        summaries = [
            to_summary(document, self._codec.find_problem(document)) async for page in pages for document in page
        ]
        return tuple(sorted(summaries, key=lambda summary: (summary.created_at, summary.id)))

    async def find_by_server(self, server: str) -> tuple[ConnectionId, ...]:
        """Returns the connections to this SCIM server, readable or not, in any spelling of its address."""
        wanted = normalise_server(server)
        documents = await self._collection.find({"server": wanted}, fields=["_id"], sort={"_id": 1})
        return tuple(ConnectionId(document["_id"]) for document in select_named(documents))

    async def set_state(self, connection: ConnectionId, state: ConnectionState) -> None:
        """Activates or pauses a connection. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"state": state.value})

    async def start(self, connection: ConnectionId, *, now: datetime) -> None:
        """Activates a connection for the first time. Raises ``UnknownConnectionError``."""
        started_at = _TIME.dump_python(now, mode="json")
        await self._set(connection, {"state": ConnectionState.ACTIVE.value, "started_at": started_at})

    async def set_name(self, connection: ConnectionId, name: str) -> None:
        """Stores another label. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"name": name})

    async def set_link_policy(self, connection: ConnectionId, policy: LinkPolicy) -> None:
        """Stores what happens with accounts that existed before. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"link_policy": policy.value})

    async def set_time_zone(self, connection: ConnectionId, zone: str) -> None:
        """Stores the company's time zone. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"time_zone": zone})

    async def set_guard(self, connection: ConnectionId, guard: Guard) -> None:
        """Stores the thresholds above which changes are held. Raises ``UnknownConnectionError``."""
        await self._set(connection, {"guard": guard.model_dump(mode="json")})

    async def set_credentials(
        self,
        connection: ConnectionId,
        *,
        now: datetime,
        personio_client_id: str | None = None,
        personio_secret: SecretStr | None = None,
        declaree_key: SecretStr | None = None,
    ) -> None:
        """Replaces credentials and notes the time; None leaves a credential as it is.

        Raises ``UnknownConnectionError``, and ``DuplicateConnectionError`` if another connection has the client id.
        """
        values = {PERSONIO_SECRET: personio_secret, DECLAREE_KEY: declaree_key}
        secrets = {field: secret for field, secret in values.items() if secret is not None}
        document = await self._collection.find_one({"_id": connection}, [field.address for field in SECRET_FIELDS])
        if document is None:
            raise UnknownConnectionError(connection)
        stored_at = _TIME.dump_python(now, mode="json")
        times = {field.time: stored_at for field in secrets}
        sealed = self._codec.seal(document, secrets) | times
        if personio_client_id is None:
            await self._set(connection, sealed)
            return
        personio_url, declaree_url = (document[field.block]["url"] for field in SECRET_FIELDS)
        identity = build_identity(personio_client_id, personio_url, declaree_url)
        change = {**sealed, "personio.client_id": personio_client_id, "identity": identity}
        if await self._collection.update_and_get({"_id": connection}, {"$set": change}) is None:
            raise await self._build_duplicate(identity, personio_client_id, declaree_url)

    async def rotate_keys(self) -> Rotation:
        """Encrypts every secret with the first key. Can be repeated at any time."""
        done, unreadable = 0, []
        async for page in self._collection.iterate_pages({}):
            for document in page:
                try:
                    done += await self._reseal(document)
                except (EncryptionKeyError, StoreFailedError):
                    unreadable.append(ConnectionId(document["_id"]))
        return Rotation(done, tuple(unreadable))

    async def _reseal(self, document: Document) -> bool:
        # conditional on the tokens that were read: a secret that is entered during the rotation wins
        stored, renewed = self._codec.reseal(document)
        return await self._collection.update({"_id": document["_id"], **stored}, {"$set": renewed})

    async def _build_duplicate(self, identity: str, client_id: str, declaree_url: str) -> DuplicateConnectionError:
        existing = await self._collection.find_one({"identity": identity}, ["_id"])
        return DuplicateConnectionError(ConnectionId(existing["_id"]) if existing else None, client_id, declaree_url)

    async def _set(self, connection: ConnectionId, values: Document) -> None:
        if values and not await self._collection.update({"_id": connection}, {"$set": values}):
            raise UnknownConnectionError(connection)
