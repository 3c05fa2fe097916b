"""A crash of any service before any effect leaves exact accounts: chaos tests within one process."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from sandbox.declaree.state import Declaree
from tests.support.fakes import CrashError, Crashes, open_store
from tests.support.servers import MongoServers
from tests.system.pipeline import KEY, Pipeline, make_personio

pytestmark = pytest.mark.mongo

ENDS = (CrashError, BaseExceptionGroup)
KINDS = {
    "save",
    "publish",
    "mark_emitted",
    "commit",
    "create-account",
    "patch-account",
    "find-accounts",
    "write",
    "file",
}


@pytest.fixture
async def pipeline(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Pipeline]:
    """Connected and not yet polled; small batches, so that employees wait for their managers."""
    async with open_store(mongo, prepared_database) as store:
        pipeline = Pipeline(store, make_personio(40), Declaree(api_key=KEY), batch=8)
        await pipeline.connect()
        yield pipeline
        await pipeline.close()


async def live_through_changes(pipeline: Pipeline) -> None:
    """Runs a first synchronisation and some changes."""
    await pipeline.sync()
    people = [person.id for person in pipeline.personio.company.list_employees() if person.status == "active"]
    pipeline.change(people[0], last_name="Neumann")
    pipeline.change(people[1], status="inactive")
    pipeline.hire(first_name="Ada", last_name="Lovelace", supervisor=people[2])
    await pipeline.sync()


async def run_with_crashes(pipeline: Pipeline, rng: random.Random, crashes: int, most: int) -> list[str]:
    """Crashes the services up to ``crashes`` times, each time before a random effect; then lets them finish."""
    interrupted = []
    for _ in range(crashes):
        pipeline.restart(Crashes(at=rng.randrange(most)))
        try:
            await pipeline.sync()
        except ENDS:
            interrupted.append(pipeline.crashes.effects[-1])
    pipeline.restart(Crashes())
    await pipeline.sync_after_crash()
    await pipeline.sync()
    return interrupted


async def test_effects_of_a_run_cover_every_kind(pipeline: Pipeline) -> None:
    """The crash tests below interrupt each of these kinds, so all of them must occur."""
    await live_through_changes(pipeline)

    assert set(pipeline.crashes.effects) >= KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.promise("P1")
async def test_crash_before_each_kind_leaves_exact_accounts(pipeline: Pipeline, kind: str) -> None:
    """Covers rare effects as well: reports without a filed task follow with the next poll."""
    ended = 0
    people = [person.id for person in pipeline.personio.company.list_employees() if person.status == "active"]
    if kind == "patch-account":
        await pipeline.sync()  # a first import creates complete accounts
    for at in (0, 1):
        pipeline.change(people[at], last_name="Neumann")
        pipeline.restart(Crashes(at, kind))
        with suppress(*ENDS):
            await pipeline.sync()
        ended += pipeline.crashes.effects[-1:] == [kind]

    assert ended

    pipeline.restart(Crashes())
    await pipeline.sync_after_crash()

    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.promise("P1")
@pytest.mark.promise("P4")
async def test_random_crashes_leave_exact_accounts_without_doubles(pipeline: Pipeline, seed: int) -> None:
    """Random crashes at any effect leave one exact account for each employee."""
    rng = random.Random(seed)
    ended = await run_with_crashes(pipeline, rng, crashes=6, most=150)
    people = [person.id for person in pipeline.personio.company.list_employees() if person.status == "active"]
    pipeline.change(people[0], last_name="Neumann")
    pipeline.change(people[1], status="inactive")
    pipeline.change(people[3], email="new.address@nordlicht.example")
    pipeline.hire(first_name="Ada", last_name="Lovelace", supervisor=people[2])

    ended += await run_with_crashes(pipeline, rng, crashes=3, most=25)

    assert ended
    message = f"seed {seed}: ended before {ended}"
    assert pipeline.find_differences() == [], message
    assert await pipeline.count_balance() == 0, message


@pytest.mark.promise("P1")
@pytest.mark.promise("P4")
async def test_crash_before_each_effect_of_a_hire_makes_one_account(
    mongo: MongoServers, prepared_database: str
) -> None:
    """One employee with a supervisor: for each effect on the way, a run that ends just before it."""
    async with open_store(mongo, prepared_database) as store:
        at = 0
        while True:
            pipeline = Pipeline(store, make_personio(3), Declaree(api_key=KEY))
            await pipeline.connect(f"https://declaree{at}.test")
            pipeline.restart(Crashes(at))
            try:
                await pipeline.sync()
            except ENDS:
                pass
            else:
                break
            where = pipeline.crashes.effects
            pipeline.restart(Crashes())
            await pipeline.sync_after_crash()
            message = f"ended before the last of {where}"
            assert pipeline.find_differences() == [], message
            assert await pipeline.count_balance() == 0, message
            at += 1
        assert at > 20
