"""One person's change against a server in trouble: tried again in place, then waiting, never guessed."""

import asyncio
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.envelope import Cause
from services.contracts.events import Intent, Outcome
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, Lost, PatchAccount, ReplaceAccount
from services.store.errors import StoreUnavailableError
from services.writer.person import LONGEST_WAIT, PAUSES
from tests.builders import asked, requested
from tests.stored import OTHER
from tests.unit.writer.stage import Stage

pytestmark = pytest.mark.mongo

EVA: dict[str, Any] = {"fields": {"name.givenName": "Eva", "name.familyName": "Lovelace"}}


def failing(times: int, retry_after: float | None = None) -> Any:
    """Lets so many calls fail."""
    left = times

    async def fail(_: Call) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise TransientError("away", retry_after=retry_after)

    return fail


async def cause(stage: Stage, employee: str = "7") -> str | None:
    waiting = (await stage.entry(employee)).waiting
    return waiting.cause if waiting else None


# ---------------------------------------------------------------- tried again


async def test_short_failures_are_tried_again_in_place_with_growing_pauses(stage: Stage) -> None:
    (await stage.server()).before = failing(len(PAUSES))
    (outcome,) = await stage.handle(requested())
    assert outcome.outcome is Outcome.CREATED
    assert stage.clock.slept == list(PAUSES)


async def test_a_failure_that_lasts_makes_the_person_wait_without_an_outcome(stage: Stage) -> None:
    (await stage.server()).before = failing(len(PAUSES) + 1)
    assert await stage.handle(requested()) == []
    entry = await stage.entry()
    assert await cause(stage) == "TransientError"
    assert (entry.decided, entry.attempted) == (None, "7")


async def test_the_pause_that_the_server_asks_for_is_kept(stage: Stage) -> None:
    (await stage.server()).before = failing(1, retry_after=7)
    assert [outcome.outcome for outcome in await stage.handle(requested())] == [Outcome.CREATED]
    assert stage.clock.slept == [7]


async def test_who_would_have_to_pause_for_long_waits_outside_the_batch(stage: Stage) -> None:
    (await stage.server()).before = failing(1, retry_after=LONGEST_WAIT + 1)
    assert await stage.handle(requested()) == []
    assert stage.clock.slept == []


async def test_after_a_lost_answer_looks_wait_a_little_before_they_look(stage: Stage) -> None:
    await stage.handle(requested())
    server, lost = await stage.server(), True

    async def loses_one(call: Call, answer: Answer) -> Answer:
        nonlocal lost
        if lost and isinstance(call, PatchAccount):
            lost = False
            return Lost("ReadTimeout")
        return answer

    server.after = loses_one
    (outcome,) = await stage.handle(requested(revision=2_000, **EVA))
    assert (outcome.outcome, outcome.written) == (Outcome.UPDATED, ("name.givenName",))
    assert stage.clock.slept == [PAUSES[1]]
    assert [method for method, _ in await stage.calls()].count("PATCH") == 1


async def test_the_later_requests_of_somebody_who_waits_wait_as_well_and_the_newest_wins(stage: Stage) -> None:
    server = await stage.server()
    server.before = failing(99)
    assert await stage.handle(requested(), requested(revision=2_000, **EVA)) == []
    waiting = (await stage.entry()).waiting
    assert waiting is not None
    assert waiting.version.revision == 2_000


async def test_who_waits_is_settled_when_sent_again(stage: Stage) -> None:
    server = await stage.server()
    server.before = failing(len(PAUSES) + 1)
    await stage.handle(requested())
    server.before = failing(0)
    (outcome,) = await stage.handle(requested(), cause=Cause.RESENT)
    assert outcome.outcome is Outcome.CREATED
    assert await cause(stage) is None


async def test_a_leaver_whose_create_may_have_happened_is_disabled_all_the_same(stage: Stage) -> None:
    server = await stage.server()

    async def loses_all(call: Call, answer: Answer) -> Answer:
        stage.declaree.faults.outage = bool(server.writes)
        return Lost("ReadTimeout") if call in server.writes else answer

    server.after = loses_all
    assert await stage.handle(requested()) == []
    stage.declaree.faults.outage = False
    server.after = as_it_is
    stage.clock.seconds += 60
    found = await stage.servers.of(stage.connections.known.values())
    assert all([await each.open_if_due() for each in found.values()])
    (outcome,) = await stage.handle(asked(Intent.DISABLE, revision=2_000))
    assert outcome.outcome is Outcome.DISABLED
    assert stage.account()["active"] is False


async def as_it_is(_: Call, answer: Answer) -> Answer:
    return answer


# ---------------------------------------------------------------- refusals


async def test_what_the_server_refuses_rejects_the_person_with_its_reason_and_no_value(stage: Stage) -> None:
    (outcome,) = await stage.handle(requested(fields={"name.givenName": "Ada"}))
    assert outcome.outcome is Outcome.REJECTED
    assert outcome.reason == "Declaree does not accept the account (400, invalidValue)"
    assert (await stage.entry()).applied is None


async def test_a_rejection_is_repeated_without_a_call_until_the_person_is_sent_again(stage: Stage) -> None:
    bad = requested(fields={"name.givenName": "Ada"})
    (first,) = await stage.handle(bad)
    calls = len(await stage.calls())
    assert await stage.handle(bad) == [first]
    assert len(await stage.calls()) == calls
    await stage.handle(bad, cause=Cause.RESENT)
    assert len(await stage.calls()) > calls


async def test_a_server_without_patch_is_asked_to_put_and_that_is_remembered(stage: Stage) -> None:
    await stage.handle(requested("7"), requested("8"))
    stage.declaree.behaviour = stage.declaree.behaviour.model_copy(update={"patch": False})
    await stage.handle(requested("7", 2_000, **EVA))
    await stage.handle(requested("8", 2_000, **EVA))
    kinds = [type(call) for call in (await stage.server()).writes[2:]]
    assert kinds == [PatchAccount, ReplaceAccount, ReplaceAccount]
    assert [stage.account(key)["name"]["givenName"] for key in "78"] == ["Eva", "Eva"]


async def test_a_verb_that_was_learnt_meanwhile_is_not_forgotten_again(stage: Stage) -> None:
    await stage.handle(requested("7"), requested("8"))
    stage.declaree.behaviour = stage.declaree.behaviour.model_copy(update={"patch": False})
    server, learnt = await stage.server(), asyncio.Event()
    entry = await stage.entry("8")
    await stage.store.accounts.write([entry.model_copy(update={"seq": entry.seq + 1, "applied": None})])
    of_eight = stage.account("8")["id"]

    async def slow_for_one(call: Call, answer: Answer) -> Answer:
        if getattr(call, "id", None) == of_eight:
            await learnt.wait()
        if isinstance(call, ReplaceAccount):
            learnt.set()
        return answer

    server.after = slow_for_one
    # the first has nothing to write, and so learns nothing
    await stage.handle(requested("8"), requested("7", 2_000, **EVA))
    found = await stage.servers.of(stage.connections.known.values())
    assert {each.verb for each in found.values()} == {"put"}


# ---------------------------------------------------------------- the key


async def test_a_refused_key_stops_the_connection_and_rejects_nobody(stage: Stage) -> None:
    stage.connect(key="wrong")
    people = [requested(str(number)) for number in range(40)]
    assert await stage.handle(*people) == []
    assert {await cause(stage, str(number)) for number in range(40)} == {"DeclareeKeyRefusedError"}
    before = len(await stage.calls())
    assert await stage.handle(*[requested(str(number)) for number in range(40, 80)]) == []
    assert len(await stage.calls()) == before, "a closed server is not asked at all"


async def test_a_ledger_that_cannot_be_asked_is_no_word_about_the_server(stage: Stage) -> None:
    """Whose account it is that has the address: MongoDB goes away at this very moment, for many at once."""

    class Away:
        def __getattr__(self, name: str) -> Any:
            return getattr(stage.store.accounts, name)

        async def holder(self, *_: object) -> None:
            raise StoreUnavailableError("away")

    people = [str(number) for number in range(8)]
    for each in people:
        stage.add_account(f"{each}@x.example")
    stage.ledger = Away()
    stage.writer = stage.another_writer()
    assert await stage.handle(*(requested(each, user_name=f"{each}@x.example") for each in people)) == []
    assert {await cause(stage, each) for each in people} == {"LedgerAwayError"}
    stage.ledger = stage.store.accounts
    stage.writer = stage.another_writer()
    linked = await stage.handle(*(requested(each, user_name=f"{each}@x.example") for each in people))
    assert {outcome.outcome for outcome in linked} == {Outcome.LINKED}, "the server was never closed"


async def test_a_corrected_key_works_at_once(stage: Stage) -> None:
    stage.connect(key="wrong")
    await stage.handle(requested())
    stage.connect()
    assert [outcome.outcome for outcome in await stage.handle(requested(), cause=Cause.RESENT)] == [Outcome.CREATED]


async def test_a_key_that_may_not_write_makes_people_wait(stage: Stage) -> None:
    stage.declaree.faults.order(Fault(kind="status", method="POST", status=403, count=None))
    assert await stage.handle(requested()) == []
    assert await cause(stage) == "WritesForbiddenError"


async def test_one_account_that_a_key_may_not_write_rejects_that_person(stage: Stage) -> None:
    await stage.handle(requested("8"))
    stage.declaree.faults.order(Fault(kind="status", method="POST", status=403, count=1))
    (outcome,) = await stage.handle(requested("7"))
    assert outcome.outcome is Outcome.REJECTED


@pytest.mark.parametrize("kind", ["login_page", "redirect"])
async def test_an_address_that_is_no_scim_endpoint_makes_everybody_wait(stage: Stage, kind: Any) -> None:
    stage.declaree.faults.order(Fault(kind=kind, count=None))
    assert await stage.handle(requested()) == []
    assert await cause(stage) == "DeclareeWrongAddressError"


# ---------------------------------------------------------------- nobody waits for others


async def test_a_slow_server_completes_some_of_a_batch_and_the_rest_waits(stage: Stage) -> None:
    """A new account takes three requests; of twelve people it answers but eighteen in the batch's time."""
    answered, stalled = 0, asyncio.Event()

    async def slow(_: Call) -> None:
        nonlocal answered
        answered += 1
        if answered > 18:
            await stalled.wait()

    (await stage.server()).before = slow
    stage.writer = stage.another_writer(batch_seconds=2, at_once=4)
    people = [str(number) for number in range(12)]
    done = {outcome.employee_id for outcome in await stage.handle(*map(requested, people))}
    assert len(done) >= 4
    assert len(stage.declaree.directory.users) == len(done)
    assert {await cause(stage, each) for each in people if each not in done} == {"OutOfTime"}


async def test_a_server_that_hangs_costs_the_others_of_a_batch_no_more_than_its_time(stage: Stage) -> None:
    hangs = asyncio.Event()
    stage.connect(OTHER)
    await stage.server()
    hanging, sound = stage.clients[-1], stage.clients[0]

    async def never(_: Call) -> None:
        await hangs.wait()

    hanging.before = never
    stage.writer = stage.another_writer(batch_seconds=0.3)
    outcomes = await stage.handle(requested("1"), requested("2", connection=OTHER), requested("3"))
    assert {outcome.employee_id for outcome in outcomes} == {"1", "3"}
    assert len(sound.writes) == 2
    late = await stage.store.accounts.get(requested("2", connection=OTHER).person)
    assert late is not None
    assert late.waiting is not None
    assert (late.waiting.cause, late.applied) == ("OutOfTime", None)
