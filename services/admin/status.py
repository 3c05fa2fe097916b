"""The status of every connection: accounts, balance, waiting employees, last run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.admin.attribute_news import AttributeNews, find_changes
from services.admin.links import count_links
from services.contracts.connections import ConnectionState
from services.contracts.damage import Damage
from services.contracts.ids import ConnectionId
from services.contracts.runs import UNSUCCESSFUL, Run
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store
from services.store.undone import UndoneGroup

AT_ONCE = 200
"""Number of connections that are read together."""
LARGE = 5_000
"""Number of employees in the last run from which a connection is read alone."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one connection."""

    connection: ConnectionId
    """The connection's id."""
    name: str
    """The connection's name."""
    state: ConnectionState
    """Whether the connection is polled on schedule."""
    employees: int
    """Number of employees with a snapshot."""
    active: int
    """Number of employees that Personio lists as active."""
    accounts: int
    """Number of active employees with an enabled account."""
    balance: int
    """Number of employees with a newest change that is not settled; 0 at rest."""
    waiting: int
    """Number of employees with a waiting change."""
    held_disablings: int
    """Number of employees with an account that the brake keeps from being disabled until an administrator decides."""
    absent: int
    """Number of employees with an enabled account that Personio no longer lists."""
    decisions: int
    """Number of accounts that existed before and that employees wait for a decision about."""
    findings: int
    """Number of findings of the last verification that need a person."""
    outcomes: dict[str, int]
    """Number of employees for each outcome of their last change."""
    mapping_version: int
    """Version of the published mapping; 0 without a published mapping."""
    last_run: Run | None
    """The newest run that has ended; None before the first."""
    undone: tuple[UndoneGroup, ...] = ()
    """The employees with a change that waits, is rejected or is incomplete, by like reason."""
    released_until: datetime | None = None
    """Start of the newest run with changes that were all released; None before the first one, and if the last run has succeeded."""
    overdue_since: datetime | None = None
    """When the poll was due that is overdue; None if none is, or if overdue polls were not asked for."""
    unreadable: int = 0
    """Number of employees with a document that cannot be read."""
    problems: tuple[str, ...] = ()
    """What else of the connection cannot be read, and what to do."""
    attributes: tuple[AttributeNews, ...] = ()
    """The changes of visible attributes that an administrator should know."""


async def get_status(store: Store, *, now: datetime, overdue_before: datetime | None = None) -> tuple[Status, ...]:
    """Returns the status of all connections, in the order in which they were added.

    A poll that was due before ``overdue_before`` and has not ended is overdue; None does not ask for overdue polls.
    """
    overdue = {} if overdue_before is None else await store.schedule.find_overdue(overdue_before)
    summaries = await store.connections.list_all()
    damaged: dict[ConnectionId, list[Damage]] = defaultdict(list)
    for damage in await store.damage.list_all():
        damaged[damage.connection_id].append(damage)
    pages = [summaries[start : start + AT_ONCE] for start in range(0, len(summaries), AT_ONCE)]
    statuses = [status for page in pages for status in await _read_page(store, page, damaged, now)]
    return tuple(replace(status, overdue_since=overdue.get(status.connection)) for status in statuses)


async def _read_page(
    store: Store,
    summaries: Sequence[ConnectionSummary],
    damaged: Mapping[ConnectionId, Sequence[Damage]],
    now: datetime,
) -> list[Status]:
    """Returns the status of some connections. The number of queries depends on the number of large ones alone."""
    connections = [summary.id for summary in summaries]
    versions = await store.mappings.find_newest_versions(connections)
    reports = await store.verifications.find_reports(connections)
    runs = await store.runs.find_last_finished(connections)
    large = {run.connection_id for run in runs.values() if run.counts.seen >= LARGE}
    numbers = await store.counters.read(one for one in connections if one not in large)
    numbers |= {connection: await store.counters.read_one(connection) for connection in large}
    undone = await store.counters.read_undone(connections)
    failing = [run.connection_id for run in runs.values() if run.state in UNSUCCESSFUL]
    released = await store.schedule.find_released(failing)
    attributes = await find_changes(store, connections, now)
    decisions = {one: await count_links(store, one) for one in connections if numbers[one].open_links}
    return [
        Status(
            connection=summary.id,
            name=summary.name,
            state=summary.state,
            employees=numbers[summary.id].employees,
            active=numbers[summary.id].active,
            accounts=numbers[summary.id].accounts,
            balance=numbers[summary.id].balance,
            waiting=numbers[summary.id].waiting,
            held_disablings=numbers[summary.id].held_disablings,
            absent=numbers[summary.id].absent,
            decisions=decisions.get(summary.id, 0),
            findings=reports[summary.id].open_findings if summary.id in reports else 0,
            outcomes=dict(numbers[summary.id].outcomes),
            mapping_version=versions.get(summary.id, 0),
            last_run=runs.get(summary.id),
            undone=undone.get(summary.id, ()),
            released_until=released.get(summary.id),
            unreadable=len({damage.employee_id for damage in damaged.get(summary.id, ())} - {None}),
            problems=_list_problems(summary, damaged.get(summary.id, ())),
            attributes=attributes.get(summary.id, ()),
        )
        for summary in summaries
    ]


def _list_problems(summary: ConnectionSummary, damaged: Sequence[Damage]) -> tuple[str, ...]:
    """Returns what cannot be read of the connection itself, and what to do."""
    problems = {damage.problem for damage in damaged if damage.employee_id is None}
    return tuple(sorted(problems | ({summary.problem} if summary.problem else set())))
