"""One employee's change with a failing server: a few retries, then it waits, and the result is never guessed."""

import asyncio
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.cloudevents import SendReason
from services.contracts.connections import LinkPolicy
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, Lost, PatchAccount, ReplaceAccount
from services.provisioning.server import Way
from services.store.errors import StoreUnavailableError
from services.writer.performer import LONGEST_PAUSE_SECONDS, PAUSES
from tests.support.builders import OTHER, make_request, make_request_with_intent
from tests.support.writer_stage import EVA, WriterStage


def fail_calls(number: int, retry_after: float | None = None) -> Any:
    """Returns a function that lets this number of calls fail."""
    left = number

    async def fail(_: Call) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise TransientError("down", retry_after=retry_after)

    return fail


async def keep_answer(_: Call, answer: Answer) -> Answer:
    """Returns the server's answer."""
    return answer


# ---------------------------------------------------------------- retries


async def test_short_failure_is_retried_with_growing_pauses(stage: WriterStage) -> None:
    """A failure that ends soon is retried within the batch."""
    (await stage.get_server()).before = fail_calls(len(PAUSES))

    (outcome,) = await stage.handle(make_request())

    assert outcome.outcome is Outcome.CREATED
    assert stage.clock.slept == list(PAUSES)


async def test_long_failure_waits_without_outcome(stage: WriterStage) -> None:
    """A failure that lasts makes the change wait. The lookups failed, so no create was sent and no account may exist."""
    (await stage.get_server()).before = fail_calls(len(PAUSES) + 1)

    assert await stage.handle(make_request()) == []

    entry = await stage.get_entry()
    assert await stage.get_cause() == WaitingCause.UNEXPECTED
    assert entry.decided is None
    assert entry.attempted is None
    assert entry.attempted_names == ()
    assert entry.look_at is None


@pytest.mark.promise("W15")
async def test_retry_after_is_the_pause(stage: WriterStage) -> None:
    """The pause before a retry is the one that the server asks for."""
    (await stage.get_server()).before = fail_calls(1, retry_after=7)

    assert [outcome.outcome for outcome in await stage.handle(make_request())] == [Outcome.CREATED]
    assert stage.clock.slept == [7]


async def test_long_retry_after_waits_outside_the_batch(stage: WriterStage) -> None:
    """A long pause does not delay the batch: the change waits instead."""
    (await stage.get_server()).before = fail_calls(1, retry_after=LONGEST_PAUSE_SECONDS + 1)

    assert await stage.handle(make_request()) == []
    assert stage.clock.slept == []


@pytest.mark.promise("W13")
async def test_lookup_after_lost_answer_is_delayed(stage: WriterStage) -> None:
    """Reads may lag behind writes, so the lookup after a lost answer waits first."""
    await stage.handle(make_request())
    server, is_lost = await stage.get_server(), True

    async def lose_one(call: Call, answer: Answer) -> Answer:
        nonlocal is_lost
        if is_lost and isinstance(call, PatchAccount):
            is_lost = False
            return Lost()
        return answer

    server.after = lose_one
    (outcome,) = await stage.handle(make_request(revision=2_000, **EVA))

    assert outcome.outcome == Outcome.UPDATED
    assert outcome.written == ("name.givenName",)
    assert stage.clock.slept == [PAUSES[0]]
    assert [method for method, _ in stage.list_calls()].count("PATCH") == 1


@pytest.mark.promise("P1")
async def test_newer_request_supersedes_waiting_one(stage: WriterStage) -> None:
    """A change that waits and is replaced by a newer one gets an outcome: superseded."""
    server = await stage.get_server()
    server.before = fail_calls(99)
    await stage.handle(make_request())

    (outcome,) = await stage.handle(make_request(revision=2_000, **EVA))

    waiting = (await stage.get_entry()).waiting
    assert outcome.outcome is Outcome.SUPERSEDED
    assert outcome.revision == 1_000
    assert waiting is not None
    assert waiting.version.revision == 2_000


@pytest.mark.promise("P1")
async def test_outcome_of_replaced_change_survives_a_crash(stage: WriterStage) -> None:
    """A record that is redelivered after a crash before the publication gives the outcome of the replaced change again."""
    server = await stage.get_server()
    server.before = fail_calls(len(PAUSES) + 1)
    await stage.handle(make_request())
    server.before = fail_calls(0)
    newer = make_request(revision=2_000, **EVA)
    first = await stage.handle(newer)
    stage.offset -= 1

    again = await stage.handle(newer)

    assert [outcome.revision for outcome in first] == [1_000, 2_000]
    assert [outcome.revision for outcome in again] == [1_000, 2_000]
    assert [outcome.revision for outcome in await stage.handle(newer, reason=SendReason.RESENT)] == [2_000]


async def test_waiting_change_is_settled_by_resend(stage: WriterStage) -> None:
    """A resend settles a waiting change once the server works."""
    server = await stage.get_server()
    server.before = fail_calls(len(PAUSES) + 1)
    await stage.handle(make_request())
    server.before = fail_calls(0)

    (outcome,) = await stage.handle(make_request(), reason=SendReason.RESENT)

    assert outcome.outcome is Outcome.CREATED
    assert await stage.get_cause() is None


@pytest.mark.promise("P9")
async def test_leaver_with_attempted_create_is_disabled(stage: WriterStage) -> None:
    """A leaver's account that an unanswered create made is found and disabled."""
    server = await stage.get_server()

    async def lose_all(call: Call, answer: Answer) -> Answer:
        stage.declaree.faults.outage = bool(server.writes)
        return Lost() if call in server.writes else answer

    server.after = lose_all

    assert await stage.handle(make_request()) == []

    stage.declaree.faults.outage = False
    server.after = keep_answer
    stage.clock.seconds += 60
    endpoints = await stage.get_endpoints()

    assert all([await endpoint.breaker.close_if_due() for endpoint in endpoints.values()])

    outcomes = await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))

    assert [outcome.outcome for outcome in outcomes] == [Outcome.SUPERSEDED, Outcome.DISABLED]
    assert stage.get_account()["active"] is False


# ---------------------------------------------------------------- refusals


@pytest.mark.promise("W16")
@pytest.mark.promise("P7")
async def test_refused_value_rejects_without_the_value(stage: WriterStage) -> None:
    """A refusal rejects the employee with the server's code, and without a value of the employee."""
    (outcome,) = await stage.handle(make_request(fields={"name.givenName": "Ada"}))

    assert outcome.outcome is Outcome.REJECTED
    assert outcome.reason == (
        "Declaree does not accept the account (400, invalidValue): correct the employee's data in Personio"
    )
    assert (await stage.get_entry()).applied is None


async def test_rejection_is_repeated_until_resend(stage: WriterStage) -> None:
    """A rejection is repeated without a request to the server, until the employee is resent."""
    request = make_request(fields={"name.givenName": "Ada"})
    (first,) = await stage.handle(request)
    calls = len(stage.list_calls())

    assert await stage.handle(request) == [first]
    assert len(stage.list_calls()) == calls

    await stage.handle(request, reason=SendReason.RESENT)

    assert len(stage.list_calls()) > calls


@pytest.mark.promise("W17")
async def test_server_without_patch_gets_put_from_then_on(stage: WriterStage) -> None:
    """A server that does not support PATCH is updated with PUT, also for the next employees."""
    await stage.handle(make_request("7"), make_request("8"))
    stage.change_behaviour(patch=False)

    await stage.handle(make_request("7", 2_000, **EVA))
    await stage.handle(make_request("8", 2_000, **EVA))

    calls = [type(call) for call in (await stage.get_server()).writes[2:]]
    assert calls == [PatchAccount, ReplaceAccount, ReplaceAccount]
    assert [stage.get_account(key)["name"]["givenName"] for key in "78"] == ["Eva", "Eva"]


@pytest.mark.promise("W17")
async def test_way_learned_concurrently_is_kept(stage: WriterStage) -> None:
    """A change without an update does not reset the way to write that another change has learned."""
    await stage.handle(make_request("7"), make_request("8"))
    stage.change_behaviour(patch=False)
    server, is_learned = await stage.get_server(), asyncio.Event()
    entry = await stage.get_entry("8")
    await stage.store.ledger.write([entry.model_copy(update={"seq": entry.seq + 1, "applied": None})])
    delayed_account = stage.get_account("8")["id"]

    async def delay_one_account(call: Call, answer: Answer) -> Answer:
        if getattr(call, "id", None) == delayed_account:
            await is_learned.wait()
        if isinstance(call, ReplaceAccount):
            is_learned.set()
        return answer

    server.after = delay_one_account
    # employee 8 has nothing to write, so its change ends last and learns nothing
    await stage.handle(make_request("8"), make_request("7", 2_000, **EVA))

    (endpoint,) = (await stage.get_endpoints()).values()
    assert endpoint.memory.preferred is Way.PUT
    assert Way.PATHS in endpoint.memory.unusable


# ---------------------------------------------------------------- the key


@pytest.mark.promise("W16")
async def test_refused_key_blocks_connection_and_rejects_none(stage: WriterStage) -> None:
    """A refused key opens the breaker: all employees wait, and the server gets no further request."""
    stage.connect(key="wrong")

    assert await stage.handle(*(make_request(str(number)) for number in range(40))) == []
    assert {await stage.get_cause(str(number)) for number in range(40)} == {WaitingCause.KEY_REFUSED}

    before = len(stage.list_calls())

    assert await stage.handle(*[make_request(str(number)) for number in range(40, 80)]) == []
    assert len(stage.list_calls()) == before


async def test_unavailable_ledger_keeps_breaker_closed(stage: WriterStage) -> None:
    """A failed lookup of an account's owner makes employees wait, and says nothing about the server."""
    stage.connect(policy=LinkPolicy.BY_EMAIL)

    class UnavailableClaims:
        def __getattr__(self, name: str) -> Any:
            return getattr(stage.store.claims, name)

        async def find_owner(self, *_: object) -> None:
            raise StoreUnavailableError("down")

    employees = [str(number) for number in range(8)]
    requests = [make_request(employee, user_name=f"{employee}@x.example") for employee in employees]
    for employee in employees:
        stage.add_account(f"{employee}@x.example", name={"givenName": "Ada", "familyName": "King"})
    stage.claims = UnavailableClaims()
    stage.restart()

    assert await stage.handle(*requests) == []
    assert {await stage.get_cause(employee) for employee in employees} == {WaitingCause.LEDGER_UNAVAILABLE}

    stage.claims = stage.store.claims
    stage.restart()

    assert {outcome.outcome for outcome in await stage.handle(*requests)} == {Outcome.LINKED}


async def test_corrected_key_works_at_once(stage: WriterStage) -> None:
    """A new key replaces the endpoint, so its breaker is closed."""
    stage.connect(key="wrong")
    await stage.handle(make_request())
    stage.connect()

    outcomes = await stage.handle(make_request(), reason=SendReason.RESENT)

    assert [outcome.outcome for outcome in outcomes] == [Outcome.CREATED]


async def test_key_without_write_permission_waits(stage: WriterStage) -> None:
    """A 403 to the first write of a key means that the key lacks a permission."""
    stage.declaree.faults.order(Fault(kind="status", method="POST", status=403, count=None))

    assert await stage.handle(make_request()) == []
    assert await stage.get_cause() == WaitingCause.WRITES_FORBIDDEN


async def test_forbidden_account_of_writing_key_rejects(stage: WriterStage) -> None:
    """A 403 after a successful write concerns that employee only."""
    await stage.handle(make_request("8"))
    stage.declaree.faults.order(Fault(kind="status", method="POST", status=403, count=1))

    (outcome,) = await stage.handle(make_request("7"))

    assert outcome.outcome is Outcome.REJECTED


@pytest.mark.parametrize("kind", ["login_page", "redirect"])
async def test_wrong_address_waits(stage: WriterStage, kind: Any) -> None:
    """Employees wait while the server at the address is not a SCIM server."""
    stage.declaree.faults.order(Fault(kind=kind, count=None))

    assert await stage.handle(make_request()) == []
    assert await stage.get_cause() == WaitingCause.WRONG_ADDRESS


# ---------------------------------------------------------------- the time limit of a batch


async def test_slow_server_settles_part_of_batch(stage: WriterStage) -> None:
    """A server that answers 18 requests in time creates some of 12 accounts completely, and the rest waits."""
    answered, never = 0, asyncio.Event()

    async def slow_down(_: Call) -> None:
        nonlocal answered
        answered += 1
        if answered > 18:
            await never.wait()

    (await stage.get_server()).before = slow_down
    stage.restart(settle_seconds=2, concurrency=4)
    employees = [str(number) for number in range(12)]

    settled = {outcome.employee_id for outcome in await stage.handle(*map(make_request, employees))}

    assert len(settled) >= 4
    assert len(stage.declaree.directory.users) == len(settled)
    causes = {await stage.get_cause(employee) for employee in employees if employee not in settled}
    assert causes == {WaitingCause.SETTLE_TIMEOUT}


@pytest.mark.promise("P10")
async def test_hanging_server_delays_batch_by_its_time_limit(stage: WriterStage) -> None:
    """The employees of a hanging server wait, and those of the other connection are settled in the same batch."""
    never = asyncio.Event()
    stage.connect(OTHER)
    await stage.get_server()
    hanging, sound = stage.clients[-1], stage.clients[0]

    async def hang(_: Call) -> None:
        await never.wait()

    hanging.before = hang
    stage.restart(settle_seconds=0.3)

    outcomes = await stage.handle(make_request("1"), make_request("2", connection=OTHER), make_request("3"))

    assert {outcome.employee_id for outcome in outcomes} == {"1", "3"}
    assert len(sound.writes) == 2
    entry = await stage.store.ledger.get(make_request("2", connection=OTHER).person)
    assert entry is not None
    assert entry.waiting is not None
    assert entry.waiting.cause == WaitingCause.SETTLE_TIMEOUT
    assert entry.applied is None
