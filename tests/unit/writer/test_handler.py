"""A batch of requests: Declaree, the ledger, whom to send again, the outcomes - for each person in order."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.clients.declaree.errors import DeclareeUnavailableError, DeclareeWrongAddressError
from services.contracts.accounts import Account
from services.contracts.envelope import Cause, DeadLetter, to_record
from services.contracts.events import AccountRequested, Intent, Outcome
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.topics import Topic
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, CreateAccount, FindAccounts, Lost, PatchAccount, Seen
from services.runtime.consumer import Batch, PartitionsMovedError
from services.writer.handler import NOTED_AT_ONCE
from services.writer.servers import Servers
from tests.builders import asked, incoming, requested, submits_to
from tests.fakes import CrashError, Crashes, FiledRequests
from tests.stored import CONNECTION, OTHER, person
from tests.unit.writer.stage import Stage

pytestmark = pytest.mark.mongo

EVA: dict[str, Any] = {"fields": {"name.givenName": "Eva", "name.familyName": "Lovelace"}}
ZOE: dict[str, Any] = {"fields": {"name.givenName": "Zoë", "name.familyName": "Lovelace"}}


def how(outcomes: list[Any]) -> list[tuple[str, Outcome]]:
    return [(outcome.employee_id, outcome.outcome) for outcome in outcomes]


# ---------------------------------------------------------------- one person


async def test_a_new_person_gets_an_account_an_entry_and_an_outcome(stage: Stage) -> None:
    (record,) = await stage.records(requested())
    assert (record.topic, record.key) == (Topic.ACCOUNT_OUTCOMES, bytes(person("7")))
    account, entry = stage.account(), await stage.entry()
    assert (account["name"]["givenName"], account["userName"]) == ("Ada", "e7@nordlicht.example")
    assert entry.decided is not None
    assert record == to_record(entry.decided)
    assert (entry.decided.outcome, entry.account_id, entry.seq) == (Outcome.CREATED, account["id"], 1)
    assert entry.decided.written


async def test_two_requests_of_one_person_in_a_batch_are_applied_in_order_and_the_entry_is_carried_in_memory(
    stage: Stage,
) -> None:
    outcomes = await stage.handle(requested(), requested(revision=2_000, **EVA), requested(revision=3_000, **ZOE))
    assert how(outcomes) == [("7", Outcome.CREATED), ("7", Outcome.UPDATED), ("7", Outcome.UPDATED)]
    assert [outcome.revision for outcome in outcomes] == [1_000, 2_000, 3_000]
    server = await stage.server()
    assert [type(call) for call in server.writes] == [CreateAccount, PatchAccount, PatchAccount]
    assert stage.account()["name"]["givenName"] == "Zoë"
    assert (await stage.entry()).seq == 1, "the ledger is written once a batch"


async def test_who_is_done_is_noted_while_others_are_still_worked_on(stage: Stage) -> None:
    """By fifties: the time that MongoDB takes for them is nobody's."""
    ledger, server, noted = stage.ledger, await stage.server(), []

    class Ledger:
        async def write(self, accounts: Sequence[Account]) -> frozenset[PersonKey]:
            noted.append((len(accounts), len(server.writes)))
            lost: frozenset[PersonKey] = await ledger.write(accounts)
            return lost

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

    stage.ledger = Ledger()
    stage.writer = stage.another_writer(at_once=8)
    outcomes = await stage.handle(*(requested(str(number)) for number in range(2 * NOTED_AT_ONCE + 10)))
    assert len(outcomes) == 2 * NOTED_AT_ONCE + 10
    assert [people for people, _ in noted] == [NOTED_AT_ONCE, NOTED_AT_ONCE, 10]
    assert noted[0][1] < 2 * NOTED_AT_ONCE


async def test_a_ledger_that_cannot_be_written_ends_nobody_s_request_on_its_way(stage: Stage) -> None:
    """The error of the ledger comes as it is, and only once everybody of the batch has been seen to."""
    people = [requested(str(number)) for number in range(NOTED_AT_ONCE + 10)]
    ledger, stage.ledger = stage.ledger, Crashes(at=0).around(stage.ledger, ["write"])
    stage.writer = stage.another_writer(at_once=8)
    with pytest.raises(CrashError):
        await stage.handle(*people)
    assert len((await stage.server()).writes) == len(people)
    stage.ledger = ledger
    stage.writer = stage.another_writer(at_once=8)
    assert len(await stage.handle(*people)) == len(people)
    assert len(stage.declaree.directory.users) == len(people)


async def test_a_batch_that_comes_again_makes_no_call_and_gives_the_same_outcomes(stage: Stage) -> None:
    batch = [requested(), asked(Intent.REJECT, "8", reason="no e-mail", field="email"), asked(Intent.IGNORE, "9")]
    first = await stage.records(*batch)
    calls = await stage.calls()
    stage.clock.seconds += 3_600
    stage.writer = stage.another_writer()
    assert await stage.records(*batch) == first
    assert await stage.calls() == calls
    assert [(await stage.entry(key)).seq for key in "789"] == [1, 1, 1]


async def test_an_older_request_is_superseded_and_changes_nothing(stage: Stage) -> None:
    await stage.handle(requested(revision=2_000, **EVA))
    before, calls = await stage.entry(), await stage.calls()
    for older in (requested(), requested(revision=2_000, version=2), asked(Intent.DISABLE)):
        (outcome,) = await stage.handle(older)
        assert (outcome.outcome, outcome.version) == (Outcome.SUPERSEDED, older.version)
    assert (await stage.entry(), await stage.calls()) == (before, calls)


async def test_within_a_batch_the_same_request_twice_is_worked_on_once(stage: Stage) -> None:
    first, second = await stage.handle(requested(), requested())
    assert first == second
    assert len((await stage.server()).writes) == 1


async def test_a_new_mapping_that_changes_nothing_makes_no_call(stage: Stage) -> None:
    await stage.handle(requested())
    calls = await stage.calls()
    assert how(await stage.handle(requested(version=4))) == [("7", Outcome.UNCHANGED)]
    assert await stage.calls() == calls


async def test_what_the_mapper_rejects_or_ignores_is_settled_without_a_call(stage: Stage) -> None:
    outcomes = await stage.handle(
        asked(Intent.REJECT, "1", reason="no e-mail", field="email"),
        asked(Intent.IGNORE, "2"),
        asked(Intent.DISABLE, "3"),
    )
    assert how(outcomes) == [("1", Outcome.REJECTED), ("2", Outcome.OUT_OF_SCOPE), ("3", Outcome.OUT_OF_SCOPE)]
    assert (outcomes[0].reason, outcomes[0].field) == ("no e-mail", "email")
    assert await stage.calls() == []


async def test_a_leaver_is_disabled_keeps_everything_else_and_is_enabled_on_return(stage: Stage) -> None:
    await stage.handle(requested())
    before = stage.account()
    assert how(await stage.handle(asked(Intent.DISABLE, revision=2_000))) == [("7", Outcome.DISABLED)]
    assert stage.account() == before | {"active": False}
    assert how(await stage.handle(requested(revision=3_000))) == [("7", Outcome.ENABLED)]
    assert stage.account() == before


async def test_an_account_that_was_there_before_is_linked_and_one_of_somebody_else_is_not(stage: Stage) -> None:
    free = stage.add_account("e7@nordlicht.example")
    taken = stage.add_account("e8@nordlicht.example", externalId="another system's")
    outcomes = await stage.handle(requested("7"), requested("8"))
    assert how(outcomes) == [("7", Outcome.LINKED), ("8", Outcome.REJECTED)]
    assert (stage.account()["id"], (await stage.entry("8")).blocked_by) == (free, taken)
    assert len(stage.declaree.directory.users) == 2


async def test_with_the_ledgers_knowledge_cleared_a_replay_makes_reads_only(stage: Stage) -> None:
    await stage.handle(requested("7"), requested("8"))
    await stage.store.accounts.forget_applied(requested().connection_id)
    stage.declaree.journal.clear()
    outcomes = await stage.handle(requested("7"), requested("8"), cause=Cause.REPLAYED)
    assert how(outcomes) == [("7", Outcome.UNCHANGED), ("8", Outcome.UNCHANGED)]
    assert {method for method, _ in await stage.calls()} == {"GET"}


# ---------------------------------------------------------------- several people


async def test_people_are_worked_on_at_the_same_time_and_each_in_order(stage: Stage) -> None:
    server, go_on, others_done = await stage.server(), asyncio.Event(), asyncio.Event()

    async def hold_up_the_first(call: Call) -> None:
        if isinstance(call, FindAccounts) and call.value == "1":
            await go_on.wait()

    async def note(call: Call, answer: Answer) -> Answer:
        if len(server.writes) == 2:
            others_done.set()
        return answer

    server.before, server.after = hold_up_the_first, note
    working = asyncio.create_task(
        stage.handle(requested("1"), requested("2"), requested("1", 2_000, **EVA), requested("3"))
    )
    await others_done.wait()
    assert {key for key in "123" if (await stage.calls()) and _has_account(stage, key)} == {"2", "3"}
    go_on.set()
    assert sorted(how(await working)) == [
        ("1", Outcome.CREATED), ("1", Outcome.UPDATED), ("2", Outcome.CREATED), ("3", Outcome.CREATED),
    ]  # fmt: skip
    assert stage.account("1")["name"]["givenName"] == "Eva"


def _has_account(stage: Stage, employee: str) -> bool:
    return any(entry.resource["externalId"] == employee for entry in stage.declaree.directory.users.values())


async def test_a_defect_in_one_persons_work_makes_that_person_wait_alone(
    stage: Stage, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    request.node.add_marker(pytest.mark.expects_errors)
    server = await stage.server()

    async def breaks_for_one(call: Call) -> None:
        if isinstance(call, FindAccounts) and call.value == "1":
            raise RuntimeError("ada@nordlicht.example")

    server.before = breaks_for_one
    assert how(await stage.handle(requested("1"), requested("2"))) == [("2", Outcome.CREATED)]
    waiting = (await stage.entry("1")).waiting
    assert waiting is not None
    assert waiting.cause == "RuntimeError"
    assert "@" not in caplog.messages[-1]


async def test_an_unknown_connection_makes_a_dead_letter_and_holds_nobody(stage: Stage) -> None:
    stranger = requested("1", connection=ConnectionId("nobody"))
    letter, outcome = await stage.records(stranger, requested("2"))
    assert (letter.topic, letter.key, letter.value) == (
        Topic.DEAD_LETTERS, bytes(stranger.person), stranger.model_dump_json().encode(),
    )  # fmt: skip
    found = DeadLetter.from_headers(letter.headers)
    assert (found.service, found.reason, found.offset) == ("writer", "unknown-connection", 0)
    assert outcome.topic is Topic.ACCOUNT_OUTCOMES


async def test_people_of_a_connection_whose_secrets_cannot_be_read_wait(stage: Stage) -> None:
    stage.connections.unreadable.add(OTHER)
    locked = requested("1", connection=OTHER)
    assert how(await stage.handle(locked, requested("2"))) == [("2", Outcome.CREATED)]
    entry = await stage.store.accounts.get(locked.person)
    assert entry is not None
    assert entry.waiting is not None
    assert entry.waiting.cause == "EncryptionKeyError"


# ---------------------------------------------------------------- crashes and races


async def test_a_crash_before_the_ledger_is_written_leads_to_no_second_account_and_no_second_write(
    stage: Stage,
) -> None:
    batch = [requested("1", manager=submits_to("2")), requested("2"), requested("1", 2_000, manager=submits_to("2"))]
    ledger, stage.ledger = stage.ledger, Crashes(at=0).around(stage.ledger, ["write"])
    stage.writer = stage.another_writer()
    with pytest.raises(CrashError):
        await stage.handle(*batch)
    stage.ledger = ledger
    stage.writer = stage.another_writer()
    assert sorted(how(await stage.handle(*batch))) == [
        ("1", Outcome.LINKED), ("1", Outcome.UNCHANGED), ("2", Outcome.LINKED),
    ]  # fmt: skip
    assert stage.manager("1") == stage.account("2")["id"]
    assert [method for method, _ in await stage.calls() if method != "GET"] == ["POST", "POST"]


async def test_a_crash_before_others_are_asked_for_leaves_them_to_be_found_by_the_next_poll(stage: Stage) -> None:
    await stage.handle(requested("1", manager=submits_to("2")))
    stage.requests = Crashes(at=0).around(FiledRequests(), ["file"])
    stage.writer = stage.another_writer()
    with pytest.raises(CrashError):
        await stage.handle(requested("2"))
    stage.requests = FiledRequests()
    stage.writer = stage.another_writer()
    await stage.handle(requested("2"))
    assert await stage.store.accounts.resolvable_reports(CONNECTION) == ("1",)


async def test_a_crash_after_a_manager_got_another_account_leaves_no_report_with_the_old_one(stage: Stage) -> None:
    """The next poll finds the report, and to send it again is enough to write the new account."""
    await stage.handle(requested("9"))
    report = requested("7", manager=submits_to("9"))
    await stage.handle(report)
    stage.declaree.directory.delete(stage.declaree.directory.users[stage.account("9")["id"]])
    ledger, stage.ledger = stage.ledger, Crashes(at=0).around(stage.ledger, ["reports_waiting_for"])
    stage.writer = stage.another_writer()
    with pytest.raises(CrashError):
        await stage.handle(requested("9", 2_000, **EVA))
    stage.ledger = ledger
    stage.writer = stage.another_writer()
    await stage.handle(requested("9", 2_000, **EVA))
    assert await stage.store.accounts.resolvable_reports(CONNECTION) == ("7",)
    await stage.handle(report, cause=Cause.RESENT)
    assert stage.manager("7") == stage.account("9")["id"]
    assert await stage.store.accounts.resolvable_reports(CONNECTION) == ()


async def test_a_crash_before_the_blocked_are_asked_for_leaves_them_to_be_found_by_the_next_poll(stage: Stage) -> None:
    await stage.handle(requested("8", user_name="shared@x.example"))
    await stage.handle(requested("7", user_name="shared@x.example"))
    stage.requests = Crashes(at=0).around(FiledRequests(), ["file"])
    stage.writer = stage.another_writer()
    with pytest.raises(CrashError):
        await stage.handle(requested("8", 2_000, user_name="other@x.example"))
    assert await stage.store.accounts.released(CONNECTION) == ("7",)


class Meanwhile:
    """A ledger; just before it is written for the first time, another writer handles a request."""

    def __init__(self, stage: Stage, request: AccountRequested) -> None:
        self._inner, self._requests = stage.ledger, [request]
        self._other, self._ownership = stage.another_writer(), stage.ownership

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, entries: Any) -> Any:
        while self._requests:
            await self._other.handle(Batch((incoming(self._requests.pop()),), self._ownership))
        return await self._inner.write(entries)


async def test_a_report_whose_manager_another_writer_has_written_meanwhile_is_sent_again(stage: Stage) -> None:
    """That writer looked for reports before there was an entry of this one."""
    stage.ledger = Meanwhile(stage, requested("9"))
    stage.writer = stage.another_writer()
    report = requested("7", manager=submits_to("9"))
    await stage.handle(report)
    assert (stage.manager("7"), stage.requests.people) == (None, {"7"})
    await stage.handle(report, cause=Cause.RESENT)
    assert stage.manager("7") == stage.account("9")["id"]


async def test_who_was_blocked_by_an_address_that_another_writer_has_given_up_meanwhile_is_sent_again(
    stage: Stage,
) -> None:
    """That writer looked for the blocked before there was an entry of this one."""
    await stage.handle(requested("8", user_name="shared@x.example"))
    stage.ledger = Meanwhile(stage, requested("8", 2_000, user_name="other@x.example"))
    stage.writer = stage.another_writer()
    (outcome,) = await stage.handle(requested("7", user_name="shared@x.example"))
    assert (outcome.outcome, stage.requests.people) == (Outcome.REJECTED, {"7"})


async def test_who_is_blocked_again_after_being_sent_for_it_is_left_to_the_next_poll(stage: Stage) -> None:
    """The ledger has another name for the account in the way than Declaree: at once again would be for ever."""
    await stage.handle(requested("8", user_name="theirs@x.example"))
    account = stage.declaree.directory.users[stage.account("8")["id"]]
    by_hand = {"userName": "shared@x.example", "emails": [{"type": "work", "value": "shared@x.example"}]}
    stage.declaree.directory.put(replace(account, resource={**account.resource, **by_hand}))
    request = requested("7", user_name="shared@x.example")
    (outcome,) = await stage.handle(request)
    assert (outcome.outcome, stage.requests.people) == (Outcome.REJECTED, {"7"})
    stage.requests.filed.clear()
    (outcome,) = await stage.handle(request, cause=Cause.RESENT)
    assert (outcome.outcome, stage.requests.filed) == (Outcome.REJECTED, [])
    assert await stage.store.accounts.released(CONNECTION) == ("7",)


async def test_a_lost_race_publishes_no_outcome_marks_the_entry_and_sends_the_person_again(stage: Stage) -> None:
    await stage.handle(requested("7"), requested("8"))
    server, first = await stage.server(), True

    async def another_writer_comes_first(call: Call, answer: Answer) -> Answer:
        nonlocal first
        if first and isinstance(call, PatchAccount):
            first = False
            entry = await stage.entry("7")
            decided = entry.decided
            assert decided is not None
            theirs = decided.model_copy(update={"revision": 5_000})
            assert not await stage.store.accounts.write(
                [entry.model_copy(update={"seq": entry.seq + 1, "decided": theirs, "applied": "theirs"})]
            )
        return answer

    server.after = another_writer_comes_first
    outcomes = await stage.handle(requested("7", 2_000, **EVA), requested("8", 2_000))
    assert how(outcomes) == [("8", Outcome.UNCHANGED)]
    entry = await stage.entry("7")
    assert (entry.verify, entry.decided_version.revision) == (True, 5_000)
    assert stage.requests.people == {"7"}

    (outcome,) = await stage.handle(requested("7", 5_000, **ZOE), cause=Cause.RESENT)
    assert outcome.outcome is Outcome.UPDATED, "it looked, although it was decided"
    assert (stage.account()["name"]["givenName"], (await stage.entry()).verify) == ("Zoë", False)


async def test_nothing_is_sent_noted_or_published_once_the_partitions_have_moved(stage: Stage) -> None:
    server = await stage.server()

    async def moves_before_the_second_write(call: Call, answer: Answer) -> Answer:
        stage.ownership.moved_away = stage.ownership.moved_away or bool(server.writes)
        return answer

    server.after = moves_before_the_second_write
    with pytest.raises(PartitionsMovedError):
        await stage.handle(requested("1"), requested("1", 2_000, **EVA), requested("2", 3_000))
    assert len(server.writes) == 1
    assert await stage.store.accounts.read([person("1"), person("2")]) == {}
    assert stage.requests.filed == []


async def test_ownership_is_checked_before_every_single_request(stage: Stage) -> None:
    await stage.handle(requested("1"), requested("2"), requested("1", 2_000, **EVA))
    assert stage.ownership.checks == len(await stage.calls()) > 6


async def test_the_order_is_declaree_ledger_requests(stage: Stage) -> None:
    await stage.handle(requested("1", manager=submits_to("2")))
    steps = Crashes()
    server, file = await stage.server(), stage.requests.file

    async def noted(call: Call, answer: Answer) -> Answer:
        steps.effect("declaree")
        return answer

    async def filed(*arguments: Any, **more: Any) -> None:
        steps.effect("requests")
        await file(*arguments, **more)

    server.after, stage.requests.file = noted, filed  # type: ignore[method-assign]
    stage.ledger = steps.around(stage.ledger, ["write"])
    stage.writer = stage.another_writer()
    await stage.handle(requested("2"))
    assert list(dict.fromkeys(steps.effects)) == ["declaree", "write", "requests"]


async def test_the_answer_to_a_create_may_be_lost_without_a_second_account(stage: Stage) -> None:
    server = await stage.server()

    async def loses_creates(call: Call, answer: Answer) -> Answer:
        return Lost("ReadTimeout") if isinstance(call, CreateAccount) else answer

    server.after = loses_creates
    assert how(await stage.handle(requested())) == [("7", Outcome.CREATED)]
    assert len(stage.declaree.directory.users) == 1


@pytest.mark.parametrize("external_id", ["stored", "ignored"])
async def test_the_answer_to_a_create_may_be_lost_and_the_address_corrected_without_a_second_account(
    stage: Stage, external_id: str
) -> None:
    stage.declaree.behaviour = stage.declaree.behaviour.model_copy(update={"external_id": external_id})
    server = await stage.server()

    async def breaks_down_after_a_create(call: Call, answer: Answer) -> Answer:
        if isinstance(call, CreateAccount):
            server.before = down
        return Lost("ReadTimeout") if isinstance(call, CreateAccount) else answer

    async def down(_: Call) -> None:
        raise DeclareeUnavailableError("down")

    server.after = breaks_down_after_a_create
    assert await stage.handle(requested(user_name="typo@x.example")) == []
    assert (await stage.entry()).attempted_names == ("typo@x.example",)
    await stage.servers.stop()
    stage.servers = Servers(stage.client, stage.clock)
    stage.writer = stage.another_writer()
    await stage.handle(requested("7", 2_000, user_name="right@x.example"))
    (account,) = stage.declaree.directory.users.values()
    assert account.resource["userName"] == "right@x.example"
    assert (await stage.entry()).attempted_names == ()


async def test_an_address_that_was_never_sent_leads_to_nobodys_account(stage: Stage) -> None:
    """The key was wrong, and so was the address: that of a colleague whom nobody manages yet."""
    theirs = stage.add_account("info@x.example")
    stage.connect(key="wrong")
    assert await stage.handle(requested(user_name="info@x.example")) == []
    stage.connect()
    (outcome,) = await stage.handle(requested("7", 2_000, user_name="alice@x.example"))
    assert outcome.outcome is Outcome.CREATED
    assert stage.declaree.directory.users[theirs].resource["userName"] == "info@x.example"


async def test_a_proxy_that_knows_no_address_settles_no_leaver(stage: Stage) -> None:
    """Its 404 to the account is no word of Declaree's: access has to end, so the person waits."""
    await stage.handle(requested())
    server = await stage.server()

    async def deploying(call: Call) -> None:
        if isinstance(call, FindAccounts):
            raise DeclareeWrongAddressError("404")

    async def knows_nothing(_: Call, __: Answer) -> Answer:
        return Seen()

    server.before, server.after = deploying, knows_nothing
    assert await stage.handle(asked(Intent.DISABLE, revision=2_000)) == []
    assert (await stage.entry()).waiting is not None
    assert stage.account()["active"] is True


async def test_a_field_that_declaree_drops_without_a_word_is_named_in_the_outcome(stage: Stage) -> None:
    fields = {"name.givenName": "Ada", "name.familyName": "Lovelace", "urn:example:own:2.0:User:badge": "12"}
    (outcome,) = await stage.handle(requested(fields=fields))
    assert outcome.outcome is Outcome.CREATED
    assert outcome.reason == (
        "Declaree's answer does not show what was sent for urn:example:own:2.0:User:badge: it may not keep that"
    )
    assert "12" not in str(outcome.reason).replace("2.0", "")


# ---------------------------------------------------------------- managers


async def test_a_manager_of_an_earlier_batch_is_written_at_once(stage: Stage) -> None:
    await stage.handle(requested("9"))
    (outcome,) = await stage.handle(requested("7", manager=submits_to("9")))
    assert (outcome.reason, stage.manager("7")) == (None, stage.account("9")["id"])
    assert stage.requests.filed == []


@pytest.mark.parametrize("order", ["679", "976", "796"])
async def test_managers_of_a_batch_are_written_before_those_who_submit_to_them(stage: Stage, order: str) -> None:
    batch = {
        "6": requested("6", manager=submits_to("7")),
        "7": requested("7", manager=submits_to("9")),
        "9": requested("9"),
    }
    await stage.handle(*(batch[key] for key in order))
    assert (stage.manager("6"), stage.manager("7")) == (stage.account("7")["id"], stage.account("9")["id"])
    assert len((await stage.server()).writes) == 3
    assert stage.requests.filed == []


async def test_of_a_batch_those_wait_for_nobody_who_manage_each_other_or_whose_manager_is_not_in_it(
    stage: Stage,
) -> None:
    circle = [requested(key, manager=submits_to(chief)) for key, chief in zip("1234", "2311", strict=True)]
    outcomes = await stage.handle(*circle, requested("5", manager=submits_to("8")))
    assert {outcome.outcome for outcome in outcomes} == {Outcome.CREATED}
    await stage.handle(*circle, cause=Cause.RESENT)
    assert {key: stage.manager(key) for key in "1234"} == {
        key: stage.account(chief)["id"] for key, chief in zip("1234", "2311", strict=True)
    }


async def test_a_report_waits_for_its_manager_and_is_sent_again_when_the_account_appears(stage: Stage) -> None:
    report = requested("7", manager=submits_to("9"))
    (outcome,) = await stage.handle(report)
    assert (outcome.outcome, outcome.reason) == (Outcome.CREATED, "the manager has no account yet: it follows")
    assert ((await stage.entry()).open_reference, stage.requests.people) == (True, set())
    await stage.handle(requested("9"))
    assert stage.requests.people == {"7"}
    (outcome,) = await stage.handle(report, cause=Cause.RESENT)
    assert (outcome.outcome, outcome.written) == (
        Outcome.UPDATED, ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",),
    )  # fmt: skip
    assert stage.manager("7") == stage.account("9")["id"]


async def test_a_report_is_sent_again_when_its_manager_gets_another_account(stage: Stage) -> None:
    await stage.handle(requested("9"))
    await stage.handle(requested("7", manager=submits_to("9")))
    stage.declaree.directory.delete(stage.declaree.directory.users[stage.account("9")["id"]])
    await stage.handle(requested("9", 2_000, **EVA))
    assert stage.requests.people == {"7"}
    await stage.handle(requested("7", manager=submits_to("9")), cause=Cause.RESENT)
    assert stage.manager("7") == stage.account("9")["id"]


async def test_two_who_manage_each_other_are_both_written(stage: Stage) -> None:
    batch = [requested("7", manager=submits_to("9")), requested("9", manager=submits_to("7"))]
    await stage.handle(*batch)
    await stage.handle(*batch, cause=Cause.RESENT)
    assert (stage.manager("7"), stage.manager("9")) == (stage.account("9")["id"], stage.account("7")["id"])


async def test_who_is_their_own_manager_gets_none_and_a_note(stage: Stage) -> None:
    (outcome,) = await stage.handle(requested("7", manager=submits_to("7")))
    assert (outcome.reason, stage.manager("7")) == ("the manager is the person: left out", None)
    assert not (await stage.entry()).open_reference


async def test_an_unknown_manager_never_clears_the_one_that_is_there(stage: Stage) -> None:
    await stage.handle(requested("9"))
    await stage.handle(requested("7", manager=submits_to("9")))
    await stage.handle(requested("7", 2_000, manager=submits_to("5")))
    assert stage.manager("7") == stage.account("9")["id"]


# ---------------------------------------------------------------- e-mail addresses


async def test_who_is_blocked_by_an_address_is_sent_again_when_the_other_account_gives_it_up(stage: Stage) -> None:
    await stage.handle(requested("8", user_name="shared@x.example"))
    (outcome,) = await stage.handle(requested("7", user_name="shared@x.example"))
    assert outcome.outcome is Outcome.REJECTED
    assert (await stage.entry()).blocked_by == stage.account("8")["id"]
    await stage.handle(requested("8", 2_000, user_name="other@x.example"))
    assert stage.requests.people == {"7"}
    assert how(await stage.handle(requested("7", user_name="shared@x.example"), cause=Cause.RESENT)) == [
        ("7", Outcome.CREATED)
    ]
    assert (await stage.entry()).blocked_by is None


async def test_of_two_employees_with_one_address_one_has_the_account(stage: Stage) -> None:
    outcomes = await stage.handle(requested("7", user_name="a@x.example"), requested("8", user_name="A@x.example"))
    assert sorted(outcome.outcome for outcome in outcomes) == [Outcome.CREATED, Outcome.REJECTED]
    assert len(stage.declaree.directory.users) == 1


async def test_where_external_ids_are_not_kept_two_employees_with_one_address_still_do_not_share_an_account(
    stage: Stage,
) -> None:
    stage.declaree.behaviour = stage.declaree.behaviour.model_copy(update={"external_id": "ignored"})
    await stage.handle(requested("7", user_name="a@x.example"))
    (outcome,) = await stage.handle(requested("8", user_name="a@x.example"))
    assert outcome.outcome is Outcome.REJECTED
    assert (await stage.entry("8")).account_id is None


# ---------------------------------------------------------------- counting


async def test_outcomes_freshness_and_waiting_are_counted(stage: Stage) -> None:
    stage.clock.seconds += 90
    await stage.handle(requested("1"), requested("2"), asked(Intent.IGNORE, "3"))
    server = await stage.server()

    async def away(call: Call) -> None:
        raise TransientError("away", retry_after=999)

    server.before = away
    await stage.handle(requested("4"))
    value = stage.metrics.registry.get_sample_value
    assert value("sync_outcomes_total", {"outcome": "created"}) == 2
    assert value("sync_outcomes_total", {"outcome": "out_of_scope"}) == 1
    assert (value("sync_freshness_seconds_count"), value("sync_freshness_seconds_sum")) == (2, 180)
    assert value("sync_waiting_total", {"cause": "TransientError"}) == 1
