"""The store: one client, and one repository for each collection or view of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self

from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import SecretStr
from pymongo import ReadPreference
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.contracts.leases import Fence
from services.store.brakes import Brakes
from services.store.catalogues import Catalogues
from services.store.claims import Claims
from services.store.collection import Collection, Document, Session
from services.store.connections import Connections
from services.store.counters import Counters
from services.store.damage_notes import DamageNotes
from services.store.dead_letters import DeadLetters
from services.store.drafts import MappingDrafts
from services.store.encryption import Cipher
from services.store.erasure import Erasure
from services.store.errors import StoreSetupError
from services.store.examples import Examples
from services.store.expiry import LeaverExpiry
from services.store.fenced import FencedStore
from services.store.field_catalogues import FieldCatalogues
from services.store.followups import FollowUps
from services.store.forgotten import Forgotten
from services.store.indexes import INDEXES, ensure_index, find_missing
from services.store.leases import Leases
from services.store.ledger import Ledger
from services.store.links import Links
from services.store.mappings import Mappings
from services.store.observations import Observations
from services.store.polls import Polls
from services.store.replica_set import ServerState, ensure_replica_set, read_state
from services.store.runs import Runs
from services.store.schedule import PollSchedule
from services.store.settlement_marks import SettlementMarks
from services.store.snapshots import Snapshots
from services.store.tasks import Tasks
from services.store.translation import translate_errors
from services.store.verifications import Verifications
from services.store.work_ranges import WorkRanges


class StoreSettings(Protocol):
    """The settings that the store needs; see ``MongoSettings`` and ``EncryptionSettings``."""

    @property
    def mongodb_url(self) -> SecretStr:
        """MongoDB's address."""
        ...

    @property
    def mongodb_database(self) -> str:
        """Name of the database."""
        ...

    @property
    def mongodb_timeout_ms(self) -> int:
        """Maximum duration of one command, in milliseconds."""
        ...

    @property
    def keys(self) -> tuple[SecretStr, ...]:
        """Encryption keys, the newest first."""
        ...


class Store:
    """All repositories. They read majority-committed data from the primary, and write to a majority.

    Every method raises ``StoreUnavailableError`` if MongoDB does not answer within the timeout.
    """

    def __init__(
        self,
        client: AsyncIOMotorClient[Document],
        database: str,
        keys: Sequence[SecretStr],
        initiate: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """``initiate`` initiates the replica set of the client's server; None if the server has one."""
        self._client = client
        self._initiate = initiate
        self._database = client.get_database(
            database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        cipher = Cipher(keys)
        self.damage = DamageNotes(self._get_collection("damage"), self._get_collection)
        self.connections = Connections(self._get_collection("connections"), cipher, self.damage)
        self.polls = Polls(self._get_collection("connections"), cipher)
        self.schedule = PollSchedule(self._get_collection("connections"))
        self.snapshots = Snapshots(self._get_collection("snapshots"), self.damage, ledger="ledger")
        self.catalogues = Catalogues(self._get_collection("source_catalogues"))
        self.field_catalogues = FieldCatalogues(self._get_collection("field_catalogues"))
        self.drafts = MappingDrafts(self._get_collection("mapping_drafts"))
        self.examples = Examples(self._get_collection("mapping_examples"))
        self.mappings = Mappings(self._get_collection("mappings"), self.damage)
        self.marks = SettlementMarks(self._get_collection("snapshots"), self._get_collection("ledger"))
        self.ledger = Ledger(self._get_collection("ledger"), self.marks)
        self.followups = FollowUps(self._get_collection("ledger"))
        self.counters = Counters(*map(self._get_collection, ("ledger", "snapshots", "links")))
        self.brakes = Brakes(self._get_collection("brakes"))
        self.claims = Claims(self._get_collection("claims"))
        self.links = Links(self._get_collection("links"), self.damage)
        self.verifications = Verifications(self._get_collection("verifications"))
        self.work_ranges = WorkRanges(self._get_collection("work_ranges"))
        self.tasks = Tasks(self._get_collection("tasks"))
        self.runs = Runs(self._get_collection("runs"), self.damage)
        self.observations = Observations(self._get_collection("observations"))
        self.leases = Leases(self._get_collection("leases"))
        self.dead_letters = DeadLetters(self._get_collection("dead_letters"))
        self.forgotten = Forgotten(self._get_collection("forgotten"))
        self.erasure = Erasure(self._get_collection)
        self.expiry = LeaverExpiry(
            self._get_collection("snapshots"), self._get_collection("mapping_examples"), ledger="ledger"
        )

    @classmethod
    def connect(cls, url: SecretStr, database: str, keys: Sequence[SecretStr], *, timeout_ms: int = 5000) -> Self:
        """Returns a store without I/O: the first command connects.

        ``timeout_ms`` is the maximum duration of each command in milliseconds, with all its retries. Raises
        ``StoreSetupError`` for an invalid URL and ``EncryptionKeyError`` for invalid keys.
        """
        client = _build_client(url, timeout_ms)
        try:
            return cls(client, database, keys, lambda: ensure_replica_set(url, timeout_ms))
        except BaseException:
            client.close()
            raise

    def fence(self, fence: Fence) -> FencedStore:
        """Returns the repositories of the work that this fence guards."""
        return FencedStore(
            lambda name: self._get_collection(name, fence),
            self.damage,
            polls=self.polls,
            ledger=self.ledger,
            followups=self.followups,
            claims=self.claims,
            mappings=self.mappings,
        )

    async def ping(self) -> None:
        """Raises ``StoreUnavailableError`` if MongoDB does not answer."""
        with translate_errors():
            await self._database.command("ping")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Yields the session of a transaction.

        MongoDB keeps all writes of the session, or none of them if the block raises or the process dies.
        """
        with translate_errors():
            async with (
                await self._client.start_session() as session,
                session.start_transaction(write_concern=WriteConcern("majority")),
            ):
                yield session

    async def ensure_replica_set(self) -> tuple[str, ...]:
        """Initiates the replica set of a single new server. Returns one line if it did. Can be repeated."""
        line = await self._initiate() if self._initiate is not None else None
        return () if line is None else (line,)

    async def create_indexes(self) -> tuple[str, ...]:
        """Creates the indexes of this version. Returns one line for each created or rebuilt index. Can be repeated."""
        lines = [await ensure_index(self._get_collection(index.collection), index) for index in INDEXES]
        return tuple(line for line in lines if line is not None)

    async def find_missing_indexes(self) -> tuple[str, ...]:
        """Returns the names of the indexes of this version that do not exist, or have another definition."""
        missing: list[str] = []
        for name in sorted({index.collection for index in INDEXES}):
            indexes = [index for index in INDEXES if index.collection == name]
            missing += await find_missing(self._get_collection(name), indexes)
        return tuple(missing)

    async def read_server_state(self) -> ServerState:
        """Returns what the server says about itself and its clock."""
        with translate_errors():
            return await read_state(self._client)

    async def start(self) -> None:
        """Raises ``StoreUnavailableError`` if MongoDB does not answer."""
        await self.ping()

    async def stop(self) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Closes the client without waiting."""
        self._client.close()

    def _get_collection(self, name: str, fence: Fence | None = None) -> Collection:
        return Collection(self._database[name], fence)


def _build_client(url: SecretStr, timeout_ms: int) -> AsyncIOMotorClient[Document]:
    options: dict[str, Any] = {
        "appname": "personio-declaree",
        "tz_aware": True,
        # one value that Python does not have must not fail a query that also reads other documents
        "datetime_conversion": "DATETIME_CLAMP",
        "unicode_decode_error_handler": "replace",
        "timeoutMS": timeout_ms,
        "serverSelectionTimeoutMS": timeout_ms,
        "connectTimeoutMS": timeout_ms,
        "retryWrites": True,
        "retryReads": True,
    }
    try:
        return AsyncIOMotorClient(url.get_secret_value(), **options)
    except OSError as error:  # includes SSLError
        raise StoreSetupError(
            f"a file that MONGODB_URL names cannot be read ({type(error).__name__}): check tlsCAFile and tlsCertificateKeyFile"
        ) from None
    except (InvalidURI, DriverConfigurationError, ValueError):
        raise StoreSetupError(
            "MONGODB_URL is not a valid address: use the form mongodb://user:password@host:port/?replicaSet=name"
        ) from None


def open_store(settings: StoreSettings) -> Store:
    """Returns the store that the settings describe. Does no I/O.

    Raises ``StoreSetupError`` for an invalid URL, ``EncryptionKeyError`` for invalid keys.
    """
    return Store.connect(
        settings.mongodb_url, settings.mongodb_database, settings.keys, timeout_ms=settings.mongodb_timeout_ms
    )
