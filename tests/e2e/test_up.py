"""``personio-declaree up``: a small installation as one command, on real servers."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from sandbox.stack.ports import free_port, is_free
from tests.stack import KafkaServers, MongoServers

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo]

SECONDS = 60
NOBODY = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "MONGODB_URL": "mongodb://127.0.0.1:9", "MONGODB_TIMEOUT_MS": "200"}


def three_ports() -> int:
    """The first of three in a row that nobody uses."""
    while True:
        first = free_port()
        if is_free(first + 1) and is_free(first + 2):
            return first


@asynccontextmanager
async def up(**settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "up"),
        env={**os.environ, "ENCRYPTION_KEYS": Fernet.generate_key().decode(), **settings},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        # as at a terminal: whoever runs the tests in the background has it ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: asyncio.subprocess.Process, part: str) -> dict[str, Any]:
    """The first line of the log from now on that holds this."""
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while line := (await process.stdout.readline()).decode():
            if part in line:
                found: dict[str, Any] = json.loads(line)
                return found
    raise AssertionError(f"it ended without a word of {part}")


async def ready(port: int) -> str:
    """The name of the service that is ready at this port."""
    async with asyncio.timeout(SECONDS), httpx.AsyncClient() as client:
        while True:
            try:
                response = await client.get(f"http://127.0.0.1:{port}/health/ready")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if response.status_code == httpx.codes.OK:
                return str(response.json()["service"])
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_all_services_run_each_at_its_port_and_end_in_order(
    kafka: KafkaServers, mongo: MongoServers, database: str, topic_prefix: str, number: signal.Signals
) -> None:
    first = three_ports()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_TOPIC_PREFIX": topic_prefix, "KAFKA_PARTITIONS": "2",
        "MONGODB_URL": mongo.url, "MONGODB_DATABASE": database, "HTTP_PORT": str(first),
    }  # fmt: skip
    async with up(**settings) as process:
        found = await asyncio.gather(*(ready(first + place) for place in range(3)))
        assert found == ["poller", "mapper", "writer"]
        process.send_signal(number)
        stopped = [(await said(process, '"stopped"'))["service"] for _ in range(3)]
        assert await asyncio.wait_for(process.wait(), SECONDS) == 0
    assert stopped == ["poller", "mapper", "writer"]
    assert all(is_free(first + place) for place in range(3))


async def test_servers_that_are_not_there_yet_are_waited_for_until_ctrl_c() -> None:
    async with up(**NOBODY) as process:
        assert (await said(process, "waiting for Kafka and MongoDB"))["service"] == "up"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), SECONDS) == 130


async def test_a_setting_that_is_missing_is_said_before_anything_is_started() -> None:
    async with up(**NOBODY, ENCRYPTION_KEYS="no key") as process:
        assert await asyncio.wait_for(process.wait(), SECONDS) == 78
