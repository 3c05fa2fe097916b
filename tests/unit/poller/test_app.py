"""How the poller's process is put together."""

from contextlib import AsyncExitStack
from typing import cast

from services.contracts.ids import ConnectionId
from services.poller.app import _build_account_source
from services.poller.settings import PollerSettings
from services.runtime.metrics import Metrics
from services.store.database import Store
from tests.support.builders import make_connection
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakeClock

SETTINGS = PollerSettings(kafka_bootstrap_servers="nowhere:1", mongodb_url="mongodb://nowhere", encryption_keys="-")


async def test_verifications_of_one_host_share_its_pace() -> None:
    """Companies at one Declaree are verified together: a limit of the host counts the requests of all of them."""
    store, ids = FakeStore(), [ConnectionId("one"), ConnectionId("two")]
    store.connections.content.update({connection: make_connection(connection) for connection in ids})
    open_accounts = _build_account_source(SETTINGS, cast("Store", store), FakeClock(), Metrics())

    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_accounts(connection)) for connection in ids]

        assert one._client._turns._host is two._client._turns._host  # type: ignore[attr-defined]
