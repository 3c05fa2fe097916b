"""Every query of a poll, of ``status``, of waiting people, and of links, claims, tasks and verifications."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from benchmarks.queries.measuring import Query
from benchmarks.queries.population import (
    NOW,
    REVISION,
    SERVER,
    build_entry,
    build_question,
    build_snapshot,
    name_account,
    name_employee,
)
from services.admin.status import get_status
from services.contracts.claims import Decision
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.contracts.tasks import Resend
from services.contracts.verifications import VerificationStep

OWNER = ProcessIdentity("host", 1, "token")
"""The process that owns leases."""
PAGE = 200
"""Number of employees on a page of a scan."""


async def _exhaust(pages: AsyncIterator[object]) -> None:
    async for _ in pages:
        pass


def list_paged(connection: ConnectionId) -> Mapping[str, Query]:
    """Returns the queries that read all documents on purpose, page by page."""
    return {
        "status: all connections": lambda s: get_status(s, now=NOW),
        "connections: list": lambda s: s.connections.list_all(),
        "poll: repair of all marks": lambda s: s.marks.repair_all(connection),
        "poll: repair of unsettled marks": lambda s: s.marks.repair_unsettled(connection),
        "poll: ids of all employees": lambda s: _exhaust(s.snapshots.stream_employee_ids(connection)),
        "resend: all snapshots": lambda s: _exhaust(s.snapshots.stream(connection)),
        "resend: rejected": lambda s: _exhaust(s.followups.page_rejected(connection)),
        "resend: incomplete": lambda s: _exhaust(s.followups.page_incomplete(connection, NOW + timedelta(days=1))),
        "people: waiting": lambda s: _exhaust(s.followups.page_waiting(connection)),
        "links: open": lambda s: _exhaust(s.links.page_open(connection)),
        "verification: steps": lambda s: _exhaust(s.verifications.iterate_steps(connection, "finished")),
        "verification: findings": lambda s: _exhaust(s.verifications.iterate_drifts(connection, "finished")),
    }


def list_queries(connection: ConnectionId) -> Mapping[str, Query]:
    """Returns the other queries, which concern few employees."""
    return {
        **_list_poll(connection),
        **_list_followups(connection),
        **_list_status(connection),
        **_list_writer(connection),
        **_list_others(connection),
    }


def _list_poll(connection: ConnectionId) -> Mapping[str, Query]:
    employees = [name_employee(number) for number in range(PAGE)]
    changes = [(build_snapshot(connection, number), REVISION - 1) for number in range(PAGE)]
    revisions = [(name_employee(number), REVISION) for number in range(PAGE)]
    lease = f"connection/{connection}"
    return {
        "schedule: due connections": lambda s: s.schedule.find_due(NOW + timedelta(days=1), limit=100),
        "schedule: unfinished tasks": lambda s: s.tasks.find_connections_with_unfinished(limit=100),
        "schedule: next poll": lambda s: s.schedule.set_next_poll(connection, NOW),
        "poll: lease": lambda s: s.leases.acquire(lease, OWNER, seconds=30),
        "poll: connection": lambda s: s.connections.find(connection),
        "poll: plan": lambda s: s.polls.plan(connection),
        "poll: unfinished runs": lambda s: s.runs.fail_unfinished(connection, "x", now=NOW),
        "poll: pending events": lambda s: s.snapshots.read_pending(connection, 500),
        "poll: page of snapshots": lambda s: s.snapshots.read(connection, employees),
        "poll: save changes": lambda s: s.snapshots.save(changes),
        "poll: mark emitted": lambda s: s.snapshots.mark_emitted(connection, revisions),
        "poll: mark absent": lambda s: s.snapshots.mark_absent(connection, employees[:10], NOW),
        "poll: clear absent": lambda s: s.snapshots.clear_absent(connection, employees[:10]),
        "poll: oversized": lambda s: s.snapshots.find_oversized(connection),
    }


def _list_followups(connection: ConnectionId) -> Mapping[str, Query]:
    manager, account = name_employee(1), name_account(connection, 1)
    some = [name_employee(number) for number in range(3, PAGE * 100, 100)]
    return {
        "resend: resolvable reports": lambda s: s.followups.find_resolvable_reports(connection),
        "resend: unblocked": lambda s: s.followups.find_unblocked(connection),
        "resend: exchanging": lambda s: s.followups.find_exchanging(connection),
        "follow up: unblocked of some": lambda s: s.followups.find_unblocked(connection, some),
        "follow up: exchanging of some": lambda s: s.followups.find_exchanging(connection, some),
        "follow up: reports of a manager": lambda s: s.followups.find_waiting_reports(connection, {manager: account}),
        "follow up: pending reports": lambda s: s.followups.find_pending_reports(connection, [manager]),
        "follow up: blocked by an account": lambda s: s.followups.find_blocked_by(connection, [account]),
        "waiting: due looks": lambda s: s.followups.take_due_looks(NOW - timedelta(days=1)),
        "waiting: connections": lambda s: s.followups.find_connections_with_retryable(),
        "waiting: due of a connection": lambda s: s.followups.take_due(connection, NOW, PAGE, timedelta(minutes=1)),
    }


def _list_status(connection: ConnectionId) -> Mapping[str, Query]:
    return {
        "status: numbers of one connection": lambda s: s.counters.read_one(connection),
        "status: balance": lambda s: s.counters.count_behind(connection),
        "metrics: balance": lambda s: s.counters.count_all_behind(),
        "metrics: waiting by cause": lambda s: s.counters.count_waiting_by_cause(),
        "metrics: overdue polls": lambda s: s.schedule.count_due(NOW + timedelta(days=1)),
        "status: absent": lambda s: s.counters.find_absent_with_account(connection),
        "status: looks": lambda s: s.counters.count_looks(connection),
        "status: verification": lambda s: s.verifications.get_report(connection),
        "status: last run": lambda s: s.runs.get_last_finished(connection),
        "connections: of a server": lambda s: s.connections.find_by_server("https://elsewhere.example/scim/v2"),
        "runs: newest": lambda s: s.runs.list_newest(connection),
    }


def _list_writer(connection: ConnectionId) -> Mapping[str, Query]:
    people = [PersonKey(connection, name_employee(number)) for number in range(PAGE)]
    accounts = [name_account(connection, number) for number in range(PAGE)]
    entries = [build_entry(connection, number) for number in range(PAGE)]
    owners = dict(zip(accounts, people, strict=True))
    return {
        "ledger: read": lambda s: s.ledger.read(people),
        "ledger: write": lambda s: s.ledger.write(entries),
        "ledger: by accounts": lambda s: s.ledger.find_by_accounts(connection, accounts),
        "ledger: mark verify": lambda s: s.ledger.mark_verify(people[-2:]),
        "writer: absent among some": lambda s: s.snapshots.find_absent(people),
        "writer: unsettled among some": lambda s: s.snapshots.find_unsettled(people),
        "writer: first run in progress": lambda s: s.runs.find_first([connection]),
        "writer: connections": lambda s: s.connections.get_readable([connection]),
        "claims: owner": lambda s: s.claims.find_owner(SERVER, accounts[0]),
        "claims: owners": lambda s: s.claims.find_owners(SERVER, accounts),
        "claims: claim": lambda s: s.claims.claim_accounts(SERVER, owners),
        "claims: release of a person": lambda s: s.claims.release(people[-1]),
    }


def _list_others(connection: ConnectionId) -> Mapping[str, Query]:
    person = PersonKey(connection, name_employee(105))
    question = build_question(connection, 105)
    step = VerificationStep(number=0, kind="list-end", taken_at=NOW)
    once = f"rejected/{connection}"
    task = Resend(scope="rejected", reason="measured")
    return {
        "links: of some people": lambda s: s.links.read([person]),
        "links: ask": lambda s: s.links.ask([question]),
        "links: decide": lambda s: s.links.decide(question, Decision.LEAVE, NOW),
        "links: withdraw": lambda s: s.links.withdraw([person], [question]),
        "tasks: open": lambda s: s.tasks.list_open(connection),
        "tasks: file once": lambda s: s.tasks.file(connection, task, now=NOW, once=once),
        "tasks: reopen": lambda s: s.tasks.reopen_running(connection),
        "verification: begin": lambda s: s.verifications.begin(connection, "next"),
        "verification: store a step": lambda s: s.verifications.save_step(connection, "next", step),
    }
