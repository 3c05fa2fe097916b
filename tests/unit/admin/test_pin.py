"""Pinned employees: what is stored becomes an example that holds, with made-up values on request."""

import pytest

from services.admin.mapping_documents import format_examples, parse_examples
from services.admin.mappings import NoSuchVersionError
from services.admin.pin import ADDRESS, make_up, pin_employee
from services.admin.tasks import UnknownEmployeesError
from services.contracts.connections import Connection
from services.contracts.examples import ExampleDocument, MappingExample
from services.contracts.ids import EmployeeId
from services.contracts.mappings import MappingDocument, default_mapping
from services.contracts.values import Value
from services.mapping.examples import find_failures
from services.store.database import Store
from tests.support.builders import NOW, make_attributes, make_rule, make_snapshot

TITLES = MappingDocument(rules=(*default_mapping().rules, make_rule("title", "position")))
PERSONAL: dict[str, Value] = {"position": "Countess", "dynamic_1": ("a", None), "weekly_working_hours": 39}


async def prepare(store: Store, connection: Connection, attributes: dict[str, Value]) -> None:
    """Stores the mapping, an employee with these attributes, and five others with the same office."""
    await store.mappings.publish(connection.id, TITLES, now=NOW, expected_version=None)
    people = [make_snapshot("7", connection_id=connection.id, attributes=make_attributes(attributes))]
    people += [
        make_snapshot(str(number), connection_id=connection.id, attributes={"office.name": "Kiel"})
        for number in range(20, 24)
    ]
    await store.snapshots.save([(snapshot, None) for snapshot in people])


@pytest.mark.parametrize("is_made_up", [False, True])
async def test_pinned_employee_is_an_example_that_holds(
    store: Store, connection: Connection, *, is_made_up: bool
) -> None:
    """It is read again from its file."""
    await prepare(store, connection, {**PERSONAL, "office.name": "Kiel"})

    example = await pin_employee(
        store, connection.id, EmployeeId("7"), name="Ada", is_made_up=is_made_up, uses_draft=False
    )
    document = parse_examples(format_examples(ExampleDocument(examples=(example,))))

    assert document.examples == (example,)
    assert find_failures(TITLES, document) == ()
    assert find_failures(default_mapping(), document) != ()


async def test_made_up_example_has_no_personal_value(store: Store, connection: Connection) -> None:
    """What five employees have in common stays."""
    await prepare(store, connection, {**PERSONAL, "office.name": "Kiel"})

    example = await pin_employee(store, connection.id, EmployeeId("7"), name="Ada", is_made_up=True, uses_draft=False)

    assert example.attributes["position"] == "Example"
    assert example.attributes["dynamic_1"] == ("Example", None)
    assert example.attributes["weekly_working_hours"] == 1
    assert example.attributes["office.name"] == "Kiel"
    assert example.attributes["status"] == "active"
    assert example.expected.user_name == ADDRESS


async def test_draft_is_pinned_on_request(store: Store, connection: Connection) -> None:
    """Without a draft, this is an error."""
    await prepare(store, connection, {})

    async def pin() -> MappingExample:
        return await pin_employee(store, connection.id, EmployeeId("7"), name="Ada", is_made_up=False, uses_draft=True)

    with pytest.raises(NoSuchVersionError):
        await pin()
    await store.drafts.save(connection.id, default_mapping(), based_on=1, expected_revision=0, by="ada", now=NOW)

    example = await pin()

    assert "title" not in example.expected.fields


async def test_unknown_employee_is_named(store: Store, connection: Connection) -> None:
    """There is nothing to pin."""
    await prepare(store, connection, {})

    with pytest.raises(UnknownEmployeesError):
        await pin_employee(store, connection.id, EmployeeId("99"), name="x", is_made_up=False, uses_draft=False)


def test_attribute_of_the_user_name_is_made_up() -> None:
    """A company may use another one than the e-mail address. Dates stay dates."""
    attributes: dict[str, Value] = {
        "dynamic_9": "ada@private.example",
        "hire_date": "2024-02-29",
        "x": True,
        "y": "",
        "supervisor.email": "boss@firm.example",
        "supervisor.last_name": "Boss",
    }

    made_up = make_up(attributes, dict.fromkeys(("supervisor.email", "supervisor.last_name"), 9), "dynamic_9")

    assert made_up == {
        "dynamic_9": ADDRESS,
        "hire_date": "2020-01-15",
        "x": False,
        "y": "",
        "supervisor.email": ADDRESS,
        "supervisor.last_name": "Muster",
    }
