"""A server that allows few requests is used to its limit: the writer as a process, on real Kafka and MongoDB."""

import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree
from services.contracts.outcomes import Outcome
from tests.support.servers import KafkaServers, MongoServers
from tests.support.serving import serve_in_thread
from tests.support.waiting import wait_until
from tests.support.writer_process import WriterProcess

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.timeout(360)]

PEOPLE = 100
"""Employees of the company."""
ALLOWED, WINDOW_SECONDS = 20, 5.0
"""Requests that the server allows in a window, and the length of a window."""
USED_SHARE = 0.95
"""Share of the allowed requests that must be used while employees are left."""


@pytest.mark.promise("P10")
async def test_limited_server_is_used_to_its_limit(
    kafka: KafkaServers, mongo: MongoServers, prepared_database: str, topic_prefix: str, tmp_path: Path
) -> None:
    """No employee is resent because of the limit, and each full window is used."""
    writer = WriterProcess(kafka, mongo, prepared_database, topic_prefix, tmp_path)
    behaviour = Behaviour(window_limit=ALLOWED, window_seconds=WINDOW_SECONDS)
    declaree = Declaree(api_key="key", behaviour=behaviour)
    with serve_in_thread(create_app(declaree, time.time)) as address:
        async with writer.run():
            connection = await writer.connect("limited", f"{address}/SCIM/v2")
            await writer.request(connection, *(str(number) for number in range(PEOPLE)))

            async def are_settled() -> bool:
                numbers = await writer.store.counters.read_one(connection)
                return numbers.outcomes.get(Outcome.CREATED.value) == PEOPLE

            await wait_until(are_settled, seconds=120)
            tasks = await writer.store.tasks.list_open(connection)

    entries = declaree.journal.read_since(0, 100_000)
    allowed = [entry for entry in entries if entry.status != 429]
    windows = Counter(int(datetime.fromisoformat(entry.time).timestamp() // WINDOW_SECONDS) for entry in allowed)
    full = [windows[window] for window in sorted(windows)[1:-1]]
    assert tasks == ()
    assert len(full) >= PEOPLE // ALLOWED - 2
    # on average, because a request may be answered in the window after its own
    assert sum(full) >= USED_SHARE * ALLOWED * len(full)
