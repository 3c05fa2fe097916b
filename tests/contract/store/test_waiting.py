"""Changes that wait: noted without a look at the entries, and taken when they are due."""

from datetime import datetime, timedelta

import pytest

from services.contracts.events import Version
from services.contracts.ledger import LedgerEntry, Waiting
from services.contracts.outcomes import WaitingCause
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person

MINUTE = timedelta(minutes=1)


def wait(revision: int = 2_000, retry_at: datetime | None = NOW) -> Waiting:
    """Returns a change that waits for room."""
    return Waiting(cause=WaitingCause.BACKLOG, since=NOW, version=Version(revision, 3), retry_at=retry_at)


async def get_entry(store: Store, employee: str = "1") -> LedgerEntry:
    entry = await store.ledger.get(make_person(employee))
    assert entry is not None
    return entry


# ------------------------------------------------------------ noting


async def test_waiting_change_is_noted_with_and_without_an_entry(store: Store) -> None:
    """Nothing else of an entry changes."""
    known = make_entry("1", account_id="a-1", applied="h", decided=make_outcome("1", 1_000))
    await store.ledger.write([known])

    await store.ledger.note_waiting({make_person("1"): wait(), make_person("2"): wait()})

    assert await get_entry(store, "1") == known.model_copy(update={"waiting": wait(), "seq": 2})
    assert await get_entry(store, "2") == make_entry("2", 1, waiting=wait())


@pytest.mark.promise("P2")
async def test_newer_change_of_an_entry_stays(store: Store) -> None:
    """Whether it waits or was decided: of two changes the newest counts, in any order."""
    await store.ledger.write([make_entry("1", waiting=wait(3_000)), make_entry("2", decided=make_outcome("2", 3_000))])
    before = await store.ledger.read([make_person("1"), make_person("2")])

    await store.ledger.note_waiting({make_person("1"): wait(), make_person("2"): wait()})

    assert await store.ledger.read([make_person("1"), make_person("2")]) == before


@pytest.mark.promise("P1")
async def test_undecided_older_change_keeps_its_outcome(store: Store) -> None:
    """Its outcome is published with that of the newest change."""
    await store.ledger.write([make_entry("1", waiting=wait(1_000)), make_entry("2", waiting=wait(2_000))])

    await store.ledger.note_waiting({make_person("1"): wait(), make_person("2"): wait()})

    assert (await get_entry(store, "1")).replaced == (wait(1_000),)
    assert (await get_entry(store, "2")).replaced == ()


@pytest.mark.promise("P2")
async def test_noted_change_makes_a_concurrent_write_lose(store: Store) -> None:
    """The other writer has not seen it."""
    await store.ledger.write([make_entry()])

    await store.ledger.note_waiting({make_person("1"): wait()})

    assert await store.ledger.write([make_entry("1", 2)]) == {make_person("1")}
    assert (await get_entry(store)).waiting == wait()


# ------------------------------------------------------------ taking


async def test_due_employees_are_taken_longest_due_first(store: Store) -> None:
    """Marked ones are due at once, others at their time, and no more than asked for are taken."""
    await store.ledger.write(
        [
            make_entry("1", waiting=wait(retry_at=NOW)),
            make_entry("2", waiting=wait(retry_at=NOW - MINUTE)),
            make_entry("3", waiting=wait(retry_at=NOW + MINUTE)),
            make_entry("4", verify=True),
            make_entry("5"),
            make_entry("6", connection_id=OTHER, waiting=wait()),
        ]
    )

    first = await store.followups.take_due(CONNECTION, NOW, 2, MINUTE)
    second = await store.followups.take_due(CONNECTION, NOW, 10, MINUTE)

    assert sorted(first) == ["2", "4"]
    assert second == ("1",)
    assert await store.followups.take_due(CONNECTION, NOW, 10, MINUTE) == ()
    assert await store.followups.find_connections_with_retryable() == tuple(sorted((CONNECTION, OTHER)))


async def test_taken_employees_are_due_again_later(store: Store) -> None:
    """The resend may be lost."""
    await store.ledger.write([make_entry("1", waiting=wait())])
    await store.followups.take_due(CONNECTION, NOW, 10, MINUTE)

    assert await store.followups.take_due(CONNECTION, NOW + MINUTE, 10, MINUTE) == ("1",)


@pytest.mark.parametrize("change", ["note waiting", "write", "mark"])
async def test_new_wait_is_due_after_the_employee_was_taken(store: Store, change: str) -> None:
    """The employee has arrived, and waits again or is marked."""
    await store.ledger.write([make_entry("1", waiting=wait(1_000))])
    await store.followups.take_due(CONNECTION, NOW, 10, MINUTE)

    match change:
        case "note waiting":
            await store.ledger.note_waiting({make_person("1"): wait()})
        case "write":
            await store.ledger.write([make_entry("1", 2, waiting=wait())])
        case _:
            await store.ledger.mark_verify([make_person("1")])

    assert await store.followups.take_due(CONNECTION, NOW, 10, MINUTE) == ("1",)
