"""Snapshots of leavers expire once a day, while the lease is held."""

from datetime import timedelta
from typing import Any

import pytest

from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Outcome
from services.poller.expiry import Expirer
from services.poller.lease import LeaseLostError
from tests.support.builders import CONNECTION, NOW, make_entry, make_outcome, make_pinned, make_snapshot
from tests.support.fake_store import FakeStore
from tests.support.fakes import FakeClock
from tests.support.schedule_stage import ScheduleStage


async def test_daily_poll_lets_snapshots_expire(schedule_stage: ScheduleStage) -> None:
    """The days come from the setting. The second poll of the day does not look for leavers again."""
    stage = schedule_stage
    connection = await stage.connect()
    old = stage.clock.now() - timedelta(days=366)
    decided = make_outcome("7", how=Outcome.DISABLED)
    for employee in ("7", "8"):
        snapshot = make_snapshot(employee, connection_id=connection, absent_since=old, emitted_revision=1_000)
        await stage.store.snapshots.save([(snapshot, None)])
    await stage.store.ledger.write([make_entry("7", connection_id=connection, decided=decided)])

    await stage.start_poller()
    stored = await stage.store.snapshots.read(connection, [EmployeeId("7"), EmployeeId("8")])
    await stage.store.ledger.write([make_entry("8", connection_id=connection, decided=decided)])
    await stage.pass_time(1000)
    later = await stage.store.snapshots.read(connection, [EmployeeId("8")])

    assert list(stored) == ["8"]
    assert list(later) == ["8"]


async def test_nothing_expires_without_the_lease() -> None:
    """Another poller may be storing a change of the employee."""
    store = FakeStore()
    await store.snapshots.save(
        [(make_snapshot("7", absent_since=NOW - timedelta(days=9), emitted_revision=1_000), None)]
    )
    await store.ledger.write([make_entry("7", decided=make_outcome("7", how=Outcome.DISABLED))])

    def lose() -> None:
        raise LeaseLostError("the lease was lost")

    with pytest.raises(LeaseLostError):
        await Expirer(store.expiry, FakeClock(), lose, days=1).expire(CONNECTION)

    assert len(store.snapshots.content) == 1


async def test_expiry_counts_removed_and_reduced_snapshots(caplog: pytest.LogCaptureFixture) -> None:
    """The log has numbers only."""
    caplog.set_level("INFO")
    store, old = FakeStore(), NOW - timedelta(days=9)
    leavers: dict[str, dict[str, Any]] = {"7": {"absent_since": old}, "8": {"status": "inactive", "detected_at": old}}
    for employee, content in leavers.items():
        await store.snapshots.save([(make_snapshot(employee, emitted_revision=1_000, **content), None)])
        await store.ledger.write([make_entry(employee, decided=make_outcome(employee, how=Outcome.DISABLED))])
        await store.examples.save(make_pinned(employee, employee, pinned_at=old))
    await store.examples.save(make_pinned("8", "made up", pinned_at=old, is_made_up=True))

    expirer = Expirer(store.expiry, FakeClock(), lambda: None, days=1)

    assert await expirer.expire(CONNECTION) == 4
    assert await expirer.expire(CONNECTION) == 0
    assert [vars(record)["counts"] for record in caplog.records] == [{"removed": 1, "reduced": 1, "examples": 2}]
