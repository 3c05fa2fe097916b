"""The status of every connection: accounts, balance, waiting employees, last run."""

from dataclasses import dataclass

from services.admin.links import count_links
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.runs import Run
from services.store.connection_summaries import ConnectionSummary
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one connection."""

    connection: ConnectionId
    """The connection's id."""
    name: str
    """The connection's name."""
    state: ConnectionState
    """Whether the connection is polled on schedule."""
    problem: str | None
    """Why the connection cannot be used, and what to do; None if it can."""
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


async def get_status(store: Store) -> tuple[Status, ...]:
    """Returns the status of all connections, in the order in which they were added."""
    waiting = await store.counters.count_all_waiting()
    return tuple(
        [
            await _get_status(store, connection, waiting.get(connection.id, 0))
            for connection in await store.connections.list_all()
        ]
    )


async def _get_status(store: Store, summary: ConnectionSummary, waiting: int) -> Status:
    connection = summary.id
    published = await store.mappings.get_published(connection)
    report = await store.verifications.get_report(connection)
    return Status(
        connection=connection,
        name=summary.name,
        state=summary.state,
        problem=summary.problem,
        employees=await store.snapshots.count(connection),
        active=await store.snapshots.count_active(connection),
        accounts=await store.counters.count_active_with_account(connection),
        balance=await store.counters.count_behind(connection),
        waiting=waiting,
        absent=len(await store.counters.find_absent_with_account(connection)),
        decisions=await count_links(store, connection),
        findings=report.open_findings if report else 0,
        outcomes=await store.counters.count_outcomes(connection),
        mapping_version=published.version if published else 0,
        last_run=await store.runs.get_last_finished(connection),
    )
