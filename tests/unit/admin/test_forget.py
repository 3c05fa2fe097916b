"""Forgetting a person: what speaks against it, in which order it is erased, and what is left."""

from typing import Any

import pytest

from services.admin.forget import NotForgettableError, find_stored, forget
from services.admin.leasing import ConnectionBusyError
from services.admin.tasks import UnknownEmployeesError
from services.admin.tombstones import UnconsumedError
from services.contracts.connections import Connection
from services.contracts.events import Version
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.snapshots import Snapshot
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import NOW, OTHER, make_entry, make_outcome, make_snapshot
from tests.support.erasing import ErasedRecords
from tests.support.fakes import FakeClock
from tests.support.leases import set_lease_clock

LEAVER = EmployeeId("7")
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(2_000, 3))


def make_leaver(connection: Connection, **changes: Any) -> LedgerEntry:
    """Returns the entry of a leaver with a disabled account."""
    decided = make_outcome(LEAVER, how=Outcome.DISABLED)
    content: dict[str, Any] = {
        "connection_id": connection.id,
        "account_id": "a-7",
        "enabled": False,
        "decided": decided,
    }
    return make_entry(LEAVER, **content | changes)


async def store_leaver(store: Store, connection: Connection, *, is_absent: bool = True, **changes: Any) -> PersonKey:
    """Stores a leaver that Personio no longer lists, with these changes of the entry."""
    await store.snapshots.save([(make_snapshot(LEAVER, connection_id=connection.id), None)])
    if is_absent:
        await store.snapshots.mark_absent(connection.id, [LEAVER], NOW)
    await store.ledger.write([make_leaver(connection, **changes)])
    return PersonKey(connection.id, LEAVER)


async def forget_leaver(
    store: Store, connection: Connection, records: ErasedRecords, *, force: bool = False, seconds: float = 0
) -> None:
    """Forgets the leaver."""
    clock = FakeClock()
    set_lease_clock(store, clock)
    await forget(store, clock, records.make_eraser(store, clock), connection.id, LEAVER, force=force, seconds=seconds)


@pytest.mark.promise("P11")
async def test_forgotten_person_is_erased_in_order(store: Store, connection: Connection) -> None:
    """Each topic gets its tombstone after the service before it has consumed what is under way."""
    person = await store_leaver(store, connection)
    records = ErasedRecords()

    await forget_leaver(store, connection, records)

    assert records.steps == [
        f"EMPLOYEES_CHANGED {person} None",
        "mapper consumes EMPLOYEES_CHANGED",
        f"ACCOUNTS_REQUESTED {person} None",
        "writer consumes ACCOUNTS_REQUESTED",
        f"EMPLOYEES_CHANGED {person} None",
        f"ACCOUNTS_REQUESTED {person} None",
        f"ACCOUNT_OUTCOMES {person} None",
    ]
    assert set((await store.erasure.count_person(person)).values()) == {0}
    assert await store.forgotten.find([person]) == {person: NOW}


@pytest.mark.parametrize("service", ["mapper", "writer"])
async def test_nothing_is_erased_while_records_are_under_way(
    store: Store, connection: Connection, service: str
) -> None:
    """The entry orders them: without it, an older request would be carried out."""
    person = await store_leaver(store, connection)

    with pytest.raises(UnconsumedError, match=f"the {service} has not consumed"):
        await forget_leaver(store, connection, ErasedRecords(stuck=service))

    assert await store.ledger.get(person) is not None


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    ("is_absent", "changes", "obstacle"),
    [
        (False, {}, "still lists"),
        (True, {"enabled": True}, "the account is enabled"),
        (True, {"enabled": None}, "not confirmed"),
        (True, {"verify": True}, "not confirmed"),
        (True, {"look_at": NOW}, "not confirmed"),
        (True, {"waiting": WAITING}, "not confirmed"),
        (True, {"account_id": None, "attempted": "7"}, "not confirmed"),
        (True, {"decided": None}, "not settled"),
    ],
)
async def test_person_with_an_obstacle_needs_force(
    store: Store, connection: Connection, is_absent: bool, changes: dict[str, Any], obstacle: str
) -> None:
    """Nothing disables the account of a forgotten person, and a listed person returns with the next poll."""
    person = await store_leaver(store, connection, is_absent=is_absent, **changes)
    records = ErasedRecords()

    with pytest.raises(NotForgettableError, match=obstacle):
        await forget_leaver(store, connection, records)
    before = list(records.steps)
    await forget_leaver(store, connection, records, force=True)

    assert before == []
    assert set((await store.erasure.count_person(person)).values()) == {0}


async def test_person_with_a_damaged_snapshot_needs_force(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be told whether Personio lists the employee, or whether a newer change is settled."""
    await store_leaver(store, connection)

    async def read_nothing(*_: object) -> dict[EmployeeId, Snapshot]:
        return {}

    monkeypatch.setattr(store.snapshots, "read", read_nothing)

    with pytest.raises(NotForgettableError, match="the stored snapshot cannot be read"):
        await forget_leaver(store, connection, ErasedRecords())


async def test_leaver_with_a_disabled_account_has_no_obstacle(store: Store, connection: Connection) -> None:
    """The account stays in Declaree, and its id and state are shown."""
    await store_leaver(store, connection)

    stored = await find_stored(store, connection.id, LEAVER)

    assert stored.obstacles == ()
    assert stored.account_id == "a-7"
    assert stored.account_state == "disabled"


async def test_person_without_an_account_has_no_obstacle(store: Store, connection: Connection) -> None:
    """A person out of scope never had an account."""
    await store_leaver(store, connection, account_id=None, enabled=None)

    stored = await find_stored(store, connection.id, LEAVER)

    assert stored.obstacles == ()
    assert stored.account_id is None
    assert stored.account_state == "none"


async def test_forgetting_respects_the_lease_of_a_poller(store: Store, connection: Connection) -> None:
    """A poller that works on the connection may be publishing the person."""
    person = await store_leaver(store, connection)
    poller = ProcessIdentity("another host", 1, "t")
    await store.leases.acquire(f"connection/{connection.id}", poller, seconds=30)
    records = ErasedRecords()

    with pytest.raises(ConnectionBusyError, match="a poller or another command"):
        await forget_leaver(store, connection, records, seconds=10)
    before = list(records.steps)
    await forget_leaver(store, connection, records, seconds=31)

    assert before == []
    assert set((await store.erasure.count_person(person)).values()) == {0}


async def test_lease_is_given_back_after_forgetting(store: Store, connection: Connection) -> None:
    """The next poll begins at once."""
    await store_leaver(store, connection)

    await forget_leaver(store, connection, ErasedRecords())
    lease = await store.leases.find(f"connection/{connection.id}")

    assert lease is not None
    assert lease.expires_at < NOW


async def test_unknown_person_or_connection_is_an_error(store: Store, connection: Connection) -> None:
    """The messages name the ids."""
    with pytest.raises(UnknownEmployeesError, match="unknown employee 7"):
        await find_stored(store, connection.id, LEAVER)
    with pytest.raises(UnknownConnectionError, match=OTHER):
        await find_stored(store, OTHER, LEAVER)
