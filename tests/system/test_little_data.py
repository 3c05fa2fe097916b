"""Only what a mapping reads leaves Personio, and what it no longer reads is gone after one poll."""

import pytest

from sandbox.personio.catalogue import NOTES, TITLE
from services.admin.mapping import versions as mappings
from services.admin.people import find_people_needing_attention
from services.contracts.cloudevents import read_event
from services.contracts.events import EmployeeChanged
from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.topics import Topic
from tests.system.pipeline import Pipeline, set_visible_attributes

pytestmark = pytest.mark.mongo

VISIBLE = frozenset({"first_name", "last_name", "email", "status", "supervisor"})
MARKER = "Freifrau zu Bergen"
"""A value that occurs once."""


async def publish(pipeline: Pipeline, **rules: str) -> None:
    """Publishes the default mapping with rules for further fields, each with an attribute, and settles what follows."""
    further = (
        Rule(target=target, source=AttributeSource(attribute=key), on_missing="clear") for target, key in rules.items()
    )
    mapping = MappingDocument(rules=(*default_mapping().rules, *further))
    await mappings.publish(pipeline.store, pipeline.clock, pipeline.connection, mapping, by="ada", dropped="leave")
    pipeline.clock.seconds += 60
    await pipeline.settle()


async def find_in_mongodb(pipeline: Pipeline, text: str) -> list[str]:
    """Returns the collections with a document that contains the text."""
    database = pipeline.store._database
    names = await database.list_collection_names()
    return [name for name in names if text in str(await database[name].find().to_list(None))]


def list_events(pipeline: Pipeline) -> list[EmployeeChanged]:
    """Returns all published changes, in order."""
    records = pipeline.topics.list_records(Topic.EMPLOYEES_CHANGED)
    return [read_event(EmployeeChanged, record.value) for record in records]


@pytest.mark.promise("P11")
async def test_unmapped_attributes_are_nowhere(pipeline: Pipeline) -> None:
    """The credential may read everything, and the default mapping reads five attributes."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{NOTES: MARKER})

    await pipeline.sync()

    assert pipeline.find_differences() == []
    assert await find_in_mongodb(pipeline, MARKER) == []
    assert {key for event in list_events(pipeline) for key in event.attributes} == {
        *VISIBLE - {"supervisor"},
        "supervisor.id",
        "hire_date",
    }


async def test_further_attribute_reaches_all_accounts_at_once(pipeline: Pipeline) -> None:
    """Publishing polls Personio for it, and then resends all employees."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: MARKER})
    await pipeline.sync()

    await publish(pipeline, title=TITLE)

    assert pipeline.get_account(employee)["title"] == MARKER
    assert await pipeline.count_balance() == 0


@pytest.mark.promise("P6")
@pytest.mark.promise("P11")
@pytest.mark.parametrize("is_unmapped", [True, False], ids=["no longer mapped", "no longer visible"])
async def test_value_is_gone_after_one_poll_and_its_field_stays(pipeline: Pipeline, is_unmapped: bool) -> None:
    """The rule would clear the field of an empty value, and this value is unknown."""
    employee = pipeline.hire(status="active")
    pipeline.change(employee, **{TITLE: MARKER})
    await publish(pipeline, title=TITLE)
    await pipeline.sync()
    assert await find_in_mongodb(pipeline, MARKER) == ["snapshots"]
    before = list_events(pipeline)

    if is_unmapped:
        await publish(pipeline)
        published = len(list_events(pipeline))
    else:
        set_visible_attributes(pipeline.personio, VISIBLE)
        published = len(before)
    run = await pipeline.sync()

    assert run.counts.changed == 0
    assert len(list_events(pipeline)) == published
    assert await find_in_mongodb(pipeline, MARKER) == []

    pipeline.change(employee, first_name="Eva")
    await pipeline.sync()

    visible = {*VISIBLE - {"supervisor"}, "supervisor.id", *({"hire_date"} if is_unmapped else ())}
    assert list_events(pipeline)[-1].attributes.keys() == visible
    account = pipeline.get_account(employee)
    assert account["name"]["givenName"] == "Eva"
    assert account["title"] == MARKER


@pytest.mark.promise("P9")
@pytest.mark.parametrize("is_mapped", [True, False], ids=["mapped", "not mapped"])
async def test_leaver_with_a_huge_text_is_disabled(pipeline: Pipeline, is_mapped: bool) -> None:
    """The text does not fit into an event. A mapped one is reported, and every other field is written."""
    leaver, other = pipeline.hire(status="active"), pipeline.hire(status="active")
    await publish(pipeline, **({"title": NOTES} if is_mapped else {}))
    await pipeline.sync()
    huge = {NOTES: "x" * 1_200_000}

    pipeline.change(leaver, status="inactive", **huge)
    pipeline.change(other, first_name="Eva", **huge)
    run = await pipeline.sync()

    assert pipeline.get_account(leaver)["active"] is False
    assert pipeline.get_account(other)["name"]["givenName"] == "Eva"
    assert run.counts.oversized == (2 if is_mapped else 0)
    people = find_people_needing_attention(pipeline.store, pipeline.connection)
    reported = {person.employee: person.reason async for person in people if person.state == "oversized"}
    assert reported.keys() == ({str(leaver), str(other)} if is_mapped else set())
    assert all(NOTES in reason for reason in reported.values())
    assert await pipeline.count_balance() == 0
