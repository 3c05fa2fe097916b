"""From Personio to Declaree: every change of an employee reaches the account, exactly once."""

import pytest

from sandbox.declaree.faults import Fault
from services.admin import connections as admin
from services.admin import links
from services.contracts.claims import Decision
from services.contracts.cloudevents import Record
from services.contracts.dead_letters import DeadLetter
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.runs import RunState
from services.contracts.topics import Topic
from tests.system.pipeline import KEY, Pipeline, set_visible_attributes

pytestmark = pytest.mark.mongo

NEXT_CENTURY = "2101-01-01T00:00:00+01:00"
"""A hire date that keeps the sandbox from activating the employee."""
LAST_WEEK = "2026-03-02T00:00:00+01:00"
"""A hire date that has passed."""


def find_last_outcome(pipeline: Pipeline, employee: int) -> Outcome:
    return pipeline.list_outcomes(employee)[-1].outcome


# ---------------------------------------------------------------- rest


async def test_first_sync_makes_exact_accounts_and_comes_to_rest(pipeline: Pipeline) -> None:
    """Every active employee gets an exact account, and a second poll publishes nothing."""
    run = await pipeline.sync()

    assert run.state == RunState.SUCCEEDED
    assert run.counts.seen == len(pipeline.personio.company)
    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0

    sent = len(pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED))
    pipeline.clear_journal()
    run = await pipeline.sync()

    assert run.counts.unchanged == run.counts.seen
    assert run.counts.emitted == 0
    assert len(pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED)) == sent
    assert pipeline.list_requests() == []


async def test_first_sync_writes_every_account_once(pipeline: Pipeline) -> None:
    """Managers come before their reports, so a first import needs one write for each account."""
    await pipeline.sync()
    writes = [request for request in pipeline.list_requests() if request[0] != "GET"]

    assert writes == [("POST", "/Users")] * len(pipeline.declaree.directory.users)


@pytest.mark.parametrize("topic", [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED])
@pytest.mark.promise("P2")
@pytest.mark.promise("P3")
async def test_redelivered_events_cause_no_call(pipeline: Pipeline, topic: Topic) -> None:
    """Delivering every event again makes no call and changes no account."""
    await pipeline.sync()
    worker = next(person for person in pipeline.personio.company.list_employees() if person.status == "active")
    pipeline.change(worker.id, last_name="Neumann")
    await pipeline.sync()
    before = dict(pipeline.declaree.directory.users)
    pipeline.clear_journal()
    for record in pipeline.topics.list_records(topic):
        pipeline.topics.append(Record(topic, record.key, record.value, record.headers))

    await pipeline.settle()

    assert pipeline.list_requests() == []
    assert pipeline.declaree.directory.users == before
    assert Outcome.SUPERSEDED in {outcome.outcome for outcome in pipeline.list_outcomes(worker.id)}
    assert await pipeline.count_balance() == 0


@pytest.mark.promise("P3")
async def test_rewound_groups_cause_no_call(pipeline: Pipeline) -> None:
    """Both consumer groups can start from the beginning without a request to Declaree."""
    await pipeline.sync()
    pipeline.clear_journal()
    pipeline.topics.rewind("mapper", Topic.EMPLOYEES_CHANGED)
    pipeline.topics.rewind("writer", Topic.ACCOUNTS_REQUESTED)

    await pipeline.settle()

    assert pipeline.list_requests() == []


@pytest.mark.promise("P4")
async def test_lost_ledger_is_rebuilt_without_second_accounts(pipeline: Pipeline) -> None:
    """A rebuilt ledger finds the accounts by their external ids and only reads."""
    await pipeline.sync()
    before = dict(pipeline.declaree.directory.users)
    await pipeline.delete_ledger()
    pipeline.clear_journal()
    pipeline.topics.rewind("mapper", Topic.EMPLOYEES_CHANGED)

    await pipeline.settle()

    assert pipeline.declaree.directory.users == before
    assert {method for method, _ in pipeline.list_requests()} == {"GET"}
    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0


# ---------------------------------------------------------------- hire, rename, terminate, rehire


@pytest.mark.promise("P4")
@pytest.mark.promise("P9")
async def test_hire_rename_leave_and_return_keep_one_account(pipeline: Pipeline) -> None:
    """One employee keeps one account through the whole life cycle."""
    await pipeline.sync()
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()

    hired = pipeline.get_account(ada)

    assert hired["name"]["familyName"] == "Lovelace"
    assert hired["active"] is True
    assert find_last_outcome(pipeline, ada) == Outcome.CREATED

    pipeline.change(ada, last_name="King", email="ada.king@nordlicht.example")
    await pipeline.sync()
    renamed = pipeline.get_account(ada)

    assert renamed["id"] == hired["id"]
    assert renamed["userName"] == "ada.king@nordlicht.example"
    assert [email["value"] for email in renamed["emails"]] == ["ada.king@nordlicht.example"]
    assert find_last_outcome(pipeline, ada) is Outcome.UPDATED

    pipeline.change(ada, status="inactive", last_name="never sent")
    await pipeline.sync()

    assert pipeline.get_account(ada) == renamed | {"active": False}
    assert find_last_outcome(pipeline, ada) is Outcome.DISABLED

    pipeline.change(ada, status="active", last_name="King")
    await pipeline.sync()

    assert pipeline.get_account(ada) == renamed
    assert [outcome.outcome for outcome in pipeline.list_outcomes(ada)] == [
        Outcome.CREATED, Outcome.UPDATED, Outcome.DISABLED, Outcome.ENABLED,
    ]  # fmt: skip
    assert pipeline.find_differences() == []


async def test_leave_and_unknown_status_leave_account_unchanged(pipeline: Pipeline) -> None:
    """An employee on leave or with an unknown status is out of scope."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()
    before = pipeline.get_account(ada)
    for status in ("leave", "sabbatical", None):
        pipeline.change(ada, status=status, last_name=f"On {status}")
        await pipeline.sync()
        assert pipeline.get_account(ada) == before
        assert find_last_outcome(pipeline, ada) is Outcome.OUT_OF_SCOPE


async def test_onboarding_employee_gets_account_once_active(pipeline: Pipeline) -> None:
    """An onboarding employee gets an account when the status becomes active."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", status="onboarding", hire_date=NEXT_CENTURY)
    await pipeline.sync()

    assert pipeline.find_accounts(ada) == []

    pipeline.change(ada, status="active", hire_date=LAST_WEEK)
    await pipeline.sync()

    assert pipeline.get_account(ada)["active"]


async def test_two_changes_between_polls_arrive_as_one(pipeline: Pipeline) -> None:
    """The poller sees states, so two changes between two polls make one write."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()
    pipeline.clear_journal()
    pipeline.change(ada, last_name="King")
    pipeline.change(ada, first_name="Augusta")

    await pipeline.sync()

    assert pipeline.get_account(ada)["name"] == {"givenName": "Augusta", "familyName": "King"}
    assert [method for method, _ in pipeline.list_requests()].count("PATCH") == 1


# ---------------------------------------------------------------- supervisors


async def test_later_supervisor_completes_the_reports(
    pipeline: Pipeline,
) -> None:
    """Reports get their manager as soon as the manager's account exists."""
    chief = pipeline.hire(first_name="Charles", last_name="Babbage", status="onboarding", hire_date=NEXT_CENTURY)
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", supervisor=chief)

    await pipeline.sync()

    assert pipeline.get_manager(ada) is None
    assert pipeline.find_accounts(chief) == []

    pipeline.change(chief, status="active", hire_date=LAST_WEEK)
    await pipeline.sync()

    assert pipeline.get_manager(ada) == pipeline.get_account(chief)["id"]
    assert pipeline.find_differences() == []


async def test_new_supervisor_without_account_keeps_the_old_one(pipeline: Pipeline) -> None:
    """The old manager stays until the new manager has an account."""
    old = pipeline.hire(first_name="Charles", last_name="Babbage")
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", supervisor=old)
    new = pipeline.hire(first_name="Mary", last_name="Somerville", status="onboarding", hire_date=NEXT_CENTURY)
    await pipeline.sync()
    pipeline.change(ada, supervisor=new)

    await pipeline.sync()

    assert pipeline.get_manager(ada) == pipeline.get_account(old)["id"]

    pipeline.change(new, status="active", hire_date=LAST_WEEK)
    await pipeline.sync()

    assert pipeline.get_manager(ada) == pipeline.get_account(new)["id"]


async def test_removed_supervisor_clears_the_manager(pipeline: Pipeline) -> None:
    """An employee without a supervisor has no manager in Declaree."""
    chief = pipeline.hire(first_name="Charles", last_name="Babbage")
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", supervisor=chief)

    await pipeline.sync()

    assert pipeline.get_manager(ada)

    pipeline.change(ada, supervisor=None)
    await pipeline.sync()

    assert pipeline.get_manager(ada) is None


# ---------------------------------------------------------------- addresses


async def test_exchanged_addresses_are_both_written(pipeline: Pipeline) -> None:
    """One of the two accounts steps aside to a temporary address, so that both employees get the other's address."""
    one, two = (pipeline.hire(first_name=name, last_name="Swap", email=f"{name}@x.example") for name in ("a", "b"))
    await pipeline.sync()
    before = [pipeline.get_account(each)["id"] for each in (one, two)]
    pipeline.change(one, email="aside@x.example")
    pipeline.change(two, email="a@x.example")
    pipeline.change(one, email="b@x.example")

    await pipeline.sync()
    await pipeline.wake_up_waiting()

    assert pipeline.find_differences() == []
    assert [pipeline.get_account(each)["userName"] for each in (one, two)] == ["b@x.example", "a@x.example"]
    assert [pipeline.get_account(each)["id"] for each in (one, two)] == before
    assert await pipeline.count_balance() == 0


async def test_address_handed_on_follows_automatically(pipeline: Pipeline) -> None:
    """An address that one employee gives up can go to another in the same poll."""
    one = pipeline.hire(first_name="a", last_name="First", email="info@x.example")
    await pipeline.sync()
    pipeline.change(one, email="a@x.example")
    two = pipeline.hire(first_name="b", last_name="Second", email="info@x.example")

    await pipeline.sync()

    assert [pipeline.get_account(each)["userName"] for each in (one, two)] == ["a@x.example", "info@x.example"]
    assert pipeline.find_differences() == []


@pytest.mark.promise("P5")
async def test_existing_account_is_linked_after_a_decision_only(pipeline: Pipeline) -> None:
    """An account that existed before stays unchanged until an administrator has decided about it."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", email="ada@x.example")
    body = {
        "userName": "ada@x.example",
        "emails": [{"value": "ada@x.example"}],
        "name": {"givenName": "X", "familyName": "Y"},
    }
    made = pipeline.declaree.registry.create("User", body, pipeline.declaree.behaviour)

    await pipeline.sync()

    assert pipeline.declaree.directory.users[made.id] == made
    assert find_last_outcome(pipeline, ada) == Outcome.REJECTED
    assert pipeline.find_accounts(ada) == []

    employee, account = EmployeeId(str(ada)), AccountId(made.id)
    await links.decide(pipeline.store, pipeline.clock, pipeline.connection, employee, account, Decision.LINK)
    await pipeline.settle()

    assert pipeline.get_account(ada)["id"] == made.id
    assert find_last_outcome(pipeline, ada) == Outcome.LINKED
    assert pipeline.find_differences() == []


# ---------------------------------------------------------------- data that does not fit


async def test_missing_email_is_rejected_until_it_is_entered(pipeline: Pipeline) -> None:
    """The rejection names the next step, and the next change resolves it."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    pipeline.change(ada, email="")
    await pipeline.sync()

    (outcome,) = pipeline.list_outcomes(ada)

    assert outcome.outcome == Outcome.REJECTED
    assert outcome.field == "email"
    assert "enter one in Personio" in (outcome.reason or "")

    pipeline.change(ada, email="ada@x.example")
    await pipeline.sync()

    assert pipeline.find_differences() == []


@pytest.mark.promise("P6")
async def test_invisible_attribute_clears_nothing(pipeline: Pipeline) -> None:
    """A changed credential is not a cleared value."""
    await pipeline.sync()
    before = dict(pipeline.declaree.directory.users)
    set_visible_attributes(pipeline.personio, frozenset({"first_name", "last_name", "email", "status"}))

    run = await pipeline.sync()

    assert run.counts.changed == 0
    assert "supervisor.id" in run.invisible
    assert pipeline.declaree.directory.users == before


async def test_missing_required_attribute_fails_the_poll_by_name(pipeline: Pipeline) -> None:
    """Without a required attribute a poll publishes nothing and names the attribute."""
    set_visible_attributes(pipeline.personio, frozenset({"first_name", "last_name", "email"}))
    run = await pipeline.sync()

    assert run.state is RunState.FAILED
    assert "does not release: status" in (run.error or "")
    assert pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED) == []


@pytest.mark.promise("P9")
async def test_deleted_employee_loses_access_after_a_pause(pipeline: Pipeline) -> None:
    """The first poll only reports the employee. A later one, after a second lookup, disables the account."""
    ada, bob = pipeline.hire(first_name="Ada", last_name="Lovelace"), pipeline.hire(first_name="Bob", last_name="Amsel")
    await pipeline.sync()
    pipeline.personio.company.delete(ada, pipeline.personio.now())

    first = await pipeline.sync()
    assert first.counts.absent == 1
    assert pipeline.get_account(ada)["active"]
    pipeline.clock.seconds += 600
    second = await pipeline.sync()

    assert second.counts.removed == 1
    assert not pipeline.get_account(ada)["active"]
    assert pipeline.get_account(bob)["active"]


@pytest.mark.parametrize("topic", [Topic.EMPLOYEES_CHANGED, Topic.ACCOUNTS_REQUESTED])
@pytest.mark.parametrize("value", [b"\xff not json", b"{}", b""])
async def test_unreadable_record_becomes_dead_letter(pipeline: Pipeline, topic: Topic, value: bytes) -> None:
    """An unreadable record becomes a dead letter, and all employees are still synchronised."""
    key = f"{pipeline.connection}/7".encode()
    pipeline.topics.append(Record(topic, key, value), headers=[("ce_cause", None), ("odd", b"\xff")])
    await pipeline.sync()

    (letter,) = pipeline.topics.list_records(Topic.DEAD_LETTERS)

    assert letter.key == key
    assert letter.value == value

    found = DeadLetter.from_headers(letter.headers)

    assert found.topic == topic
    assert found.offset == 0
    assert pipeline.find_differences() == []


# ---------------------------------------------------------------- trouble


@pytest.mark.promise("P1")
async def test_outage_of_declaree_heals_without_a_command(pipeline: Pipeline) -> None:
    """Employees wait during an outage and are resent after it."""
    pipeline.declaree.faults.outage = True
    await pipeline.sync()

    active = sum(person.status == "active" for person in pipeline.personio.company.list_employees())

    assert (await pipeline.store.counters.read_one(pipeline.connection)).waiting >= active
    assert await pipeline.count_balance() >= active

    pipeline.declaree.faults.outage = False
    await pipeline.wake_up_waiting()

    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0
    assert await pipeline.store.counters.count_waiting_by_cause() == {}


async def test_wrong_key_rejects_no_employee(pipeline: Pipeline) -> None:
    """A wrong key makes all employees wait; they are resent after the correction."""
    pipeline.declaree.regenerate_key("new-key")
    await pipeline.sync()

    assert pipeline.declaree.directory.users == {}
    assert not any(outcome.outcome is Outcome.REJECTED for person in pipeline.personio.company.list_employees()
                   for outcome in pipeline.list_outcomes(person.id))  # fmt: skip

    pipeline.declaree.regenerate_key(KEY)
    await pipeline.wake_up_waiting()

    assert pipeline.find_differences() == []


async def test_wrong_personio_secret_is_reported(pipeline: Pipeline) -> None:
    """A wrong secret fails the poll with a message and publishes nothing."""
    pipeline.personio.credentials.rotate("demo-client", "another-secret")
    run = await pipeline.sync()

    assert run.state is RunState.FAILED
    assert "refuses the client_id and client_secret" in (run.error or "")
    assert pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED) == []


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
async def test_intermittent_faults_end_in_exact_accounts(pipeline: Pipeline, fault: Fault) -> None:
    """Lost and failed answers never cause a second or wrong account."""
    pipeline.declaree.faults.order(fault)
    await pipeline.sync()
    for _ in range(3):
        await pipeline.wake_up_waiting()
    pipeline.declaree.faults.clear()
    await pipeline.wake_up_waiting()

    await pipeline.wake_up_waiting()

    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0
    assert await pipeline.store.counters.count_waiting_by_cause() == {}


async def test_deleted_account_is_created_again_on_next_change(pipeline: Pipeline) -> None:
    """An administrator's deletion is repaired with the next change of the employee."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()
    pipeline.declaree.directory.delete(pipeline.declaree.registry.get("User", pipeline.get_account(ada)["id"]))
    pipeline.change(ada, last_name="King")

    await pipeline.sync()

    assert pipeline.find_differences() == []


@pytest.mark.promise("W23")
async def test_changes_published_before_a_pause_wait_until_resumed(pipeline: Pipeline) -> None:
    """None of them is lost: each has the pause as its cause, and is written afterwards."""
    await pipeline.runner.poll(pipeline.connection)
    await admin.pause(pipeline.store, pipeline.connection)

    await pipeline.settle()
    requests, waiting = pipeline.list_requests(), await pipeline.store.counters.count_waiting_by_cause()
    await admin.resume(pipeline.store, pipeline.connection)
    await pipeline.wake_up_waiting()

    assert requests == []
    assert waiting.keys() == {WaitingCause.PAUSED}
    assert pipeline.find_differences() == []
    assert await pipeline.count_balance() == 0
