"""Decisions about changes that the brake holds, and several writers that count together."""

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.brakes import Brake
from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import Call, PatchAccount
from tests.support.builders import CONNECTION, make_person, make_request
from tests.support.fakes import CrashError
from tests.support.writer_stage import EVA
from tests.unit.writer.company import Company, make_leaver
from tests.unit.writer.leavers import HOUR, PEOPLE, count_enabled, hire, list_held, make_leavers, release

pytestmark = pytest.mark.promise("P6")

# ------------------------------------------------------------ release


@pytest.mark.promise("P9")
async def test_release_disables_exactly_what_was_shown(company: Company) -> None:
    """What is held after the administrator has looked stays held."""
    stage = company.stage
    await hire(company, [*PEOPLE, "7", "8"])
    await company.settle(*make_leavers())
    shown = await list_held(stage)
    await company.settle(make_leaver("7"))

    assert await release(stage, shown) == 30
    await company.pass_time()

    assert count_enabled(stage) == 0
    assert await list_held(stage) == ["7"]
    assert await release(stage, await list_held(stage)) == 1
    assert await company.pass_time() == {"7": Outcome.DISABLED}


async def test_released_accounts_do_not_count(company: Company) -> None:
    """An administrator has decided about them: the next leaver of the same hour is disabled."""
    stage = company.stage
    await hire(company, [*PEOPLE, "7"])
    await company.settle(*make_leavers())
    await release(stage, await list_held(stage))
    await company.pass_time(60)

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert (await stage.store.brakes.read(CONNECTION)).count_recent(stage.clock.now()) == 1


async def test_release_outlives_an_outage(company: Company) -> None:
    """Declaree fails when the released changes are sent. They are not held a second time, also with a newer mapping."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers())
    await release(stage, await list_held(stage))
    stage.declaree.faults.outage = True
    await company.pass_time(60)
    stage.declaree.faults.outage = False

    await company.settle(*make_leavers(version=4))
    for _ in range(3):  # the first ones test the server
        await company.pass_time(HOUR)

    assert count_enabled(stage) == 0


async def test_release_ends_with_the_next_outcome(company: Company) -> None:
    """An employee that was released, and then enabled again, counts as every other at the next departure."""
    stage = company.stage
    await hire(company)
    await company.settle(*make_leavers())
    await release(stage, await list_held(stage))
    await company.pass_time()
    await company.settle(*(make_request(name, 2_000, version=4) for name in PEOPLE))
    stage.clock.seconds += HOUR

    await company.settle(*make_leavers(version=5))

    assert count_enabled(stage) == 30


async def test_allowed_revision_passes_before_it_arrives(company: Company) -> None:
    """An administrator has released a run. An older change of the employees is settled first, and takes nothing away."""
    stage = company.stage
    await hire(company)
    await stage.store.ledger.allow_disabling({make_person(name): 3_000 for name in PEOPLE})

    await company.settle(*(make_request(name, 2_000, **EVA) for name in PEOPLE))
    await company.settle(*make_leavers(revision=3_000))

    assert count_enabled(stage) == 0


# ------------------------------------------------------------ replicas and crashes


async def test_replicas_count_together(company: Company) -> None:
    """Two writers without a common memory disable ten accounts in all."""
    stage = company.stage
    await hire(company)
    requests = make_leavers()

    for number, request in enumerate(requests):
        stage.writer = stage.make_writer() if number % 2 else stage.writer
        await stage.handle(request)

    assert count_enabled(stage) == 30


async def test_concurrent_replica_is_counted(company: Company) -> None:
    """Another writer counts between the read and the write of this one: its account is not lost."""
    stage = company.stage
    await hire(company)
    store, brakes = stage.store, stage.store.brakes

    class Overtaken:
        """The brakes, of which another writer is first each time that this one counts."""

        is_overtaken = False

        async def read(self, connection: ConnectionId) -> Brake:
            """Returns the brake, and lets another writer count before the next write."""
            brake = await brakes.read(connection)
            self.is_overtaken = not self.is_overtaken
            if self.is_overtaken:
                counted = brake.add(stage.clock.now())
                assert await store.brakes.write(counted.model_copy(update={"seq": brake.seq + 1}))
            return brake

        async def write(self, brake: Brake) -> bool:
            """Writes a brake."""
            return await brakes.write(brake)

    stage.brakes = Overtaken()
    stage.restart()

    await company.settle(*make_leavers())

    assert count_enabled(stage) == 35
    assert (await brakes.read(CONNECTION)).count_recent(stage.clock.now()) >= 10


@pytest.mark.promise("P9")
async def test_crash_after_the_count_loses_no_change(company: Company) -> None:
    """The writer dies before its request. The account counts twice at most, and the next writer disables it."""
    stage = company.stage
    await hire(company)
    server = await stage.get_server()

    async def crash(call: Call) -> None:
        if isinstance(call, PatchAccount):
            raise CrashError("PATCH")

    intact, server.before = server.before, crash
    with pytest.raises(BaseExceptionGroup):
        await stage.handle(make_leaver(PEOPLE[0]))
    server.before, stage.offset = intact, stage.offset - 1
    stage.restart()

    outcomes = await company.settle(make_leaver(PEOPLE[0]))

    assert outcomes == {PEOPLE[0]: Outcome.DISABLED}
    assert (await stage.store.brakes.read(CONNECTION)).count_recent(stage.clock.now()) == 2


async def test_retried_change_is_counted_once(company: Company) -> None:
    """Declaree fails after the count. The change is tried again and again, and counts once."""
    stage = company.stage
    await hire(company)
    stage.declaree.faults.order(Fault(kind="status", disables=True, count=None))
    await company.settle(make_leaver(PEOPLE[0]))

    for _ in range(5):
        await company.pass_time(60)

    assert await stage.get_cause(PEOPLE[0]) not in {None, WaitingCause.DISABLING_HELD}
    assert (await stage.store.brakes.read(CONNECTION)).count_recent(stage.clock.now()) == 1
