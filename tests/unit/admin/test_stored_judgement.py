"""The number of problems and hints of each connection, from what is stored."""

from datetime import timedelta

from services.admin.findings import Level
from services.admin.stored_judgement import count_findings
from services.contracts.events import Version
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.contracts.runs import RunState
from services.runtime.settings import PollingSettings
from services.store.database import Store
from tests.support.builders import DECLAREE, NOW, PERSONIO, make_entry


async def test_leaver_with_a_refused_key_is_a_problem(store: Store) -> None:
    """The failure that matters most must not stay silent: the leaver keeps the access. Another company has no problem."""
    first = await store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    other = PERSONIO.model_copy(update={"client_id": "papi-2"})
    second = await store.connections.add("Südlicht", other, DECLAREE, now=NOW)
    for connection in (first.id, second.id):
        await store.connections.start(connection, now=NOW)
        await store.schedule.set_next_poll(connection, NOW + timedelta(minutes=15))
        run = await store.runs.begin(connection, now=NOW)
        await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED, "finished_at": NOW}))
    waiting = Waiting(cause=WaitingCause.KEY_REFUSED, since=NOW, version=Version(1_000, 3))
    await store.ledger.write([make_entry("1", connection_id=first.id, waiting=waiting)])

    found = await count_findings(store, PollingSettings(), now=NOW)

    assert {connection: levels.get(Level.PROBLEM, 0) for connection, levels in found.items()} == {
        first.id: 1,
        second.id: 0,
    }
