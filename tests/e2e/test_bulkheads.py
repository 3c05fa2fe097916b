"""Nothing of one company reaches another: the writer as a process, with its default settings, on real Kafka and MongoDB."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo]

PEOPLE = 2_000
"""Employees of the large company."""
HIRES = 10
"""Employees that the small company hires one after the other."""
PATIENCE_SECONDS = 3.0
"""How much longer a hire may take than without the large company."""
HUGE_BYTES = 9_000_000
"""Size of an account id that no server should have."""
Trouble = Literal["slow", "hangs", "huge ids", "closed"]


class ScimServer:
    """The least that the writer needs of a SCIM server."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        """``trouble`` is how the server behaves; None lets it answer at once."""
        self.trouble = trouble
        self.created: list[str] = []
        """External ids of the accounts that were asked for."""
        self.app = Starlette(
            routes=[
                Route("/Users", self._find, methods=["GET"]),
                Route("/Users", self._create, methods=["POST"]),
                Route("/{path:path}", self._refuse, methods=["GET"]),
            ]
        )

    async def _delay(self) -> None:
        if self.trouble == "slow":
            await asyncio.sleep(1)
        if self.trouble == "hangs":
            await asyncio.sleep(3_600)

    async def _find(self, _: Request) -> Response:
        await self._delay()
        return JSONResponse({"totalResults": 0, "itemsPerPage": 0, "startIndex": 1, "Resources": []})

    async def _create(self, request: Request) -> Response:
        await self._delay()
        body: dict[str, Any] = json.loads(await request.body())
        self.created.append(body["externalId"])
        id_ = "x" * HUGE_BYTES if self.trouble == "huge ids" else f"id-{len(self.created)}"
        return JSONResponse({**body, "id": id_}, 201)

    async def _refuse(self, _: Request) -> Response:
        return JSONResponse({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}, 404)


class Writers:
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

    async def connect(self, name: str, address: str) -> ConnectionId:
        """Adds a connection with a published mapping."""
        personio = PersonioAccess(url="https://personio.test", client_id=name, client_secret=SecretStr("secret"))
        declaree = DeclareeAccess(url=address, key=SecretStr("key"), insecure_http=True)
        connection = (await self.store.connections.add(name, personio, declaree, now=NOW)).id
        await self.store.connections.start(connection, now=NOW)
        await self.store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
        return connection

    async def request(self, connection: ConnectionId, *employees: str) -> None:
        """Asks for the accounts of these employees."""
        requests = [make_request(employee, version=1, connection=connection) for employee in employees]
        await self.publisher.publish([to_record(request) for request in requests])


async def measure_hires(writers: Writers, connection: ConnectionId, server: ScimServer, name: str) -> float:
    """Hires employees one after the other, and returns the seconds that nearly all accounts took at most (p95)."""
    seconds: list[float] = []
    for number in range(HIRES):
        employee, began = f"{name}-{number}", time.monotonic()
        await writers.request(connection, employee)
        await wait_until(partial(server.created.__contains__, employee))
        seconds.append(time.monotonic() - began)
    return sorted(seconds)[int(HIRES * 0.95) - 1]


@pytest.mark.parametrize("trouble", ["slow", "hangs", "huge ids", "closed"])
@pytest.mark.promise("P10")
async def test_hire_of_one_company_waits_for_no_other(
    kafka: KafkaServers,
    mongo: MongoServers,
    prepared_database: str,
    topic_prefix: str,
    tmp_path: Path,
    trouble: Trouble,
) -> None:
    """A large company imports to a server in trouble. A hire of another company takes its usual time."""
    writers = Writers(kafka, mongo, prepared_database, topic_prefix, tmp_path)
    large, small = ScimServer(trouble), ScimServer()
    with serve_in_thread(large.app) as large_address, serve_in_thread(small.app) as small_address:
        async with writers.run():
            address = f"http://127.0.0.1:{reserve_port()}" if trouble == "closed" else large_address
            busy, hiring = await writers.connect("large", address), await writers.connect("small", small_address)
            alone = await measure_hires(writers, hiring, small, "alone")

            await writers.request(busy, *(str(number) for number in range(PEOPLE)))
            beside = await measure_hires(writers, hiring, small, "beside")

            assert writers.process.is_running
        large.trouble = None

    assert beside <= alone + PATIENCE_SECONDS
