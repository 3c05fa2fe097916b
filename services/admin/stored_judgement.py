"""Reads and judges what is stored about connections: for `status`, `doctor` and the metrics."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from services.admin.connection_findings import StoredFacts, judge_stored
from services.admin.findings import Finding, Level, get_level
from services.admin.status import get_status
from services.admin.vendor_findings import judge_ends
from services.contracts.connections import normalise_host
from services.contracts.ids import ConnectionId
from services.runtime.settings import PollingSettings
from services.store.database import Store


async def read_facts(store: Store, polling: PollingSettings, *, now: datetime) -> list[StoredFacts]:
    """Returns what is stored about each connection, in the order in which they were added."""
    statuses = await get_status(store, now=now, overdue_before=now - polling.poll_tolerance)
    by_connection = {status.connection: status for status in statuses}
    summaries = await store.connections.list_all()
    hosts = Counter(normalise_host(summary.personio_url) for summary in summaries)
    return [
        StoredFacts(
            summary,
            by_connection[summary.id],
            sharing=hosts[normalise_host(summary.personio_url)],
            per_minute=polling.poll_personio_per_minute,
        )
        for summary in summaries
        if summary.id in by_connection
    ]


def judge_connection(facts: StoredFacts, now: datetime) -> tuple[Finding, ...]:
    """Returns the findings about one connection, with what its last poll has heard of Personio."""
    run = facts.status.last_run
    return (*judge_stored(facts, now), *(() if run is None else judge_ends("Personio", run.notes, now)))


async def count_findings(
    store: Store, polling: PollingSettings, *, now: datetime
) -> dict[ConnectionId, Mapping[Level, int]]:
    """Returns the number of findings of each connection, by level."""
    facts = await read_facts(store, polling, now=now)
    return {one.summary.id: Counter(map(get_level, judge_connection(one, now))) for one in facts}
