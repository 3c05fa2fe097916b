"""Pinned previews: what the mapping makes of an employee becomes an example that holds, with made-up values on request."""

from typing import Any

import pytest

from services.admin.mapping.examples import check_examples
from services.admin.mapping.pin import (
    ADDRESS,
    DAY,
    IBAN,
    PHONE,
    TEXT,
    ForgottenEmployeeError,
    PinResult,
    make_up,
    pin_preview,
)
from services.admin.preview.results import PersonPreview, Previewed
from services.contracts.connections import Connection
from services.contracts.employees import EmploymentPhase
from services.contracts.examples import PinnedExample
from services.contracts.ids import ConnectionId, EmployeeId, PersonKey
from services.contracts.mappings import MappingDocument, default_mapping
from services.contracts.outcomes import Intent
from services.contracts.transforms import ValueTable
from services.contracts.values import Value
from services.store.contents import CONTENTS
from services.store.database import Store
from services.store.errors import UnknownConnectionError
from tests.support.builders import NOW, make_attributes, make_rule, make_snapshot
from tests.support.fakes import FakeClock

TITLES = MappingDocument(rules=(*default_mapping().rules, make_rule("title", "position")))
TABLE = ValueTable(table={"Kiel": "K"}, otherwise="reject")
OFFICES = MappingDocument(rules=(*default_mapping().rules, make_rule("title", "office.name", transforms=(TABLE,))))
"""A mapping that rejects every office but one."""
PERSONAL: dict[str, Value] = {
    "position": "Countess",
    "dynamic_1": ("a", None),
    "weekly_working_hours": 39,
    "office.name": "Kiel",
    "supervisor.id": 4711,
}


async def pin(
    store: Store, connection: ConnectionId, mapping: MappingDocument = TITLES, *, is_made_up: bool = False, **more: Any
) -> PinResult:
    """Pins a preview of Ada, with these fields."""
    content: dict[str, Any] = {
        "employee": EmployeeId("7"),
        "mapping_version": 2,
        "is_absent": False,
        "attributes": make_attributes(PERSONAL),
        "phase": EmploymentPhase.CURRENT,
        "intent": Intent.PROVISION,
        "result": Previewed.CREATED,
        "reason": None,
        "field": None,
        "account": None,
        "changes": (),
        "requests": (),
    }
    preview = PersonPreview(**content | more)
    return await pin_preview(
        store, FakeClock(), connection, mapping, preview, name="Ada", by="eva", is_made_up=is_made_up
    )


async def store_colleagues(store: Store, connection: Connection, number: int) -> None:
    """Stores employees with the same office and the same supervisor."""
    attributes: dict[str, Value] = {"office.name": "Kiel", "supervisor.id": 4711}
    for key in range(20, 20 + number):
        await store.snapshots.save(
            [(make_snapshot(str(key), connection_id=connection.id, attributes=attributes), None)]
        )


@pytest.mark.parametrize("is_made_up", [False, True])
async def test_pinned_preview_is_an_example_that_holds(
    store: Store, connection: Connection, *, is_made_up: bool
) -> None:
    """With another mapping it does not."""
    result = await pin(store, connection.id, is_made_up=is_made_up)

    assert (await store.examples.list_all(connection.id)).examples == (result.pinned,)
    assert (await check_examples(store, connection.id, TITLES)).holding == 1
    assert (await check_examples(store, connection.id, default_mapping())).holding == 0
    assert result.pinned.pinned_by == "eva"
    assert result.pinned.pinned_at == FakeClock().now()


async def test_pinned_preview_has_the_attributes_of_the_preview(store: Store, connection: Connection) -> None:
    """They are those of Personio, and nothing is stored about the employee before the first poll."""
    result = await pin(store, connection.id, phase=EmploymentPhase.UPCOMING)

    assert result.pinned.example.attributes == make_attributes(PERSONAL)
    assert result.pinned.example.phase is EmploymentPhase.UPCOMING
    assert result.pinned.example.expected.intent is Intent.IGNORE


@pytest.mark.parametrize("employee", ["7", "4711"])
async def test_forgotten_employee_is_not_pinned(store: Store, connection: Connection, employee: str) -> None:
    """Neither the employee nor, with real data, the manager. An example with the same name stays."""
    before = await pin(store, connection.id, employee=EmployeeId("8"), attributes=make_attributes({}))
    await forget(store, connection.id, employee)

    with pytest.raises(ForgottenEmployeeError, match=employee):
        await pin(store, connection.id)

    assert (await store.examples.list_all(connection.id)).examples == (before.pinned,)


async def test_employee_that_is_stored_again_is_pinned(store: Store, connection: Connection) -> None:
    """Personio lists the employee, and the next poll has stored it."""
    await forget(store, connection.id, "7")
    await store.snapshots.save([(make_snapshot("7", connection_id=connection.id), None)])

    result = await pin(store, connection.id)

    assert (await store.examples.list_all(connection.id)).examples == (result.pinned,)


@pytest.mark.parametrize("is_removed", [False, True])
async def test_employee_forgotten_in_the_meantime_is_not_pinned(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch, *, is_removed: bool
) -> None:
    """Alone or with the connection, right before the example is stored: nothing would erase it."""
    save = store.examples.save

    async def forget_and_save(pinned: PinnedExample) -> bool:
        await forget(store, connection.id, None if is_removed else "7")
        return await save(pinned)

    monkeypatch.setattr(store.examples, "save", forget_and_save)

    with pytest.raises(ForgottenEmployeeError):
        await pin(store, connection.id)

    assert (await store.examples.list_all(connection.id)).examples == ()


def test_examples_are_erased_after_snapshots() -> None:
    """Otherwise an example could be stored between the two, and nothing would erase it."""
    order = [content.collection for content in CONTENTS]

    assert order.index("snapshots") < order.index("mapping_examples")


async def forget(store: Store, connection: ConnectionId, employee: str | None) -> None:
    """Marks an employee, or a whole connection, as forgotten."""
    name = connection if employee is None else PersonKey(connection, EmployeeId(employee))
    await store.forgotten.mark([name], now=NOW, until=NOW)


async def test_second_example_of_a_name_replaces_the_first(store: Store, connection: Connection) -> None:
    """The caller is told."""
    first = await pin(store, connection.id)

    second = await pin(store, connection.id, employee=EmployeeId("8"))

    assert first.is_replaced is False
    assert second.is_replaced is True
    assert (await store.examples.list_all(connection.id)).examples == (second.pinned,)


async def test_made_up_example_keeps_what_enough_employees_share(store: Store, connection: Connection) -> None:
    """The id of the supervisor is that of a person, however many report to it."""
    await store_colleagues(store, connection, 5)

    example = (await pin(store, connection.id, is_made_up=True)).pinned.example

    assert example.attributes["position"] == "Example"
    assert example.attributes["dynamic_1"] == ("Example", None)
    assert example.attributes["weekly_working_hours"] == 1
    assert example.attributes["office.name"] == "Kiel"
    assert example.attributes["status"] == "active"
    assert example.attributes["supervisor.id"] == 1
    assert example.expected.user_name == ADDRESS
    assert example.expected.manager == "1"


async def test_made_up_example_without_stored_employees_is_all_made_up(store: Store, connection: Connection) -> None:
    """Before the first poll, it is unknown what employees share."""
    await store_colleagues(store, connection, 4)

    example = (await pin(store, connection.id, is_made_up=True)).pinned.example

    assert example.attributes["office.name"] == "Example"


@pytest.mark.parametrize(("colleagues", "intent"), [(0, Intent.REJECT), (5, Intent.PROVISION)])
async def test_made_up_values_that_do_not_fit_are_reported(
    store: Store, connection: Connection, colleagues: int, intent: Intent
) -> None:
    """The example says what the mapping really makes of them."""
    await store_colleagues(store, connection, colleagues)

    result = await pin(store, connection.id, OFFICES, is_made_up=True)

    assert result.pinned.example.expected.intent is intent
    assert result.real_intent is Intent.PROVISION
    assert (result.reason is None) == (intent is Intent.PROVISION)
    assert (await check_examples(store, connection.id, OFFICES)).has_passed


async def test_example_of_an_unknown_connection_is_not_stored(store: Store) -> None:
    """It would stay without an owner."""
    unknown = ConnectionId("c-unknown")

    with pytest.raises(UnknownConnectionError):
        await pin(store, unknown)

    assert (await store.examples.list_all(unknown)).examples == ()


def test_attribute_of_the_user_name_is_made_up() -> None:
    """A company may use another one than the e-mail address. Dates stay dates."""
    attributes: dict[str, Value] = {
        "dynamic_9": "ada@private.example",
        "hire_date": "2024-02-29",
        "x": True,
        "y": "",
        "supervisor.email": "boss@firm.example",
        "supervisor.last_name": "Boss",
        "supervisor.id": None,
        "first_name": None,
        "email": "",
    }

    made_up = make_up(attributes, dict.fromkeys(("supervisor.email", "supervisor.last_name"), 9), "dynamic_9")

    assert made_up == {
        "dynamic_9": ADDRESS,
        "hire_date": "2020-01-15",
        "x": False,
        "y": "",
        "supervisor.email": ADDRESS,
        "supervisor.last_name": "Muster",
        "supervisor.id": None,
        "first_name": None,
        "email": "",
    }


@pytest.mark.parametrize(
    ("value", "made_up"),
    [
        ("0151 20001008", PHONE),
        ("+4915120001008", PHONE),
        ("0049 (0)151 / 20001008", PHONE),
        ("DE60 8203 3556 4055 9973 98", IBAN),
        ("DE60820335564055997398", IBAN),
        ("2024-02-29T00:00:00+01:00", DAY),
        ("001001", "111111"),
        ("4711 Sales", TEXT),
        ("", ""),
    ],
)
def test_made_up_text_is_of_the_same_kind(value: str, made_up: str) -> None:
    """So that a rule for telephone numbers gives one."""
    assert make_up({"x": value}, {}, "email") == {"x": made_up}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ask zoe@nordlicht.example", ADDRESS),
        (("zoe@nordlicht.example", "Kiel", None), (ADDRESS, TEXT, None)),
        (("Kiel", None), ("Kiel", None)),
    ],
)
def test_addresses_are_made_up_however_many_share_them(value: Value, expected: Value) -> None:
    """Such as those of the members of a team, which all of them have."""
    assert make_up({"dynamic_1": value}, {"dynamic_1": 50}, "email") == {"dynamic_1": expected}
