"""Groups of employees with a change that is not done."""

from datetime import timedelta

from services.contracts.events import Version
from services.contracts.ledger import Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.database import Store
from services.store.undone import UndoneGroup
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome

LATER = NOW + timedelta(minutes=5, microseconds=7)
REFUSED = WaitingCause.KEY_REFUSED


def make_waiting(cause: WaitingCause = REFUSED) -> Waiting:
    """Returns a change that waits from ``LATER`` on."""
    return Waiting(cause=cause, since=LATER, version=Version(2_000, 3))


async def test_waiting_employees_are_grouped_by_cause(store: Store) -> None:
    """Each group has the time of its first change."""
    first = make_waiting().model_copy(update={"since": NOW})
    pending = make_waiting(WaitingCause.MANAGER_PENDING)
    await store.ledger.write(
        [make_entry("1", waiting=make_waiting()), make_entry("2", waiting=first), make_entry("3", waiting=pending)]
    )
    await store.ledger.write([make_entry("4", connection_id=OTHER, waiting=make_waiting())])

    assert await store.counters.read_undone([CONNECTION]) == {
        CONNECTION: (
            UndoneGroup("waiting", 2, NOW, REFUSED),
            UndoneGroup("waiting", 1, LATER, WaitingCause.MANAGER_PENDING),
        )
    }


async def test_rejected_employees_have_the_most_frequent_reason(store: Store) -> None:
    """With the number of employees that have it. Incomplete ones are a group of their own."""
    reasons = [("no family name", "last_name"), ("too long", None), ("no family name", "last_name")]
    outcomes = [
        make_outcome(str(number), how=Outcome.REJECTED).model_copy(update={"reason": reason, "field": field})
        for number, (reason, field) in enumerate(reasons)
    ]
    outcomes.append(make_outcome("9", how=Outcome.INCOMPLETE).model_copy(update={"reason": "a field is refused"}))
    await store.ledger.write([make_entry(one.employee_id, decided=one) for one in outcomes])

    groups = (await store.counters.read_undone([CONNECTION]))[CONNECTION]

    since = outcomes[0].settled_at
    assert groups == (
        UndoneGroup("incomplete", 1, since, reason="a field is refused", alike=1),
        UndoneGroup("rejected", 3, since, reason="no family name", field="last_name", alike=2),
    )


async def test_accounts_that_keep_their_access_are_a_group(store: Store) -> None:
    """They matter more than all other rejected employees."""
    outcomes = [make_outcome(str(number), how=Outcome.REJECTED) for number in range(3)]
    outcomes[1] = outcomes[1].model_copy(update={"reason": "it cannot be disabled", "field": "active"})
    await store.ledger.write([make_entry(one.employee_id, decided=one) for one in outcomes])

    groups = (await store.counters.read_undone([CONNECTION]))[CONNECTION]

    assert [(group.people, group.is_access) for group in groups] == [(2, False), (1, True)]


async def test_rejected_employee_with_a_waiting_change_waits(store: Store) -> None:
    """The newer change decides."""
    rejected = make_outcome("1", how=Outcome.REJECTED)
    await store.ledger.write([make_entry("1", decided=rejected, waiting=make_waiting())])

    assert await store.counters.read_undone([CONNECTION]) == {CONNECTION: (UndoneGroup("waiting", 1, LATER, REFUSED),)}


async def test_connection_in_step_has_no_group(store: Store) -> None:
    """Employees that are settled are left out."""
    await store.ledger.write([make_entry("1", decided=make_outcome("1")), make_entry("2")])

    assert await store.counters.read_undone([CONNECTION]) == {}
