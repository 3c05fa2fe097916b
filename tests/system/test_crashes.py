"""Every service may end before any effect: what comes after is exact all the same (a chaos of one process)."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from sandbox.declaree.state import Declaree
from tests.fakes import CrashError, Crashes, opened_store
from tests.stack import MongoServers
from tests.system.stage import KEY, Whole, new_personio

pytestmark = pytest.mark.mongo

ENDS = (CrashError, BaseExceptionGroup)
KINDS = {"save", "publish", "mark_emitted", "commit", "CreateAccount", "PatchAccount", "FindAccounts", "write", "file"}


@pytest.fixture
async def whole(mongo: MongoServers, prepared_database: str) -> AsyncIterator[Whole]:
    """Connected, and not yet polled; many small batches, so that people wait for one another."""
    async with opened_store(mongo, prepared_database) as store:
        whole = Whole(store, new_personio(40), Declaree(api_key=KEY), batch=8)
        await whole.connect()
        yield whole
        await whole.close()


async def lived(whole: Whole) -> None:
    """A first synchronisation, some changes, and what follows from them."""
    await whole.sync()
    people = [person.id for person in whole.personio.company.listed() if person.status == "active"]
    whole.change(people[0], last_name="Neumann")
    whole.change(people[1], status="inactive")
    whole.hire(first_name="Ada", last_name="Lovelace", supervisor=people[2])
    await whole.sync()


async def to_the_end(whole: Whole, rng: random.Random, crashes: int, most: int) -> list[str]:
    """Lets the product end up to ``crashes`` times, each time after some more effects; then lets it finish."""
    ended = []
    for _ in range(crashes):
        whole.restart(Crashes(at=rng.randrange(most)))
        try:
            await whole.sync()
        except ENDS:
            ended.append(whole.crashes.effects[-1])
    whole.restart(Crashes())
    await whole.sync()
    await whole.sync()
    return ended


async def test_what_can_end_a_service_is_all_there(whole: Whole) -> None:
    await lived(whole)
    assert set(whole.crashes.effects) >= KINDS


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_ended_before_any_kind_of_effect_the_accounts_are_exact(whole: Whole, kind: str) -> None:
    """Also before the rare ones: a manager's reports whose request was never filed follow with the next poll."""
    ended = 0
    for at in (0, 1):
        whole.restart(Crashes(at, kind))
        with suppress(*ENDS):
            await whole.sync()
        ended += whole.crashes.effects[-1] == kind
    assert ended
    whole.restart(Crashes())
    await whole.sync()
    assert (whole.differences(), await whole.balance()) == ([], 0)


@pytest.mark.parametrize("seed", range(3))
async def test_wherever_the_services_end_the_accounts_are_exact_and_nobody_has_two(whole: Whole, seed: int) -> None:
    rng = random.Random(seed)
    ended = await to_the_end(whole, rng, crashes=6, most=150)
    people = [person.id for person in whole.personio.company.listed() if person.status == "active"]
    whole.change(people[0], last_name="Neumann")
    whole.change(people[1], status="inactive")
    whole.change(people[3], email="new.address@nordlicht.example")
    whole.hire(first_name="Ada", last_name="Lovelace", supervisor=people[2])
    ended += await to_the_end(whole, rng, crashes=3, most=25)
    assert ended
    assert (whole.differences(), await whole.balance()) == ([], 0), f"seed {seed}: ended before {ended}"


async def test_ended_before_each_effect_of_one_hire_the_account_is_there_once(
    mongo: MongoServers, prepared_database: str
) -> None:
    """One person with a supervisor: for each effect on the way, a run that ends just before it."""
    async with opened_store(mongo, prepared_database) as store:
        at = 0
        while True:
            whole = Whole(store, new_personio(3), Declaree(api_key=KEY))
            await whole.connect(f"http://declaree{at}.test")
            whole.restart(Crashes(at))
            try:
                await whole.sync()
            except ENDS:
                pass
            else:
                break
            where = whole.crashes.effects
            whole.restart(Crashes())
            await whole.sync()
            assert (whole.differences(), await whole.balance()) == ([], 0), f"ended before the last of {where}"
            at += 1
        assert at > 20
