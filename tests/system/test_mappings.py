"""Versions of a mapping, from publishing to the accounts: expressions, withdrawn values, roll backs, and many cost centres."""

from typing import Any, Literal

import pytest

from sandbox.personio.catalogue import TITLE
from services.admin import connections as admin_connections
from services.admin.mapping import versions as mappings
from services.admin.mapping.explain import Explanation, build_explanation, build_past_explanation
from services.admin.mapping.history import EmployeeHistory, SettledChange
from services.admin.preview.recorded import RecordedTally
from services.contracts.cloudevents import SendReason, read_event, to_record
from services.contracts.events import AccountRequested, EmployeeChanged
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.mappings import (
    MANAGER,
    AttributeSource,
    Condition,
    ExpressionSource,
    MappingDocument,
    Rule,
    Scope,
    default_mapping,
)
from services.contracts.outcomes import Intent
from services.contracts.targets import ENTERPRISE
from services.contracts.topics import Topic
from services.contracts.transforms import Join, Upper
from services.provisioning.calls import Resource
from services.runtime.kafka.replay import RecordedRecord
from tests.system.pipeline import Pipeline

pytestmark = pytest.mark.mongo

COST_CENTER = f"{ENTERPRISE}:costCenter"
JOB = Rule(target="title", source=AttributeSource(attribute=TITLE))


def extend(*rules: Rule, **more: Any) -> MappingDocument:
    """Returns the default mapping with further rules."""
    return MappingDocument(rules=(*default_mapping().rules, *rules), **more)


async def publish(
    pipeline: Pipeline, mapping: MappingDocument, dropped: Literal["leave", "clear"] | None = None
) -> None:
    """Publishes a mapping, and settles what follows."""
    await mappings.publish(pipeline.store, pipeline.clock, pipeline.connection, mapping, by="ada", dropped=dropped)
    pipeline.clock.seconds += 60
    await pipeline.settle()


def get_cost_center(account: dict[str, Any]) -> object:
    """Returns the cost centre of an account."""
    return account.get(ENTERPRISE, {}).get("costCenter")


async def test_expressions_and_conditions_reach_the_accounts(pipeline: Pipeline) -> None:
    """An empty attribute is a value; a condition that does not fit leaves the field."""
    first, second = (pipeline.hire(status="active") for _ in range(2))
    pipeline.change(first, **{TITLE: "Cook", "first_name": "Ada", "last_name": "Blum"})
    pipeline.change(second, **{TITLE: None, "first_name": "Ben", "last_name": "Zorn"})
    await pipeline.sync()

    await publish(
        pipeline,
        extend(
            Rule(target="displayName", source=ExpressionSource(expression=f'{TITLE} + " " + last_name')),
            Rule(
                target="title",
                source=ExpressionSource(expression="first_name"),
                when=Condition(expression=f"has({TITLE})"),
                transforms=(Upper(),),
            ),
        ),
    )

    accounts = [pipeline.get_account(employee) for employee in (first, second)]
    assert [account["displayName"] for account in accounts] == ["Cook Blum", "Zorn"]
    assert [account.get("title") for account in accounts] == ["ADA", None]


async def test_withdrawn_value_is_cleared_unless_it_was_changed(pipeline: Pipeline) -> None:
    """Of two accounts with a title from Personio, one has got another title in Declaree since."""
    ours, changed = (pipeline.hire(status="active") for _ in range(2))
    for employee in (ours, changed):
        pipeline.change(employee, **{TITLE: "Cook"})
    await pipeline.sync()
    await publish(pipeline, extend(JOB))
    (entry,) = [one for one in pipeline.declaree.directory.users.values() if one.resource["externalId"] == str(changed)]
    entry.resource["title"] = "Chef"

    await publish(pipeline, default_mapping(), "clear")

    assert pipeline.get_account(ours).get("title") is None
    assert pipeline.get_account(changed)["title"] == "Chef"


async def test_left_value_stays(pipeline: Pipeline) -> None:
    """The field belongs to Declaree from then on."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: "Cook"})
    await pipeline.sync()
    await publish(pipeline, extend(JOB))

    await publish(pipeline, default_mapping(), "leave")

    assert pipeline.get_account(employee)["title"] == "Cook"


@pytest.mark.promise("W23")
async def test_paused_connection_writes_nothing_that_is_published(pipeline: Pipeline) -> None:
    """Neither a new mapping nor the departure of an employee; both are written when the connection is resumed."""
    employee, leaver = pipeline.hire(status="active"), pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: "Cook"})
    await pipeline.sync()
    await admin_connections.pause(pipeline.store, pipeline.connection)
    pipeline.clear_journal()
    pipeline.change(leaver, status="inactive")
    await publish(pipeline, extend(JOB))
    await pipeline.sync()

    assert pipeline.list_requests() == []

    await admin_connections.resume(pipeline.store, pipeline.connection)
    await pipeline.sync()
    await pipeline.wake_up_waiting()

    assert pipeline.get_account(employee)["title"] == "Cook"
    assert pipeline.get_account(leaver)["active"] is False


async def test_roll_back_gives_the_earlier_accounts(pipeline: Pipeline) -> None:
    """The content of version 1 under a higher number: what version 2 wrote is gone."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: "Cook"})
    await pipeline.sync()
    before = pipeline.get_account(employee).copy()
    first = await mappings.get_version(pipeline.store, pipeline.connection, 1)
    await publish(pipeline, extend(JOB))

    await publish(pipeline, first.mapping, "clear")

    account = pipeline.get_account(employee)
    assert {key: value for key, value in account.items() if key != "meta"} == {
        key: value for key, value in before.items() if key != "meta"
    }


async def test_scope_decides_about_accounts(pipeline: Pipeline) -> None:
    """Other employees get none, and existing accounts are disabled only if the mapping says so."""
    inside, outside = pipeline.hire(status="active"), pipeline.hire(status="active")
    pipeline.change(inside, **{TITLE: "Cook"})
    pipeline.change(outside, **{TITLE: "Pilot"})
    await pipeline.sync()
    only = f'{TITLE} != "Pilot"'

    await publish(pipeline, extend(scope=Scope(only=only)))
    ignored = pipeline.get_account(outside)["active"]
    await publish(pipeline, extend(scope=Scope(only=only, otherwise="disable")))

    assert ignored is True
    assert pipeline.get_account(inside)["active"] is True
    assert pipeline.get_account(outside)["active"] is False


@pytest.mark.parametrize(
    ("source", "transforms", "expected"),
    [
        (AttributeSource(attribute="cost_centers.name", largest_by="cost_centers.percentage"), (), "4712 IT"),
        (AttributeSource(attribute="cost_centers.name"), (Join(separator="; "),), "4711 Sales; 4712 IT"),
        (ExpressionSource(expression="cost_centers.name[0].substring(0, 4)"), (), "4711"),
    ],
)
async def test_cost_centre_of_an_employee_with_several(
    pipeline: Pipeline, source: Any, transforms: Any, expected: str
) -> None:
    """Declaree's field has one value, and Personio's attribute has a list."""
    several, none = pipeline.hire(status="active"), pipeline.hire(status="active")
    units = pipeline.personio.company.units
    sales, it = (units.add("cost_centers", name).id for name in ("4711 Sales", "4712 IT"))
    pipeline.change(several, cost_centers=[[sales, 40], [it, 60]])
    pipeline.change(none, cost_centers=[])
    await pipeline.sync()

    await publish(pipeline, extend(Rule(target=COST_CENTER, source=source, transforms=transforms)))

    assert get_cost_center(pipeline.get_account(several)) == expected
    assert get_cost_center(pipeline.get_account(none)) is None
    assert await pipeline.count_balance() == 0


async def explain(pipeline: Pipeline, employee: int) -> Explanation:
    """Returns the explanation of an employee, with the account as the sandbox holds it."""
    key = EmployeeId(str(employee))
    published = await mappings.get_published(pipeline.store, pipeline.connection)
    snapshots = await pipeline.store.snapshots.read(pipeline.connection, [key])
    entry = await pipeline.store.ledger.get(PersonKey(pipeline.connection, key))
    account = pipeline.get_account(employee)
    return build_explanation(published, snapshots[key].to_event(), entry, Resource(AccountId(account["id"]), account))


async def check_explanations(pipeline: Pipeline) -> int:
    """Compares the value of each explained field with each account. Returns the number of compared fields."""
    compared = 0
    for key in sorted(employee.id for employee in pipeline.personio.company.list_employees()):
        if not pipeline.find_accounts(key):
            continue
        explanation = await explain(pipeline, key)
        for field in explanation.fields:
            one = field.explanation
            if explanation.intent is Intent.PROVISION and one.is_written and one.target != MANAGER:
                assert field.held == one.value, f"employee {key}, {one.target}"
                compared += 1
    return compared


@pytest.mark.promise("P8")
async def test_explanations_give_the_values_of_the_accounts(pipeline: Pipeline) -> None:
    """For each field of each account: after the first version, a second one, and a roll back."""
    await pipeline.sync()
    numbers = [await check_explanations(pipeline)]
    first = await mappings.get_version(pipeline.store, pipeline.connection, 1)
    for mapping in (
        extend(JOB, Rule(target="displayName", source=ExpressionSource(expression="last_name"))),
        first.mapping,
    ):
        await publish(pipeline, mapping, "clear")
        numbers.append(await check_explanations(pipeline))

    assert numbers[0] > 60
    assert numbers[1] > numbers[0]
    assert numbers[2] == numbers[0]


async def test_explanations_hold_after_a_replay(pipeline: Pipeline) -> None:
    """Every recorded change is sent again, the oldest ones included: the accounts and their explanations stay as they are."""
    await pipeline.sync()
    employee = pipeline.hire(status="active")
    for title in ("Cook", "Pilot"):
        pipeline.change(employee, **{TITLE: title})
        await pipeline.sync()
    await publish(pipeline, extend(JOB))
    compared = await check_explanations(pipeline)

    for record in pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED):
        change = read_event(EmployeeChanged, record.value)
        pipeline.topics.append(to_record(change, SendReason.REPLAYED))
    await pipeline.settle()

    assert await check_explanations(pipeline) == compared
    assert pipeline.get_account(employee)["title"] == "Pilot"


async def test_refused_field_is_explained(pipeline: Pipeline) -> None:
    """The explanation has the value that was asked for, why Declaree refused it, and what the account has instead."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: "Cook"})
    behaviour = pipeline.declaree.behaviour.model_copy(update={"refused_attributes": ("title",)})
    pipeline.declaree.behaviour = behaviour
    await pipeline.sync()
    await publish(pipeline, extend(JOB))

    (title,) = [field for field in (await explain(pipeline, employee)).fields if field.explanation.target == "title"]

    assert title.explanation.value == "Cook"
    assert title.held is None
    assert title.refused is not None
    newest = read_past(pipeline, PersonKey(pipeline.connection, EmployeeId(str(employee))))[0]
    past = {field.explanation.target: field for field in (await explain_settled(pipeline, newest)).fields}
    assert past["title"].explanation.value == "Cook"
    assert "title" in str(past["title"].refused)


@pytest.mark.promise("P8")
async def test_past_changes_are_explained_exactly(pipeline: Pipeline) -> None:
    """For each settled change that is recorded, the explanation gives the fields that the writer was asked to write."""
    await pipeline.sync()
    employee = pipeline.hire(status="active")
    for title in ("Cook", "Pilot"):
        pipeline.change(employee, **{TITLE: title})
        await pipeline.sync()
    await publish(pipeline, extend(JOB))
    pipeline.change(employee, **{TITLE: "Judge"})
    await pipeline.sync()
    await publish(pipeline, default_mapping(), "clear")
    requested = {
        (request.person, request.version): request
        for record in pipeline.topics.list_records(Topic.ACCOUNTS_REQUESTED)
        for request in [read_event(AccountRequested, record.value)]
    }

    explained = [
        (one, explanation)
        for person in {person for person, _ in requested}
        for one in read_past(pipeline, person)
        for explanation in [await explain_settled(pipeline, one)]
    ]

    assert len(explained) == len(requested)
    assert {explanation.mapping_version for _, explanation in explained} == {1, 2, 3}
    for one, explanation in explained:
        request = requested[one.outcome.person, one.outcome.version]
        assert explanation.intent is request.intent
        assert read_values(explanation) == read_desired(request)


async def test_recorded_changes_are_judged_as_the_mapper_then_does(pipeline: Pipeline) -> None:
    """A preview over recorded changes counts the requests that differ after the mapping was published."""
    await pipeline.sync()
    pipeline.change(pipeline.hire(status="active"), **{TITLE: "Cook"})
    await pipeline.sync()
    display_name = Rule(target="displayName", source=AttributeSource(attribute="last_name"))
    draft = extend(display_name, JOB, scope=Scope(only='last_name < "M"', otherwise="disable"))
    tally = RecordedTally(
        pipeline.connection,
        await mappings.get_published(pipeline.store, pipeline.connection),
        draft,
        pipeline.clock.now(),
    )
    tally.add(list_records(pipeline, Topic.EMPLOYEES_CHANGED))
    before = read_newest(pipeline)

    await publish(pipeline, draft)

    after, preview = read_newest(pipeline), tally.build()
    others = [person for person in before if before[person].intent is not after[person].intent]
    assert preview.changes == len(before) == len(after)
    assert sum(one.changes for one in preview.intents) == len(others) > 0
    assert {one.draft for one in preview.intents} == {after[person].intent for person in others}
    assert preview.fields["displayName"] == sum("displayName" in read_desired(one) for one in after.values()) > 0
    assert preview.unrecorded == (TITLE,)


def read_newest(pipeline: Pipeline) -> dict[PersonKey, AccountRequested]:
    """Returns the newest request of each employee."""
    requests = [
        read_event(AccountRequested, one.value) for one in pipeline.topics.list_records(Topic.ACCOUNTS_REQUESTED)
    ]
    return {request.person: request for request in sorted(requests, key=lambda request: request.version)}


def list_records(pipeline: Pipeline, topic: Topic) -> list[RecordedRecord]:
    """Returns the records of a topic as a reader without a group gets them."""
    return [
        RecordedRecord(one.partition, one.offset, one.timestamp, one.key, one.value, one.headers)
        for one in pipeline.topics.list_records(topic)
    ]


def read_past(pipeline: Pipeline, person: PersonKey) -> tuple[SettledChange, ...]:
    """Returns the settled changes of an employee, from the topics in memory."""
    history = EmployeeHistory(person, pipeline.clock.now())
    for topic, add in (
        (Topic.EMPLOYEES_CHANGED, history.add_changes),
        (Topic.ACCOUNT_OUTCOMES, history.add_outcomes),
    ):
        add(topic.value, [record for record in list_records(pipeline, topic) if record.key == bytes(person)])
    return history.settled


async def explain_settled(pipeline: Pipeline, settled: SettledChange) -> Explanation:
    """Returns the explanation of a settled change, with the version of the mapping that it was settled with."""
    version = settled.outcome.mapping_version
    return build_past_explanation(await mappings.get_version(pipeline.store, pipeline.connection, version), settled)


def read_values(explanation: Explanation) -> dict[str, Any]:
    """Returns the values that an explanation gives, by path; none for an employee without an account."""
    if explanation.intent is not Intent.PROVISION:
        return {}
    return {
        one.target: one.value
        for one in (field.explanation for field in explanation.fields)
        if one.is_written and one.target != MANAGER
    }


def read_desired(request: AccountRequested) -> dict[str, Any]:
    """Returns the values that the writer was asked to write, by path."""
    desired = request.desired
    return {} if desired is None else {"userName": desired.user_name, **desired.fields}


async def test_explanation_of_a_settled_employee_says_so(pipeline: Pipeline) -> None:
    """Before the next version has reached the employee, the outcome is that of an earlier one."""
    employee = pipeline.hire(status="active")
    await pipeline.sync()
    settled = await explain(pipeline, employee)
    await mappings.publish(pipeline.store, pipeline.clock, pipeline.connection, extend(JOB), by="ada")

    outdated = await explain(pipeline, employee)

    assert settled.is_settled
    assert not outdated.is_settled
    assert [field.explanation.unknown for field in outdated.fields if field.explanation.target == "title"] == [(TITLE,)]
