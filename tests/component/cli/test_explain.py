"""The command `mapping explain` while Kafka is down."""

import asyncio

import pytest

from services.contracts.ids import ConnectionId
from services.store.database import Store
from tests.support.builders import make_snapshot
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


async def test_explanation_without_kafka_says_so(cli: Cli, store: Store, connection: ConnectionId) -> None:
    """The values do not depend on Kafka. That it does not answer is not shown as a missing record."""
    await store.snapshots.save([(make_snapshot("8", connection_id=connection), None)])

    result = await asyncio.to_thread(cli, "mapping", "explain", connection, "8", "--field", "name.givenName")

    assert result.exit_code == 0
    assert "event: unknown, Kafka does not answer now" in result.output
    assert 'the rule gives: "Zoë"' in result.output
