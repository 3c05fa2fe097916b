"""A writer as a process with its default settings, on real Kafka and MongoDB."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process
from services.contracts.cloudevents import to_record
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.mappings import default_mapping
from services.runtime.kafka.publisher import Publisher
from services.runtime.kafka.topics import create_topics
from services.runtime.settings import KafkaSettings
from services.store.database import Store
from tests.support.builders import NOW, make_request
from tests.support.keys import make_key
from tests.support.servers import KafkaServers, MongoServers


class WriterProcess:
    """A writer process, and what it reads and writes."""

    def __init__(self, kafka: KafkaServers, mongo: MongoServers, database: str, prefix: str, folder: Path) -> None:
        """Uses this database, and topics with this prefix."""
        key = SecretStr(make_key())
        self.settings = KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers, kafka_topic_prefix=prefix)
        self.store = Store.connect(SecretStr(mongo.url), database, [key], timeout_ms=30_000)
        self.publisher = Publisher(self.settings, "test")
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": prefix,
            "MONGODB_URL": mongo.url,
            "MONGODB_DATABASE": database,
            "ENCRYPTION_KEYS": key.get_secret_value(),
            "HTTP_PORT": str(reserve_port()),
            "ALLOW_PRIVATE_ADDRESSES": "true",
        }
        self.process = Process(
            "writer", [sys.executable, "-m", "services.writer"], folder=folder, environment=environment
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Creates the topics, and runs the writer."""
        await create_topics(self.settings)
        await self.publisher.start()
        try:
            async with self.process:
                yield
        finally:
            await self.publisher.stop()
            self.store.close()

    async def connect(self, name: str, address: str, key: str = "key") -> ConnectionId:
        """Adds a connection with a published mapping."""
        personio = PersonioAccess(url="https://personio.test", client_id=name, client_secret=SecretStr("secret"))
        declaree = DeclareeAccess(url=address, key=SecretStr(key), insecure_http=True)
        connection = (await self.store.connections.add(name, personio, declaree, now=NOW)).id
        await self.store.connections.start(connection, now=NOW)
        await self.store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
        return connection

    async def request(self, connection: ConnectionId, *employees: str) -> None:
        """Asks for the accounts of these employees."""
        requests = [make_request(employee, version=1, connection=connection) for employee in employees]
        await self.publisher.publish([to_record(request) for request in requests])
