"""Fills a database with employees in the states that a running installation has: most are settled, a few are not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from services.contracts.claims import Decision, LinkDecision
from services.contracts.connections import DeclareeAccess, PersonioAccess
from services.contracts.events import AccountSynced, ChangeKind, Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry, ManagerLink, RefusedField, Waiting
from services.contracts.mappings import default_mapping
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import RunCounts, RunState
from services.contracts.snapshots import Snapshot
from services.contracts.tasks import Poll
from services.contracts.verifications import ListedAccount, VerificationStep
from services.store.database import Store

NOW = datetime.now(UTC).replace(microsecond=0)
"""Time of the stored documents: MongoDB deletes old runs and tasks."""
SERVER = "https://app.declaree.com/SCIM/v2"
"""Address of all connections' server."""
REVISION = 1_000_000
"""Revision of the settled snapshots."""
ATTRIBUTES = '{"first_name":"Zoe","last_name":"Example","status":"active"}'
"""Attributes of every employee."""
BULK = 1_000
"""Number of documents in one command."""
AT_ONCE = 16
"""Number of commands, or of small companies, at the same time."""
FIRST_EMPLOYEE = 1_000_000
"""Number of the first employee. All numbers have the same length, so that their order is that of the keys."""


def name_employee(number: int) -> EmployeeId:
    """Returns the id of the employee with this number, from 0."""
    return EmployeeId(str(FIRST_EMPLOYEE + number))


def name_account(connection: ConnectionId, number: int) -> AccountId:
    """Returns the id of that employee's account."""
    return AccountId(f"{connection}-{FIRST_EMPLOYEE + number}")


async def add_connection(store: Store, number: int) -> ConnectionId:
    """Adds an active connection with a published mapping, a due poll and some finished runs and tasks."""
    personio = PersonioAccess(client_id=f"papi-{number}", client_secret=SecretStr("secret"))
    connection = (
        await store.connections.add(f"Company {number}", personio, DeclareeAccess(key=SecretStr("key")), now=NOW)
    ).id
    await store.connections.start(connection, now=NOW)
    await store.schedule.set_next_poll(connection, NOW + timedelta(seconds=number))
    await store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
    return connection


async def add_history(store: Store, connection: ConnectionId, length: int, people: int) -> None:
    """Stores this number of finished runs and tasks. ``people`` is the number of employees of the company."""
    for number in range(length):
        run = await store.runs.begin(connection, now=NOW - timedelta(minutes=15 * number), is_stored=False)
        changes = {"state": RunState.SUCCEEDED, "counts": RunCounts(seen=people, unchanged=people)}
        await store.runs.save(run.model_copy(update=changes))
        task = await store.tasks.file(connection, Poll(), now=NOW)
        await store.tasks.start(task.id)
        await store.tasks.finish(task.id, {}, now=NOW)


async def add_people(store: Store, connection: ConnectionId, people: int) -> None:
    """Stores the snapshots and ledger entries of employees with these numbers, from 0 on."""
    await _store(people, lambda numbers: _add_snapshots(store, connection, numbers))
    await _store(people, lambda numbers: _add_entries(store, connection, numbers))
    absent = [name_employee(number) for number in range(people) if number % 1_000 == 17]
    await store.snapshots.mark_absent(connection, absent, NOW)


async def add_claims(store: Store, connection: ConnectionId, people: int) -> None:
    """Stores the claims and link decisions of these employees."""
    await _store(people, lambda numbers: _add_claims(store, connection, numbers))
    await _store(people, lambda numbers: _add_links(store, connection, numbers))


async def add_verification(store: Store, connection: ConnectionId, people: int) -> None:
    """Stores a finished verification, with 100 accounts a step."""
    for number, first in enumerate(range(0, people, 100)):
        listed = tuple(
            ListedAccount(id=name_account(connection, account), employee_id=name_employee(account))
            for account in range(first, min(first + 100, people))
        )
        step = VerificationStep(number=number, kind="page", taken_at=NOW, listed=listed)
        await store.verifications.save_step(connection, "finished", step)
    await store.verifications.finish(connection, "finished", {"listed": people}, now=NOW)


async def _store(people: int, write: Callable[[Iterable[int]], Awaitable[object]]) -> None:
    """Calls ``write`` for all numbers, some at a time."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def write_some(first: int) -> None:
        async with limit:
            await write(range(first, min(first + BULK, people)))

    await asyncio.gather(*(write_some(first) for first in range(0, people, BULK)))


async def _add_snapshots(store: Store, connection: ConnectionId, numbers: Iterable[int]) -> None:
    await store.snapshots.save([(build_snapshot(connection, number), None) for number in numbers])


async def _add_entries(store: Store, connection: ConnectionId, numbers: Iterable[int]) -> None:
    await store.ledger.write([build_entry(connection, number) for number in numbers])


async def _add_claims(store: Store, connection: ConnectionId, numbers: Iterable[int]) -> None:
    owners = {number: PersonKey(connection, name_employee(number)) for number in numbers}
    await store.claims.claim_accounts(SERVER, {name_account(connection, n): owner for n, owner in owners.items()})
    await store.claims.claim_external_ids(SERVER, {f"{connection}:{n}": owner for n, owner in owners.items()})


async def _add_links(store: Store, connection: ConnectionId, numbers: Iterable[int]) -> None:
    await store.links.ask([build_question(connection, number) for number in numbers if number % 100 == 5])


def build_snapshot(connection: ConnectionId, number: int) -> Snapshot:
    """Returns the snapshot of an employee: one of 20 has left, and one of 1,000 has an unpublished change."""
    status = "inactive" if number % 20 == 7 else "active"
    return Snapshot(
        connection_id=connection,
        employee_id=name_employee(number),
        revision=REVISION + (number % 1_000 < 5),
        emitted_revision=0 if number % 1_000 == 1 else REVISION,
        kind=ChangeKind.CREATED,
        content_hash=f"hash-{number}",
        attributes_json=ATTRIBUTES,
        status=status,
        detected_at=NOW,
    )


def build_entry(connection: ConnectionId, number: int) -> LedgerEntry:
    """Returns the ledger entry of an employee: one of 100 waits, is rejected or has something open."""
    has_left = number % 20 == 7
    content: dict[str, Any] = {
        "connection_id": connection,
        "employee_id": name_employee(number),
        "account_id": name_account(connection, number),
        "user_name": f"person-{number}@example.com",
        "external_id": f"{connection}:{number}",
        "enabled": not has_left,
        "applied": f"hash-{number}",
        "decided": _build_outcome(connection, number, Outcome.DISABLED if has_left else Outcome.CREATED),
        "manager": ManagerLink(
            employee_id=name_employee(number // 10), account_id=name_account(connection, number // 10)
        ),
        "seq": 1,
    }
    return LedgerEntry.model_validate(content | _build_exception(connection, number))


def _build_exception(connection: ConnectionId, number: int) -> dict[str, Any]:
    """Returns the fields in which one of 100 employees differs from a settled one."""
    if number % 100 != 3:
        return {}
    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(REVISION, 1))
    rejected = _build_outcome(connection, number, Outcome.REJECTED)
    refused = RefusedField(path="title", code="400", value="h", mapping_version=1, tried_at=NOW)
    exceptions: tuple[dict[str, Any], ...] = (
        {"waiting": waiting},
        {"waiting": waiting.model_copy(update={"cause": WaitingCause.MANAGER_PENDING})},
        {"decided": rejected},
        {"decided": rejected, "blocked_by": name_account(connection, 0), "blocked_name": "person-0@example.com"},
        {"refused": (refused,), "decided": _build_outcome(connection, number, Outcome.INCOMPLETE)},
        {"manager": ManagerLink(employee_id=EmployeeId("unknown"))},
        {"look_at": NOW},
        {"account_id": None, "enabled": None, "decided": _build_outcome(connection, number, Outcome.OUT_OF_SCOPE)},
    )
    return exceptions[number // 100 % len(exceptions)]


def _build_outcome(connection: ConnectionId, number: int, how: Outcome) -> AccountSynced:
    return AccountSynced(
        connection_id=connection,
        employee_id=name_employee(number),
        revision=REVISION,
        detected_at=NOW,
        mapping_version=1,
        outcome=how,
        account_id=name_account(connection, number),
        settled_at=NOW,
    )


def build_question(connection: ConnectionId, number: int, *, account: str = "found") -> LinkDecision:
    """Returns a decision about an account that existed before: one of two is open."""
    return LinkDecision(
        connection_id=connection,
        employee_id=name_employee(number),
        account_id=AccountId(account),
        account_hash="shown",
        asked_at=NOW,
        decision=Decision.LEAVE if number // 100 % 2 else None,
    )
