"""The brake: changes that would disable unusually many accounts within an hour wait for an administrator."""

from typing import Any

import pytest

from services.accounts.brake import is_unusual
from services.contracts.brakes import Brake
from services.contracts.cloudevents import SendReason
from services.contracts.connections import Guard
from services.contracts.outcomes import Outcome, WaitingCause
from tests.support.builders import CONNECTION, OTHER, make_person, make_request
from tests.support.writer_stage import EVA
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.leavers import HOUR, PEOPLE, count_enabled, hire, list_held, make_leavers, release, set_guard

pytestmark = pytest.mark.promise("P6")

# ------------------------------------------------------------ what is held


@pytest.mark.parametrize(
    ("disabled", "accounts", "expected"),
    [(10, 10, False), (11, 40, True), (11, 55, False), (20, 100, False), (21, 100, True), (11, 0, True)],
)
def test_number_above_both_thresholds_is_unusual(disabled: int, accounts: int, expected: bool) -> None:
    """By default more than 10 accounts, and more than 20 %."""
    assert is_unusual(Guard(), disabled, accounts) is expected


async def test_mapping_that_disables_all_is_stopped(company: Company) -> None:
    """The accounts up to the threshold are disabled. The others stay enabled, and their changes wait."""
    stage = company.stage
    await hire(company)

    outcomes = await company.settle(*make_leavers())

    assert count_enabled(stage) == 30
    assert list(outcomes.values()) == [Outcome.DISABLED] * 10
    held = await list_held(stage)
    assert len(held) == 30
    assert {await stage.get_cause(name) for name in held} == {WaitingCause.DISABLING_HELD}
    assert stage.metrics.waiting.labels("disabling-held")._value.get() == 30


async def test_share_of_a_large_company_may_be_disabled(company: Company) -> None:
    """Of 100 accounts, 20 are disabled, although the first results of the batch are in the ledger before the last."""
    stage, people = company.stage, [str(number) for number in range(200, 300)]
    await hire(company, people)

    await company.settle(*make_leavers(people))

    assert count_enabled(stage, people) == 80


async def test_other_changes_flow_while_accounts_are_held(company: Company) -> None:
    """Updates of the same company are written in the same batch and afterwards."""
    stage = company.stage
    await hire(company, [*PEOPLE, "7", "8"])

    first = await company.settle(*make_leavers(), make_request("7", 2_000, **EVA))
    second = await company.settle(make_request("8", 2_000, **EVA), make_request("9", 2_000))

    assert first["7"] is Outcome.UPDATED
    assert second == {"8": Outcome.UPDATED, "9": Outcome.CREATED}
    assert await stage.get_cause("7") is None


async def test_other_company_is_not_held(company: Company) -> None:
    """The leavers of another connection are disabled while this one has changes that are held."""
    stage = company.stage
    stage.connect(OTHER)
    await hire(company)
    await hire(company, ["501"], OTHER)
    await company.settle(*make_leavers())

    leaver = make_leaver("501").model_copy(update={"connection_id": OTHER})
    (outcome,) = await stage.handle(leaver)

    assert outcome.outcome is Outcome.DISABLED


async def test_forged_events_disable_no_more_than_the_threshold(company: Company) -> None:
    """The events come one at a time, as the newest change of each employee."""
    stage = company.stage
    await hire(company)

    for request in make_leavers(revision=1_700_000_000_000):
        await stage.handle(request, reason=SendReason.REPLAYED)

    assert count_enabled(stage) == 30


async def test_disabled_or_missing_account_does_not_count(company: Company) -> None:
    """A replay or a verification of the departures of former employees leaves room for those of today."""
    stage, former = company.stage, [str(number) for number in range(301, 313)]
    await hire(company)
    set_guard(stage, Guard(is_on=False))
    await hire(company, former)
    await company.settle(*make_leavers(former))
    set_guard(stage, Guard())
    await stage.store.ledger.mark_verify([make_person(name) for name in former])

    await company.settle(*make_leavers(former, version=4), *make_leavers(["901", "902"]))

    assert (await stage.store.brakes.read(CONNECTION)).count_recent(stage.clock.now()) == 0
    assert await list_held(stage) == []


async def test_connection_without_guard_has_no_brake(company: Company) -> None:
    """All leavers are disabled, those that were held before included, as soon as they are resent."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers(PEOPLE[:20]))
    set_guard(stage, Guard(is_on=False))

    await company.settle(*make_leavers())

    assert count_enabled(stage) == 0
    assert await list_held(stage) == []


# ------------------------------------------------------------ what waits, and until when


async def test_held_change_is_not_retried(company: Company) -> None:
    """Time does not end the wait, and a resend by an administrator does not either."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers())
    calls = stage.list_calls()

    for _ in range(5):
        await company.pass_time(HOUR)

    assert stage.list_calls() == calls
    assert await company.resend(*await list_held(stage)) == {}
    assert count_enabled(stage) == 30


async def test_verification_of_a_held_change_takes_one_look(company: Company) -> None:
    """A verification marks the leavers that are enabled. They stay held, and are not looked up again and again."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers())
    held = await list_held(stage)
    await stage.store.ledger.mark_verify([make_person(name) for name in held])
    await company.pass_time()
    calls = stage.list_calls()

    await company.pass_time(HOUR)

    assert stage.list_calls() == calls
    assert await list_held(stage) == held


async def test_next_leaver_is_held_until_a_decision(company: Company) -> None:
    """While changes are held, the end of the hour does not let others pass."""
    stage = company.stage
    await hire(company, [*PEOPLE, "7"])
    await company.settle(*make_leavers())
    stage.clock.seconds += 3 * HOUR

    await company.settle(make_leaver("7"))

    assert await stage.get_cause("7") is WaitingCause.DISABLING_HELD
    assert stage.get_account("7")["active"] is True


async def test_leavers_of_different_hours_are_disabled(company: Company) -> None:
    """Ten an hour are never unusual."""
    stage = company.stage
    await hire(company)

    for start in range(0, 40, 10):
        await company.settle(*make_leavers(PEOPLE[start : start + 10]))
        stage.clock.seconds += HOUR

    assert count_enabled(stage) == 0


async def test_minute_ends_only_an_hour_later(company: Company) -> None:
    """Accounts of the last hour count wherever the hour begins."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers(PEOPLE[:10]))
    stage.clock.seconds += 3_590

    await company.settle(*make_leavers(PEOPLE[10:11]))

    assert await list_held(stage) == PEOPLE[10:11]


async def test_corrected_mapping_heals_what_was_held(company: Company) -> None:
    """The next version of the mapping provisions all: the disabled ones are enabled, and nothing is held any longer."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers(version=4))

    outcomes = await company.settle(*(make_request(name, 2_000, version=5) for name in PEOPLE))

    assert count_enabled(stage) == 40
    assert len(outcomes) == 40
    assert not await stage.store.followups.has_held_disabling(CONNECTION)
    stage.clock.seconds += HOUR
    assert await company.settle(make_leaver(PEOPLE[0], 3_000)) == {PEOPLE[0]: Outcome.DISABLED}


async def test_correction_ends_the_hold_before_it_is_written(company: Company) -> None:
    """Declaree is down when the corrected changes come: an administrator has nothing to decide any longer."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers(version=4))
    stage.declaree.faults.outage = True

    await company.settle(*(make_request(name, 2_000, version=5) for name in PEOPLE))

    assert await list_held(stage) == []


async def test_surplus_of_a_mapping_stays_held(company: Company) -> None:
    """A wrong mapping is published again, and the lane has no room for it: hours later, it still disables no other account."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers(version=4))
    stage.clock.seconds += 3 * HOUR
    again = make_leavers(version=5)
    held = await list_held(stage)
    ledger = stage.store.ledger
    entries = await ledger.read(make_person(name) for name in held)
    surplus = {person: entry.waiting for person, entry in entries.items() if entry.waiting is not None}
    changes = {"cause": WaitingCause.BACKLOG, "version": again[0].version}
    await ledger.note_waiting({person: waiting.model_copy(update=changes) for person, waiting in surplus.items()})

    await company.settle(*again)

    assert count_enabled(stage) == 30
    assert await list_held(stage) == held


async def test_damaged_brake_holds_its_connection_alone(company: Company) -> None:
    """Nothing is known about the last hour, so an administrator decides. A release repairs the document."""
    stage = company.stage
    stage.connect(OTHER)
    await hire(company, ["7"])
    await hire(company, ["501"], OTHER)
    brakes: Any = stage.store.brakes
    brakes.content[CONNECTION] = Brake(connection_id=CONNECTION, is_damaged=True)

    await company.settle(make_leaver("7"))
    (other,) = await stage.handle(make_leaver("501").model_copy(update={"connection_id": OTHER}))

    assert await list_held(stage) == ["7"]
    assert other.outcome is Outcome.DISABLED
    await release(stage, await list_held(stage))
    assert await company.pass_time() == {"7": Outcome.DISABLED}
    assert not (await brakes.read(CONNECTION)).is_damaged
