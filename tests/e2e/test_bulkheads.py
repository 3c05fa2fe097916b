"""Nothing of one company reaches another: the writer as a process, with its default settings, on real Kafka and MongoDB."""

import asyncio
import json
import math
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stack.ports import reserve_port
from services.contracts.ids import ConnectionId
from tests.support.servers import KafkaServers, MongoServers
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until
from tests.support.writer_process import WriterProcess

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

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


async def measure_hires(writers: WriterProcess, connection: ConnectionId, server: ScimServer, name: str) -> float:
    """Hires employees one after the other, and returns the seconds that 95 % of the accounts took at most."""
    seconds: list[float] = []
    for number in range(HIRES):
        employee, began = f"{name}-{number}", time.monotonic()
        await writers.request(connection, employee)
        await wait_until(partial(server.created.__contains__, employee))
        seconds.append(time.monotonic() - began)
    return sorted(seconds)[math.ceil(HIRES * 0.95) - 1]


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
    writers = WriterProcess(kafka, mongo, prepared_database, topic_prefix, tmp_path)
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
