"""Many employees of a connection in MongoDB, in every state that a query distinguishes."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from services.contracts.brakes import Brake
from services.contracts.claims import Decision, LinkDecision
from services.contracts.events import Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.leases import ProcessIdentity
from services.contracts.ledger import ManagerLink, RefusedField, Waiting
from services.contracts.mappings import PublishedMapping, default_mapping
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import RunState
from services.contracts.tasks import Poll
from services.contracts.verifications import VerificationStep
from services.contracts.work_ranges import WorkRange
from services.store.database import Store
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    NOW,
    PERSONIO,
    make_entry,
    make_observation,
    make_outcome,
    make_person,
    make_pinned,
    make_snapshot,
)

SERVER = "https://app.declaree.com/SCIM/v2"
"""Address of the server of the claims."""


async def fill(store: Store, connection: ConnectionId, people: int) -> None:
    """Stores this number of employees of a connection in every state of snapshot and ledger entry."""
    identity: dict[str, Any] = {"connection_id": connection}
    boss, other_boss = ManagerLink(employee_id=EmployeeId("1")), ManagerLink(employee_id=EmployeeId("3"))
    waiting = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(1_000, 3))
    pending = waiting.model_copy(update={"cause": WaitingCause.MANAGER_PENDING})
    refused = RefusedField(path="title", code="400", value="h", mapping_version=3, tried_at=NOW)
    snapshots, entries = [], []
    for number in range(people):
        key = str(number)
        absent: dict[str, Any] = {"absent_since": NOW} if number % 5 == 1 else {}
        absent |= {"status": "inactive"} if number % 7 == 3 else {}
        absent |= {"next_day": NOW.date()} if number % 9 == 4 else {}
        snapshots.append(
            (make_snapshot(key, emitted_revision=0 if number % 5 == 2 else 1_000, **identity, **absent), None)
        )
        decided = make_outcome(key, how=Outcome.REJECTED if number % 5 == 3 else Outcome.CREATED)
        states: list[dict[str, Any]] = [
            {"account_id": f"a-{key}", "enabled": True, "user_name": f"{key}@x.example", "look_at": NOW},
            {"account_id": f"a-{key}", "enabled": True, "manager": boss},
            {"waiting": waiting, "look_at": NOW, "is_disabling_held": number % 3 == 0}
            if number % 2
            else {"waiting": pending, "manager": other_boss},
            {"blocked_by": "a-1", "blocked_name": "old@x.example", "account_id": f"a-{key}", "refused": (refused,)},
            {"verify": True, "manager": ManagerLink(employee_id=EmployeeId("1"), account_id=AccountId("a-0"))},
        ]
        entries.append(make_entry(key, **identity, decided=decided.model_copy(update=identity), **states[number % 5]))
    await store.snapshots.save(snapshots)
    await store.snapshots.mark_oversized(connection, [(EmployeeId("4"), 1_000)])
    await store.ledger.write(entries)
    await fill_claims(store, connection, people)
    for key in map(str, range(min(people, 20))):
        await store.examples.save(make_pinned(key, key, connection_id=connection))
    await asyncio.gather(*(fill_one(store, connection, number) for number in range(people)))
    await store.brakes.write(Brake(connection_id=connection, accounts=people, counted_at=NOW, seq=1).add(NOW))
    held = await store.runs.begin(connection, now=NOW)
    await store.runs.save(held.model_copy(update={"state": RunState.HELD}))
    keys = [str(number) for number in range(people)]
    await store.observations.save([make_observation(key, held.id, **identity) for key in keys], now=NOW)
    await store.leases.acquire(f"connection/{connection}", ProcessIdentity("h", 1, "t"), seconds=30)
    access = PERSONIO.model_copy(update={"client_id": f"papi-{connection}"})
    stored = await store.connections.add(connection, access, DECLAREE, now=NOW)
    await store.schedule.set_next_poll(stored.id, NOW)


async def fill_claims(store: Store, connection: ConnectionId, people: int) -> None:
    """Stores an account and a link decision of each employee of a connection, a third of them open, and work ranges."""
    employees = [make_person(str(number), connection) for number in range(people)]
    await store.claims.claim_accounts(SERVER, {AccountId(f"a-{person}"): person for person in employees})
    await store.links.ask(
        [
            make_question(person.employee_id, connection_id=connection, decision=decision)
            for person, decision in zip(employees, itertools.cycle([None, Decision.LEAVE, Decision.LINK]), strict=False)
        ]
    )
    for number in range(people // 10):
        await store.verifications.save_step(connection, "r1", make_step(number))
    await store.verifications.finish(connection, "r1", {}, now=NOW)
    await store.work_ranges.begin([make_range(partition) for partition in range(people)])


def make_range(partition: int) -> WorkRange:
    """Returns a range of records of this partition."""
    return WorkRange(partition=partition, first_offset=0, last_offset=9, timestamp_ms=1)


def make_step(number: int) -> VerificationStep:
    """Returns a step of a verification."""
    return VerificationStep(number=number, kind="list-end", taken_at=NOW)


async def fill_one(store: Store, connection: ConnectionId, number: int) -> None:
    """Stores one run, one task and one mapping of a connection."""
    now = NOW + timedelta(minutes=number)
    run = await store.runs.begin(connection, now=now)
    await store.runs.save(run.model_copy(update={"state": RunState.SUCCEEDED}))
    task = await store.tasks.file(connection, Poll(), now=now)
    if number % 5:
        await store.tasks.start(task.id)
        await store.tasks.finish(task.id, {}, now=NOW)
    mapping = PublishedMapping(
        connection_id=connection, version=number + 1, mapping=default_mapping(), published_at=now
    )
    await store.mappings._collection.insert({"_id": f"{connection}/{number}", **mapping.model_dump(mode="json")})


def make_question(employee: str, **changes: Any) -> LinkDecision:
    """Returns an open decision about an account, with these fields."""
    content: dict[str, Any] = {"connection_id": CONNECTION, "employee_id": employee, "account_id": "a", "asked_at": NOW}
    return LinkDecision.model_validate(content | {"account_hash": "shown"} | changes)
