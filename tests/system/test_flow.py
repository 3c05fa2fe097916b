"""From Personio to Declaree and back to rest: what happens to people happens to their accounts, exactly once."""

import pytest

from sandbox.declaree.faults import Fault
from services.admin import connections as admin
from services.contracts.envelope import DeadLetter, Record
from services.contracts.events import Outcome
from services.contracts.ids import EmployeeId
from services.contracts.runs import RunState
from services.contracts.topics import Topic
from tests.system.stage import KEY, Whole, released

pytestmark = pytest.mark.mongo

NEXT_CENTURY = "2101-01-01T00:00:00+01:00"
"""Keeps the sandbox from letting somebody start by itself."""


def last(whole: Whole, employee: int) -> Outcome:
    return whole.outcomes(employee)[-1].outcome


# ---------------------------------------------------------------- rest


async def test_everybody_active_gets_an_exact_account_and_then_there_is_rest(whole: Whole) -> None:
    run = await whole.sync()
    assert (run.state, run.counts.seen) == (RunState.SUCCEEDED, len(whole.personio.company))
    assert whole.differences() == []
    assert await whole.balance() == 0
    sent = len(whole.topics.of(Topic.EMPLOYEES_CHANGED))
    whole.forget_requests()
    run = await whole.sync()
    assert (run.counts.unchanged, run.counts.emitted) == (run.counts.seen, 0)
    assert len(whole.topics.of(Topic.EMPLOYEES_CHANGED)) == sent
    assert whole.requests_to_declaree() == []


async def test_a_first_synchronisation_writes_every_account_once(whole: Whole) -> None:
    await whole.sync()
    writes = [request for request in whole.requests_to_declaree() if request[0] != "GET"]
    assert writes == [("POST", "/Users")] * len(whole.declaree.directory.users)


@pytest.mark.parametrize("topic", [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED])
async def test_every_event_a_second_time_makes_no_call_and_changes_nothing(whole: Whole, topic: Topic) -> None:
    await whole.sync()
    worker = next(person for person in whole.personio.company.listed() if person.status == "active")
    whole.change(worker.id, last_name="Neumann")
    await whole.sync()
    before = dict(whole.declaree.directory.users)
    whole.forget_requests()
    for record in whole.topics.of(topic):
        whole.topics.append(Record(topic, record.key, record.value, record.headers))
    await whole.settle()
    assert whole.requests_to_declaree() == []
    assert whole.declaree.directory.users == before
    assert Outcome.SUPERSEDED in {outcome.outcome for outcome in whole.outcomes(worker.id)}
    assert await whole.balance() == 0


async def test_both_groups_from_the_beginning_make_no_call(whole: Whole) -> None:
    await whole.sync()
    whole.forget_requests()
    whole.topics.rewind("mapper", Topic.EMPLOYEES_CHANGED)
    whole.topics.rewind("writer", Topic.ACCOUNTS_REQUESTED)
    await whole.settle()
    assert whole.requests_to_declaree() == []


async def test_a_lost_ledger_is_found_again_by_the_external_ids_without_a_second_account(whole: Whole) -> None:
    await whole.sync()
    before = dict(whole.declaree.directory.users)
    await whole.lose_the_ledger()
    whole.forget_requests()
    whole.topics.rewind("mapper", Topic.EMPLOYEES_CHANGED)
    await whole.settle()
    assert whole.declaree.directory.users == before
    assert {method for method, _ in whole.requests_to_declaree()} == {"GET"}
    assert whole.differences() == []
    assert await whole.balance() == 0


# ---------------------------------------------------------------- hire, rename, terminate, rehire


async def test_one_person_through_hire_rename_termination_and_return_keeps_one_account(whole: Whole) -> None:
    await whole.sync()
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    await whole.sync()
    hired = whole.account(ada)
    assert (hired["name"]["familyName"], hired["active"], last(whole, ada)) == ("Lovelace", True, Outcome.CREATED)

    whole.change(ada, last_name="King", email="ada.king@nordlicht.example")
    await whole.sync()
    renamed = whole.account(ada)
    assert (renamed["id"], renamed["userName"]) == (hired["id"], "ada.king@nordlicht.example")
    assert [email["value"] for email in renamed["emails"]] == ["ada.king@nordlicht.example"]
    assert last(whole, ada) is Outcome.UPDATED

    whole.change(ada, status="inactive", last_name="never sent")
    await whole.sync()
    assert whole.account(ada) == renamed | {"active": False}
    assert last(whole, ada) is Outcome.DISABLED

    whole.change(ada, status="active", last_name="King")
    await whole.sync()
    assert whole.account(ada) == renamed
    assert [outcome.outcome for outcome in whole.outcomes(ada)] == [
        Outcome.CREATED, Outcome.UPDATED, Outcome.DISABLED, Outcome.ENABLED,
    ]  # fmt: skip
    assert whole.differences() == []


async def test_on_leave_and_with_an_unknown_status_the_account_stays_as_it_is(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    await whole.sync()
    before = whole.account(ada)
    for status in ("leave", "sabbatical", None):
        whole.change(ada, status=status, last_name=f"On {status}")
        await whole.sync()
        assert whole.account(ada) == before
        assert last(whole, ada) is Outcome.OUT_OF_SCOPE


async def test_who_starts_later_gets_the_account_on_the_day(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace", status="onboarding", hire_date=NEXT_CENTURY)
    await whole.sync()
    assert whole.accounts_of(ada) == []
    whole.change(ada, status="active")
    await whole.sync()
    assert whole.account(ada)["active"]


async def test_two_changes_between_two_polls_arrive_as_one(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    await whole.sync()
    whole.forget_requests()
    whole.change(ada, last_name="King")
    whole.change(ada, first_name="Augusta")
    await whole.sync()
    assert whole.account(ada)["name"] == {"givenName": "Augusta", "familyName": "King"}
    assert [method for method, _ in whole.requests_to_declaree()].count("PATCH") == 1


# ---------------------------------------------------------------- supervisors


async def test_a_supervisor_who_comes_later_completes_the_reports_without_a_change_of_theirs(whole: Whole) -> None:
    chief = whole.hire(first_name="Charles", last_name="Babbage", status="onboarding", hire_date=NEXT_CENTURY)
    ada = whole.hire(first_name="Ada", last_name="Lovelace", supervisor=chief)
    await whole.sync()
    assert (whole.manager(ada), whole.accounts_of(chief)) == (None, [])
    whole.change(chief, status="active")
    await whole.sync()
    assert whole.manager(ada) == whole.account(chief)["id"]
    assert whole.differences() == []


async def test_a_new_supervisor_without_an_account_keeps_the_old_one_until_there_is_one(whole: Whole) -> None:
    old = whole.hire(first_name="Charles", last_name="Babbage")
    ada = whole.hire(first_name="Ada", last_name="Lovelace", supervisor=old)
    new = whole.hire(first_name="Mary", last_name="Somerville", status="onboarding", hire_date=NEXT_CENTURY)
    await whole.sync()
    whole.change(ada, supervisor=new)
    await whole.sync()
    assert whole.manager(ada) == whole.account(old)["id"]
    whole.change(new, status="active")
    await whole.sync()
    assert whole.manager(ada) == whole.account(new)["id"]


async def test_who_has_no_supervisor_any_more_submits_to_nobody(whole: Whole) -> None:
    chief = whole.hire(first_name="Charles", last_name="Babbage")
    ada = whole.hire(first_name="Ada", last_name="Lovelace", supervisor=chief)
    await whole.sync()
    assert whole.manager(ada)
    whole.change(ada, supervisor=None)
    await whole.sync()
    assert whole.manager(ada) is None


# ---------------------------------------------------------------- addresses


async def test_two_who_swap_their_addresses_are_rejected_untouched_and_come_right_once_one_steps_aside(
    whole: Whole,
) -> None:
    one, two = (whole.hire(first_name=name, last_name="Swap", email=f"{name}@x.example") for name in ("a", "b"))
    await whole.sync()
    before = whole.account(one), whole.account(two)
    whole.change(one, email="aside@x.example")
    whole.change(two, email="a@x.example")
    whole.change(one, email="b@x.example")
    await whole.sync()
    assert (last(whole, one), last(whole, two)) == (Outcome.REJECTED, Outcome.REJECTED)
    assert (whole.account(one), whole.account(two)) == before
    assert before[1]["id"] in (whole.outcomes(one)[-1].reason or "")

    whole.change(one, email="aside@x.example")
    await whole.sync()
    assert [whole.account(each)["userName"] for each in (one, two)] == ["aside@x.example", "a@x.example"]
    whole.change(one, email="b@x.example")
    await whole.sync()
    assert whole.differences() == []
    assert {whole.account(one)["id"], whole.account(two)["id"]} == {account["id"] for account in before}


async def test_an_address_that_is_handed_on_follows_by_itself(whole: Whole) -> None:
    one = whole.hire(first_name="a", last_name="First", email="info@x.example")
    await whole.sync()
    whole.change(one, email="a@x.example")
    two = whole.hire(first_name="b", last_name="Second", email="info@x.example")
    await whole.sync()
    assert [whole.account(each)["userName"] for each in (one, two)] == ["a@x.example", "info@x.example"]
    assert whole.differences() == []


async def test_an_account_that_was_there_before_is_taken_over_and_a_foreign_one_is_left_alone(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace", email="ada@x.example")
    eve = whole.hire(first_name="Eve", last_name="Else", email="eve@x.example")
    made = []
    for address, external_id in (("ada@x.example", None), ("eve@x.example", "another system's")):
        body = {"userName": address, "emails": [{"value": address}], "name": {"givenName": "X", "familyName": "Y"}}
        body |= {"externalId": external_id} if external_id else {}
        made.append(whole.declaree.registry.create("User", body, whole.declaree.behaviour))
    await whole.sync()
    assert (whole.account(ada)["id"], last(whole, ada)) == (made[0].id, Outcome.LINKED)
    assert whole.declaree.directory.users[made[1].id] == made[1]
    assert (last(whole, eve), whole.accounts_of(eve)) == (Outcome.REJECTED, [])


# ---------------------------------------------------------------- data that does not fit


async def test_who_has_no_email_is_rejected_with_what_to_do_and_arrives_once_there_is_one(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    whole.change(ada, email="")
    await whole.sync()
    (outcome,) = whole.outcomes(ada)
    assert (outcome.outcome, outcome.field) == (Outcome.REJECTED, "email")
    assert "enter one in Personio" in (outcome.reason or "")
    whole.change(ada, email="ada@x.example")
    await whole.sync()
    assert whole.differences() == []


async def test_an_attribute_that_is_no_longer_released_clears_nothing(whole: Whole) -> None:
    await whole.sync()
    before = dict(whole.declaree.directory.users)
    released(whole.personio, frozenset({"first_name", "last_name", "email", "status"}))
    run = await whole.sync()
    assert (run.counts.changed, "supervisor.id" in run.unreleased) == (0, True)
    assert whole.declaree.directory.users == before


async def test_a_minimum_attribute_that_is_not_released_stops_the_poll_and_is_named(whole: Whole) -> None:
    released(whole.personio, frozenset({"first_name", "last_name", "email"}))
    run = await whole.sync()
    assert run.state is RunState.FAILED
    assert "does not release: status" in (run.error or "")
    assert whole.topics.of(Topic.EMPLOYEES_CHANGED) == []


async def test_who_vanished_from_personio_is_reported_and_keeps_the_account(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    await whole.sync()
    whole.personio.company.delete(ada, whole.personio.now())
    run = await whole.sync()
    assert run.counts.missing == 1
    assert whole.account(ada)["active"]
    missing = (await whole.store.snapshots.read(whole.connection, [EmployeeId(str(ada))]))[EmployeeId(str(ada))]
    assert missing.missing_since is not None


@pytest.mark.parametrize("topic", [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED])
@pytest.mark.parametrize("value", [b"\xff not json", b"{}", b"", None])
async def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_holds_nobody(
    whole: Whole, topic: Topic, value: bytes | None
) -> None:
    key = f"{whole.connection}/7".encode()
    whole.topics.append(Record(topic, key, value), headers=[("ce_cause", None), ("odd", b"\xff")])
    await whole.sync()
    (letter,) = whole.topics.of(Topic.DEAD_LETTERS)
    assert (letter.key, letter.value) == (key, value)
    found = DeadLetter.from_headers(letter.headers)
    assert (found.topic, found.offset) == (topic, 0)
    assert whole.differences() == []


# ---------------------------------------------------------------- trouble


async def test_people_wait_out_an_outage_and_arrive_without_a_command(whole: Whole) -> None:
    whole.declaree.faults.outage = True
    await whole.sync()
    active = sum(person.status == "active" for person in whole.personio.company.listed())
    assert await whole.store.accounts.waiting_connections() == {whole.connection: active}
    assert await whole.balance() >= active
    whole.declaree.faults.outage = False
    await whole.look_after_the_waiting()
    assert whole.differences() == []
    assert (await whole.balance(), await whole.store.accounts.waiting_connections()) == (0, {})


async def test_with_a_wrong_key_everybody_waits_and_arrives_after_it_is_corrected(whole: Whole) -> None:
    whole.declaree.regenerate_key("new-key")
    await whole.sync()
    assert whole.declaree.directory.users == {}
    assert not any(outcome.outcome is Outcome.REJECTED for person in whole.personio.company.listed()
                   for outcome in whole.outcomes(person.id))  # fmt: skip
    whole.declaree.regenerate_key(KEY)
    await whole.look_after_the_waiting()
    assert whole.differences() == []


async def test_a_wrong_personio_secret_is_said_and_sends_nothing(whole: Whole) -> None:
    whole.personio.credentials.rotate("demo-client", "another-secret")
    run = await whole.sync()
    assert run.state is RunState.FAILED
    assert "refuses the client_id and client_secret" in (run.error or "")
    assert whole.topics.of(Topic.EMPLOYEES_CHANGED) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=429, retry_after=2, rate=0.2, count=None),
        Fault(kind="status", status=503, rate=0.2, count=None),
        Fault(kind="status", status=500, rate=0.2, count=None, after_commit=True),
        Fault(kind="status", status=502, rate=0.2, count=None, after_commit=True, body="html"),
        Fault(kind="login_page", rate=0.2, count=None, after_commit=True),
        Fault(kind="status", method="POST", status=504, rate=0.5, count=None, after_commit=True, body="empty"),
    ],
    ids=lambda fault: f"{fault.status}-{fault.kind}{'-after-commit' if fault.after_commit else ''}",
)
async def test_a_server_that_fails_now_and_then_ends_in_exact_accounts(whole: Whole, fault: Fault) -> None:
    whole.declaree.faults.order(fault)
    await whole.sync()
    for _ in range(3):
        await whole.look_after_the_waiting()
    whole.declaree.faults.clear()
    await whole.look_after_the_waiting()
    await whole.look_after_the_waiting()
    assert whole.differences() == []
    assert (await whole.balance(), await whole.store.accounts.waiting_connections()) == (0, {})


async def test_an_account_that_was_deleted_by_hand_is_made_again_with_the_next_change(whole: Whole) -> None:
    ada = whole.hire(first_name="Ada", last_name="Lovelace")
    await whole.sync()
    whole.declaree.directory.delete(whole.declaree.registry.get("User", whole.account(ada)["id"]))
    whole.change(ada, last_name="King")
    await whole.sync()
    assert whole.differences() == []


async def test_a_paused_connection_lets_what_is_on_its_way_arrive(whole: Whole) -> None:
    await whole.work.poll(whole.connection)
    await admin.pause(whole.store, whole.connection)
    await whole.settle()
    assert whole.differences() == []
