"""How `doctor` examines connections: which systems it asks, and that one failure is one finding."""

from datetime import timedelta
from typing import NoReturn, cast

import pytest

from sandbox.stack.ports import reserve_port
from services.admin.connection_examiner import MAX_PROBED, ConnectionExaminer
from services.admin.findings import Finding
from services.contracts.connections import Connection, DeclareeAccess, PersonioAccess
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from services.runtime.settings import PollingSettings
from services.store.database import Store
from services.store.errors import StoreUnavailableError, UnknownConnectionError
from tests.support.builders import DECLAREE, NOW, PERSONIO
from tests.support.fakes import FakeClock

PATH = "/v1/company/employees"


class DownStore:
    """A store that cannot be reached."""

    def __getattr__(self, name: str) -> NoReturn:
        """Raises ``StoreUnavailableError``."""
        raise StoreUnavailableError("MongoDB does not answer")


@pytest.fixture
def examiner(store: Store) -> ConnectionExaminer:
    """Examines the connections of the store."""
    return ConnectionExaminer(store, FakeClock(), PollingSettings(), allow_private=True)


async def add(store: Store, number: int = 0) -> Connection:
    """Adds a started connection to systems that do not answer."""
    url = f"http://127.0.0.1:{reserve_port()}"
    personio = PersonioAccess(
        url=url, client_id=f"papi-{number}", client_secret=PERSONIO.client_secret, insecure_http=True
    )
    declaree = DeclareeAccess(url=url, key=DECLAREE.key, insecure_http=True)
    added = await store.connections.add(f"Company {number}", personio, declaree, now=NOW)
    await store.connections.start(added.id, now=NOW)
    await store.schedule.set_next_poll(added.id, NOW + timedelta(minutes=1))
    return added


async def examine(examiner: ConnectionExaminer, only: ConnectionId | None = None) -> list[dict[str, Finding]]:
    """Returns the last finding by its subject, for each connection."""
    _, reports = await examiner.examine(only)
    return [{finding.subject: finding for finding in report.findings} for report in reports]


async def test_systems_that_do_not_answer_are_one_finding_each(store: Store, examiner: ConnectionExaminer) -> None:
    """What is stored about the connection is examined in any case."""
    await add(store)

    (found,) = await examine(examiner)

    assert "Personio does not answer" in str(found["Personio"].problem)
    assert "Declaree gives no usable answer" in str(found["Declaree"].problem)
    assert found["Personio secret"].note == "stored 0 days ago"
    assert found["polls"].problem is None


async def test_systems_of_many_connections_are_not_asked(store: Store, examiner: ConnectionExaminer) -> None:
    """Thousands of requests would take the rate away from the polls."""
    added = [await add(store, number) for number in range(MAX_PROBED + 1)]

    every = await examine(examiner)
    (one,) = await examine(examiner, added[3].id)

    assert all("Personio" not in found for found in every)
    assert {found["Personio and Declaree"].note for found in every} == {
        f"not asked: see `doctor {connection.id}`" for connection in added
    }
    assert "Personio" in one


async def test_unknown_connection_is_an_error(store: Store, examiner: ConnectionExaminer) -> None:
    """A typing mistake is not an installation without findings."""
    await add(store)

    with pytest.raises(UnknownConnectionError):
        await examiner.examine(ConnectionId("c-unknown"))


async def test_announcement_of_the_last_poll_is_told(store: Store, examiner: ConnectionExaminer) -> None:
    """Even if Personio does not answer now, or the check does not use the endpoint."""
    connection = await add(store)
    notes = VendorNotes(ends=(EndpointEnd(path=PATH, is_deprecated=True),), clock_ahead_seconds=100)
    run = await store.runs.begin(connection.id, now=NOW)
    await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": NOW, "notes": notes}))

    (found,) = await examine(examiner)

    assert f"Personio advises against {PATH}" in str(found["Personio announcements"].hint)
    assert "Personio clock" not in found


async def test_overdue_poll_is_told_after_a_tenth_of_the_interval(store: Store, examiner: ConnectionExaminer) -> None:
    """A poll begins a little after its time."""
    connection = await add(store)
    run = await store.runs.begin(connection.id, now=NOW)
    await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": NOW}))
    await store.schedule.set_next_poll(connection.id, NOW - timedelta(seconds=89))
    (early,) = await examine(examiner)
    await store.schedule.set_next_poll(connection.id, NOW - timedelta(seconds=91))

    (late,) = await examine(examiner)

    assert "polls" not in early
    assert "overdue" in str(late["polls"].problem)


async def test_store_that_fails_is_a_finding() -> None:
    """MongoDB may go down during the examination."""
    examiner = ConnectionExaminer(cast("Store", DownStore()), FakeClock(), PollingSettings(), allow_private=True)

    findings, reports = await examiner.examine(None)

    assert findings == (Finding("connections", "MongoDB does not answer"),)
    assert reports == ()
