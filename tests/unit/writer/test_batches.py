"""A batch of requests: each employee's requests in order, different employees concurrently, one ledger write each."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.clients.declaree.errors import DeclareeWrongAddressError
from services.contracts.cloudevents import SendReason, to_record
from services.contracts.connections import LinkPolicy
from services.contracts.dead_letters import DeadLetter
from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent, Outcome, WaitingCause
from services.contracts.topics import Topic
from services.errors import TransientError
from services.provisioning.calls import Answer, Call, CreateAccount, FindAccounts, Found
from services.writer.results import FLUSH_SIZE
from tests.support.builders import CONNECTION, OTHER, make_person, make_request, make_request_with_intent, reports_to
from tests.support.fakes import Crashes
from tests.support.writer_stage import EVA, ZOE, WriterStage, summarize

# ---------------------------------------------------------------- one employee


async def test_new_employee_gets_account_entry_and_outcome(stage: WriterStage) -> None:
    """The first request creates the account, and the published outcome is the one in the ledger."""
    (record,) = await stage.handle_records(make_request())

    account, entry = stage.get_account(), await stage.get_entry()
    assert record.topic == Topic.ACCOUNT_OUTCOMES
    assert record.key == bytes(make_person("7"))
    assert account["name"]["givenName"] == "Ada"
    assert account["userName"] == "e7@nordlicht.example"
    assert entry.decided is not None
    assert record == to_record(entry.decided)
    assert entry.decided.outcome == Outcome.CREATED
    assert entry.account_id == account["id"]
    assert entry.seq == 1
    assert entry.decided.written


@pytest.mark.promise("W18")
@pytest.mark.promise("P2")
async def test_newest_request_of_batch_supersedes_others(stage: WriterStage) -> None:
    """Of several requests of one employee only the newest is written: a redelivery never goes back to an older one."""
    outcomes = await stage.handle(
        make_request(), make_request(revision=2_000, **EVA), make_request(revision=3_000, **ZOE)
    )

    server = await stage.get_server()
    assert summarize(outcomes) == [("7", Outcome.SUPERSEDED), ("7", Outcome.SUPERSEDED), ("7", Outcome.CREATED)]
    assert [outcome.revision for outcome in outcomes] == [1_000, 2_000, 3_000]
    assert [type(call) for call in server.writes] == [CreateAccount]
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert (await stage.get_entry()).seq == 1


@pytest.mark.promise("P3")
async def test_batch_redelivered_sends_no_request(stage: WriterStage) -> None:
    """A batch that comes again gives the same outcomes without a request to the server."""
    batch = [
        make_request(),
        make_request_with_intent(Intent.REJECT, "8", reason="no e-mail", field="email"),
        make_request_with_intent(Intent.IGNORE, "9"),
    ]
    first = await stage.handle_records(*batch)
    calls = stage.list_calls()
    stage.clock.seconds += 3_600
    stage.restart()

    assert await stage.handle_records(*batch) == first
    assert stage.list_calls() == calls
    assert [(await stage.get_entry(key)).seq for key in "789"] == [1, 1, 1]


@pytest.mark.promise("P2")
async def test_older_request_is_superseded(stage: WriterStage) -> None:
    """An older request changes neither the account nor the entry."""
    await stage.handle(make_request(revision=2_000, **EVA))
    before, calls = await stage.get_entry(), stage.list_calls()

    for older in (make_request(), make_request(revision=2_000, version=2), make_request_with_intent(Intent.DISABLE)):
        (outcome,) = await stage.handle(older)

        assert outcome.outcome == Outcome.SUPERSEDED
        assert outcome.version == older.version
    assert await stage.get_entry() == before
    assert stage.list_calls() == calls


@pytest.mark.promise("P3")
async def test_same_request_twice_in_batch_is_written_once(stage: WriterStage) -> None:
    """The same request twice in one batch gives one outcome and one write."""
    outcomes = await stage.handle(make_request(), make_request())

    assert summarize(outcomes) == [("7", Outcome.CREATED)]
    assert len((await stage.get_server()).writes) == 1


async def test_new_mapping_with_same_content_sends_no_request(stage: WriterStage) -> None:
    """A new mapping version that changes nothing is unchanged without a request to the server."""
    await stage.handle(make_request())
    calls = stage.list_calls()

    assert summarize(await stage.handle(make_request(version=4))) == [("7", Outcome.UNCHANGED)]
    assert stage.list_calls() == calls


async def test_requests_without_account_send_no_request(stage: WriterStage) -> None:
    """Rejected, ignored and unknown employees are settled without a request to the server."""
    outcomes = await stage.handle(
        make_request_with_intent(Intent.REJECT, "1", reason="no e-mail", field="email"),
        make_request_with_intent(Intent.IGNORE, "2"),
        make_request_with_intent(Intent.DISABLE, "3"),
    )

    assert summarize(outcomes) == [
        ("1", Outcome.REJECTED),
        ("2", Outcome.OUT_OF_SCOPE),
        ("3", Outcome.OUT_OF_SCOPE),
    ]
    assert outcomes[0].reason == "no e-mail"
    assert outcomes[0].field == "email"
    assert stage.list_calls() == []


@pytest.mark.promise("W7")
async def test_leaver_is_disabled_and_enabled_on_return(stage: WriterStage) -> None:
    """A leaver's account keeps everything but ``active``, and is enabled when the employee returns."""
    await stage.handle(make_request())
    before = stage.get_account()

    assert summarize(await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000))) == [
        ("7", Outcome.DISABLED)
    ]
    assert stage.get_account() == before | {"active": False}
    assert summarize(await stage.handle(make_request(revision=3_000))) == [("7", Outcome.ENABLED)]
    assert stage.get_account() == before


@pytest.mark.promise("W3")
async def test_existing_account_is_linked_by_email_if_free(stage: WriterStage) -> None:
    """By the policy ``by_email``, an account is linked unless its external id belongs to another system."""
    stage.connect(policy=LinkPolicy.BY_EMAIL)
    free = stage.add_account("e7@nordlicht.example", name={"givenName": "Ada", "familyName": "King"})
    taken = stage.add_account(
        "e8@nordlicht.example", name={"givenName": "Ada", "familyName": "King"}, externalId="another system's"
    )

    outcomes = await stage.handle(make_request("7"), make_request("8"))

    assert summarize(outcomes) == [("7", Outcome.LINKED), ("8", Outcome.REJECTED)]
    assert stage.get_account()["id"] == free
    assert (await stage.get_entry("8")).blocked_by == taken
    assert len(stage.declaree.directory.users) == 2


async def test_replay_after_forgotten_content_only_reads(stage: WriterStage) -> None:
    """A replay after the ledger forgot the accounts' content compares them and writes nothing."""
    await stage.handle(make_request("7"), make_request("8"))
    await stage.store.ledger.forget_applied(make_request().connection_id)
    stage.declaree.journal.clear()

    outcomes = await stage.handle(make_request("7"), make_request("8"), reason=SendReason.REPLAYED)

    assert summarize(outcomes) == [("7", Outcome.UNCHANGED), ("8", Outcome.UNCHANGED)]
    assert {method for method, _ in stage.list_calls()} == {"GET"}


@pytest.mark.promise("P9")
async def test_leaver_behind_faulty_proxy_waits(stage: WriterStage) -> None:
    """A proxy's 404 for the account does not prove that it is gone, so the leaver waits and stays listed."""
    await stage.handle(make_request())
    server = await stage.get_server()

    async def fail_search(call: Call) -> None:
        if isinstance(call, FindAccounts):
            raise DeclareeWrongAddressError("404")

    async def find_nothing(_: Call, __: Answer) -> Answer:
        return Found()

    server.before, server.after = fail_search, find_nothing

    assert await stage.handle(make_request_with_intent(Intent.DISABLE, revision=2_000)) == []
    assert (await stage.get_entry()).waiting is not None
    assert stage.get_account()["active"] is True


@pytest.mark.promise("W21")
@pytest.mark.promise("P7")
async def test_field_dropped_by_server_is_named_in_outcome(stage: WriterStage) -> None:
    """A field that the server does not store is named in the reason, without its value."""
    fields = {"name.givenName": "Ada", "name.familyName": "Lovelace", "urn:example:own:2.0:User:badge": "12"}

    (outcome,) = await stage.handle(make_request(fields=fields))

    assert outcome.outcome is Outcome.INCOMPLETE
    assert outcome.refused == ("urn:example:own:2.0:User:badge",)
    assert outcome.reason is not None
    assert "urn:example:own:2.0:User:badge (not stored)" in outcome.reason
    assert "12" not in str(outcome.reason).replace("2.0", "")


# ---------------------------------------------------------------- several employees


@pytest.mark.promise("W18")
async def test_employees_run_concurrently(stage: WriterStage) -> None:
    """A delayed employee does not delay the others."""
    server, go_on, others_done = await stage.get_server(), asyncio.Event(), asyncio.Event()

    async def delay_first_employee(call: Call) -> None:
        if isinstance(call, FindAccounts) and call.value == "1":
            await go_on.wait()

    async def watch_writes(call: Call, answer: Answer) -> Answer:
        if len(server.writes) == 2:
            others_done.set()
        return answer

    server.before, server.after = delay_first_employee, watch_writes
    batch = stage.handle(make_request("1"), make_request("2"), make_request("1", 2_000, **EVA), make_request("3"))
    handling = asyncio.create_task(batch)
    await others_done.wait()

    assert {key for key in "123" if stage.has_account(key)} == {"2", "3"}

    go_on.set()
    outcomes = await handling

    assert sorted(summarize(outcomes)) == [
        ("1", Outcome.CREATED),
        ("1", Outcome.SUPERSEDED),
        ("2", Outcome.CREATED),
        ("3", Outcome.CREATED),
    ]
    assert stage.get_account("1")["name"]["givenName"] == "Eva"


async def test_entries_are_flushed_while_batch_runs(stage: WriterStage) -> None:
    """The ledger is written in parts, so that its time does not add to the time of the batch."""
    ledger, server, flushes = stage.ledger, await stage.get_server(), list[tuple[int, int]]()

    class Ledger:
        async def write(self, entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
            flushes.append((len(entries), len(server.writes)))
            lost: frozenset[PersonKey] = await ledger.write(entries)
            return lost

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

    stage.ledger = Ledger()
    stage.restart(concurrency=8)

    outcomes = await stage.handle(*(make_request(str(number)) for number in range(2 * FLUSH_SIZE + 10)))

    assert len(outcomes) == 2 * FLUSH_SIZE + 10
    assert [entries for entries, _ in flushes] == [FLUSH_SIZE, FLUSH_SIZE, 10]
    assert flushes[0][1] < 2 * FLUSH_SIZE


async def test_failed_flush_is_raised_after_the_batch(stage: WriterStage) -> None:
    """An error of the ledger cancels no request: it is raised after every employee was processed."""
    requests = [make_request(str(number)) for number in range(FLUSH_SIZE + 10)]

    await stage.crash_before_ledger(*requests, concurrency=8)

    assert len((await stage.get_server()).writes) == len(requests)
    assert len(await stage.handle(*requests)) == len(requests)
    assert len(stage.declaree.directory.users) == len(requests)


async def test_defect_makes_one_employee_wait(
    stage: WriterStage, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """An unexpected error makes that employee wait, and the log contains no personal data."""
    request.node.add_marker(pytest.mark.expects_errors)
    server = await stage.get_server()

    async def fail_for_one(call: Call) -> None:
        if isinstance(call, FindAccounts) and call.value == "1":
            raise RuntimeError("ada@nordlicht.example")

    server.before = fail_for_one

    assert summarize(await stage.handle(make_request("1"), make_request("2"))) == [("2", Outcome.CREATED)]
    assert await stage.get_cause("1") == WaitingCause.UNEXPECTED
    assert "@" not in caplog.messages[-1]


# ---------------------------------------------------------------- connections


async def test_unknown_connection_makes_dead_letter(stage: WriterStage) -> None:
    """A request of an unknown connection becomes a dead letter and delays no other employee."""
    unknown = make_request("1", connection=ConnectionId("unknown"))

    letter, outcome = await stage.handle_records(unknown, make_request("2"))

    headers = DeadLetter.from_headers(letter.headers)
    assert letter.topic == Topic.DEAD_LETTERS
    assert letter.key == bytes(unknown.person)
    assert letter.value == unknown.model_dump_json().encode()
    assert headers.service == "writer"
    assert headers.reason == "unknown-connection"
    assert headers.offset == 0
    assert outcome.topic is Topic.ACCOUNT_OUTCOMES


async def test_connection_with_unreadable_secrets_waits(stage: WriterStage) -> None:
    """Employees wait while the connection's secrets cannot be decrypted, and delay no other connection."""
    stage.connections.unreadable.add(OTHER)
    unreadable = make_request("1", connection=OTHER)

    outcomes = await stage.handle(unreadable, make_request("2"))

    entry = await stage.store.ledger.get(unreadable.person)
    assert summarize(outcomes) == [("2", Outcome.CREATED)]
    assert entry is not None
    assert entry.waiting is not None
    assert entry.waiting.cause == WaitingCause.UNREADABLE_SECRET


# ---------------------------------------------------------------- effects


async def test_effects_happen_in_order(stage: WriterStage) -> None:
    """First the account is written, then the ledger, then the tasks: a crash in between is repaired by a repetition."""
    await stage.handle(make_request("1", manager=reports_to("2")))
    steps = Crashes()
    server = await stage.get_server()

    async def record_call(call: Call, answer: Answer) -> Answer:
        steps.record("declaree")
        return answer

    server.after = record_call
    stage.tasks = steps.wrap(stage.tasks, ["file"])
    stage.ledger = steps.wrap(stage.ledger, ["write"])
    stage.restart()

    await stage.handle(make_request("2"))

    assert list(dict.fromkeys(steps.effects)) == ["declaree", "write", "file"]


async def test_outcomes_freshness_and_waiting_are_counted(stage: WriterStage) -> None:
    """The metrics count outcomes, waiting changes, and the time from detection to a written account."""
    stage.clock.seconds += 90
    await stage.handle(make_request("1"), make_request("2"), make_request_with_intent(Intent.IGNORE, "3"))
    server = await stage.get_server()

    async def fail(call: Call) -> None:
        raise TransientError("down", retry_after=999)

    server.before = fail
    await stage.handle(make_request("4"))

    get_value = stage.metrics.registry.get_sample_value
    assert get_value("sync_outcomes_total", {"outcome": "created"}) == 2
    assert get_value("sync_outcomes_total", {"outcome": "out_of_scope"}) == 1
    assert get_value("sync_freshness_seconds_count", {"connection": CONNECTION}) == 2
    assert get_value("sync_freshness_seconds_sum", {"connection": CONNECTION}) == 180
    assert get_value("sync_waiting_total", {"cause": "unexpected"}) == 1
