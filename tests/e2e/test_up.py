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

from sandbox.stack.ports import is_free, reserve_port
from tests.support.http import open_http
from tests.support.keys import make_key
from tests.support.servers import KafkaServers, MongoServers

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

SECONDS = 60
"""Limit for each condition that a test waits for."""

UNREACHABLE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "MONGODB_URL": "mongodb://127.0.0.1:9",
    "MONGODB_TIMEOUT_MS": "200",
}
"""Settings with addresses at which no server listens."""


def reserve_three_ports() -> int:
    """Returns the first of three consecutive ports that are free."""
    while True:
        first = reserve_port()
        if is_free(first + 1) and is_free(first + 2):
            return first


@asynccontextmanager
async def run_up(**settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the command; kills it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "up"),
        env={**os.environ, "ENCRYPTION_KEYS": make_key(), **settings},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        # a test run in the background ignores SIGINT, and children inherit that; a terminal does not ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_log_line(process: asyncio.subprocess.Process, part: str) -> dict[str, Any]:
    """Returns the next log line that contains ``part``; raises ``AssertionError`` if the process ends before."""
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while line := (await process.stdout.readline()).decode():
            if part in line:
                entry: dict[str, Any] = json.loads(line)
                return entry
    raise AssertionError(f"the process has ended without a log line with {part}")


async def wait_for_service(port: int) -> str:
    """Waits until a service is ready at this port; returns its name."""
    async with asyncio.timeout(SECONDS), open_http() as client:
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
async def test_up_runs_all_services_and_ends_them_in_order(
    kafka: KafkaServers, mongo: MongoServers, database: str, topic_prefix: str, number: signal.Signals
) -> None:
    """Each service has a port of its own, and a signal stops them one after the other."""
    first = reserve_three_ports()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_TOPIC_PREFIX": topic_prefix, "KAFKA_PARTITIONS": "2",
        "MONGODB_URL": mongo.url, "MONGODB_DATABASE": database, "HTTP_PORT": str(first),
    }  # fmt: skip

    async with run_up(**settings) as process:
        services = await asyncio.gather(*(wait_for_service(first + offset) for offset in range(3)))

        assert services == ["poller", "mapper", "writer"]

        process.send_signal(number)
        stopped = [(await read_log_line(process, '"stopped"'))["service"] for _ in range(3)]

        assert await asyncio.wait_for(process.wait(), SECONDS) == 0

    assert stopped == ["poller", "mapper", "writer"]
    assert all(is_free(first + offset) for offset in range(3))


async def test_up_without_servers_waits_until_ctrl_c() -> None:
    """Kafka and MongoDB may start after the product."""
    async with run_up(**UNREACHABLE) as process:
        assert (await read_log_line(process, "waiting for Kafka and MongoDB"))["service"] == "up"

        process.send_signal(signal.SIGINT)

        assert await asyncio.wait_for(process.wait(), SECONDS) == 130


async def test_up_with_an_invalid_setting_ends_at_once() -> None:
    """The settings are checked before the command waits for servers or starts a service."""
    async with run_up(**UNREACHABLE, ENCRYPTION_KEYS="no key") as process:
        assert await asyncio.wait_for(process.wait(), SECONDS) == 78
