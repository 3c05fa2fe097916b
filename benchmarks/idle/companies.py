"""Companies of settled employees. No mapper and no writer is needed: the outcomes are written to the ledger."""

from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from sandbox.installation import DECLAREE_KEY, Installation
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.events import AccountSynced
from services.contracts.ids import ConnectionId
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import default_mapping
from services.contracts.outcomes import Outcome
from services.contracts.snapshots import Snapshot
from services.store.database import Store

SECRET = "secret"
"""Client secret of every company."""


async def add_company(installation: Installation, store: Store, number: int) -> ConnectionId:
    """Adds a company with a credential of its own to the sandbox Personio, starts it, and returns its connection.

    All companies have the same employees. No poll sends a request to the SCIM server of a company.
    """
    credential = {"client_id": f"company-{number}", "client_secret": SECRET}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        (await client.post(f"{installation.personio}/_control/credentials", json=credential)).raise_for_status()
    now = datetime.now(UTC)
    personio = PersonioAccess(
        url=installation.personio, client_id=f"company-{number}", client_secret=SecretStr(SECRET), insecure_http=True
    )
    declaree = DeclareeAccess(url=f"{installation.scim}/{number}", key=SecretStr(DECLAREE_KEY), insecure_http=True)
    connection = (await store.connections.add(f"Company {number}", personio, declaree, now=now)).id
    await store.mappings.publish(connection, default_mapping(), now=now, expected_version=None)
    await store.connections.start(connection, now=now)
    return connection


async def settle(store: Store, connection: ConnectionId) -> int:
    """Stores an outcome for the newest change of each employee; returns the number of employees."""
    count = 0
    async for page in store.snapshots.stream(connection):
        await store.ledger.write([_build_entry(snapshot) for snapshot in page])
        count += len(page)
    return count


def _build_entry(snapshot: Snapshot) -> LedgerEntry:
    outcome = AccountSynced(
        connection_id=snapshot.connection_id,
        employee_id=snapshot.employee_id,
        revision=snapshot.revision,
        detected_at=snapshot.detected_at,
        mapping_version=1,
        outcome=Outcome.OUT_OF_SCOPE,
        settled_at=snapshot.detected_at,
    )
    return LedgerEntry(connection_id=snapshot.connection_id, employee_id=snapshot.employee_id, decided=outcome, seq=1)
