"""The parser of employees: the vendor's own examples, and all other forms of values."""

import json
import sys
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.clients.personio.v1_attributes import PARTS, parse_employee
from services.contracts.employees import Employee
from services.contracts.snapshots import attributes_to_json
from services.mapping.observe import leave_out_oversized
from tests.unit.clients.personio_stage import read_golden

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PICTURE = "https://api.personio.de/v1/company/employees/1132888/profile-picture"
EXAMPLE: dict[str, Any] = {
    "first_name": "Alexander",
    "last_name": "Bergmann",
    "preferred_name": "Alexander Bergmann",
    "email": "alexander.bergmann@demo.email",
    "gender": "male",
    "status": "active",
    "position": "CTO",
    "supervisor.id": 2,
    "supervisor.first_name": None,
    "supervisor.last_name": None,
    "supervisor.email": None,
    "employment_type": "external",
    "weekly_working_hours": "40",
    "hire_date": "2014-11-09",
    "contract_end_date": None,
    "termination_date": None,
    "termination_type": None,
    "termination_reason": None,
    "probation_period_end": None,
    "created_at": "2017-05-23T09:49:03+02:00",
    "last_modified_at": "2020-11-18T17:33:55+01:00",
    "subcompany.id": 7033,
    "subcompany.name": "CS Demo GmbH",
    "office.id": 131014,
    "office.name": "Munich",
    "department.id": 281521,
    "department.name": "Customer Support",
    "cost_centers.id": (82957,),
    "cost_centers.name": ("Cost center 1",),
    "cost_centers.percentage": (100,),
    "holiday_calendar.id": 2,
    "holiday_calendar.name": "Deutschland (Bayern) Feiertage",
    "holiday_calendar.country": "DE",
    "holiday_calendar.state": "Bayern",
    "absence_entitlement.id": (113437,),
    "absence_entitlement.name": ("Paid vacation",),
    "absence_entitlement.category": ("paid_vacation",),
    "absence_entitlement.entitlement": (24,),
    "work_schedule.id": 97188,
    "work_schedule.name": "Full-time, 40 hours without time tracking, (mon,tue,wed,thu,fri)",
    "work_schedule.valid_from": None,
    **{f"work_schedule.{day}": "08:00" for day in DAYS[:5]},
    **{f"work_schedule.{day}": "00:00" for day in DAYS[5:]},
    "fix_salary": 3000,
    "fix_salary_interval": "monthly",
    "hourly_salary": 0,
    "last_working_day": None,
    "profile_picture": PICTURE,
    "team.id": 59026,
    "team.name": "T_X",
    "dynamic_24407": "Dr",
    "dynamic_21827": "DE98 8989 9898 0000 8989 00",
    "dynamic_33400": "2021-01-01",
}


@pytest.mark.parametrize(
    ("item", "additions"),
    [
        (read_golden("employees-list-200")["data"][0], {"vacation_day_balance": 2}),
        (read_golden("employee-get-200")["data"], {"dynamic_180883": "1983-08-18"}),
    ],
    ids=["list", "lookup"],
)
def test_vendor_example_is_read_field_by_field(item: Any, additions: dict[str, Any]) -> None:
    """Each attribute of the documentation has its value."""
    employee = parse_employee(item)

    assert employee is not None
    assert employee.id == "1"
    assert employee.modified_at == datetime.fromisoformat("2020-11-18T17:33:55+01:00")
    assert employee.attributes == EXAMPLE | additions


def parse_attributes(**attributes: Any) -> Employee:
    """Returns the employee 7 with these attributes."""
    employee = parse_employee({"type": "Employee", "attributes": {"id": {"value": 7}, **attributes}})
    assert employee is not None
    return employee


def parse_value(key: str, value: Any, kind: str = "standard") -> dict[str, Any]:
    """Returns the values that one attribute of an employee becomes."""
    employee = parse_attributes(**{key: {"label": key, "value": value, "type": kind, "universal_id": None}})
    return dict(employee.attributes)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("standard", "text", "text"),
        ("standard", "", None),
        ("standard", [], None),
        ("standard", {}, None),
        ("standard", None, None),
        ("standard", "40", "40"),
        ("standard", 40, 40),
        ("standard", True, True),
        ("standard", " with spaces ", " with spaces "),
        ("standard", "2021-01-01T00:00:00+01:00", "2021-01-01T00:00:00+01:00"),
        ("integer", 3, 3),
        ("integer", "3", "3"),
        ("integer", 0, 0),
        ("decimal", 3000.5, 3000.5),
        ("decimal", "3000.50", "3000.50"),
        ("decimal", float("nan"), None),
        ("decimal", float("inf"), None),
        ("list", "single", "single"),
        ("list", ["a", "", 3], ("a", None, 3)),
        ("link", "https://example.com/x?y=z", "https://example.com/x?y=z"),
        ("multiline", "one\r\ntwo", "one\r\ntwo"),
        ("future type", "value", "value"),
        ("date", "2021-01-01", "2021-01-01"),
        ("date", "1983-09-01T00:00:00+02:00", "1983-09-01"),
        ("date", "1983-09-01T00:00:00+0100", "1983-09-01"),
        ("date", "1835-02-01T00:00:00+00:53", "1835-02-01"),
        ("date", "2021-01-01 00:00:00", "2021-01-01"),
        ("date", "2021-01-01T00:00:00Z", "2021-01-01"),
        ("date", "", None),
        ("date", None, None),
        ("date", "no date since 1999", "no date since 1999"),
        ("date", 20210101, 20210101),
        ("tags", "CI/CD,Presentation Training", ("CI/CD", "Presentation Training")),
        ("tags", '["AT Power-Point","CI/CD"]', ("AT Power-Point", "CI/CD")),
        ("tags", ["English", "German"], ("English", "German")),
        ("tags", " English , ,German ", ("English", "German")),
        ("tags", '["one, two", null, 3]', ("one, two", "3")),
        ("tags", "[old], new", ("[old]", "new")),
        ("tags", "one", ("one",)),
        ("tags", 5, ("5",)),
        ("tags", "[]", None),
        ("tags", "", None),
        ("tags", [], None),
        ("tags", None, None),
    ],
)
def test_value_of_each_type_is_converted(kind: str, value: Any, expected: Any) -> None:
    """Personio sends the same type in several forms."""
    result = parse_value("dynamic_1", value, kind)

    assert result == ({"dynamic_1": expected} if value != {} else {"dynamic_1.id": None, "dynamic_1.name": None})


@pytest.mark.parametrize("key", ["created_at", "last_modified_at"])
def test_timestamp_of_type_date_keeps_its_time_of_day(key: str) -> None:
    """Personio declares two timestamps as dates."""
    assert parse_value(key, "2020-11-18T17:33:55+01:00", "date") == {key: "2020-11-18T17:33:55+01:00"}


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2020-11-18T17:33:55+01:00", "2020-11-18T17:33:55+01:00"),
        ("2020-11-18T17:33:55+0100", "2020-11-18T17:33:55+01:00"),
        ("2020-11-18T16:33:55Z", "2020-11-18T17:33:55+01:00"),
        ("2020-11-18T17:33:55", None),
        ("yesterday", None),
        (1605717235, None),
        (None, None),
    ],
)
def test_modification_time_is_parsed_or_none(stamp: Any, expected: str | None) -> None:
    """A time without a zone is ambiguous and counts as missing."""
    employee = parse_attributes(last_modified_at={"value": stamp, "type": "date"})

    assert employee.modified_at == (datetime.fromisoformat(expected) if expected else None)


@pytest.mark.parametrize("empty", [None, "", [], {}])
@pytest.mark.parametrize("key", sorted(PARTS))
def test_empty_nested_attribute_clears_all_its_parts(key: str, empty: Any) -> None:
    """An absent key would keep its old value, so each part must be present."""
    assert parse_value(key, empty) == {f"{key}.{part}": None for part in PARTS[key]}


def test_parts_of_the_vendor_example_are_all_declared() -> None:
    """A part that is not declared would not be cleared."""
    parts = {tuple(key.split(".")) for key in EXAMPLE if "." in key}

    assert parts <= {(key, part) for key, names in PARTS.items() for part in names}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("office", {"type": "Office", "attributes": {"name": "Munich"}}, {"id": None, "name": "Munich"}),
        ("office", {"type": "Office", "attributes": {"id": 1, "name": ""}}, {"id": 1, "name": None}),
        ("office", "Munich", {"id": None, "name": "Munich"}),
        ("office", 131014, {"id": 131014, "name": None}),
        ("office", {"id": 1, "name": "Munich"}, {"id": 1, "name": "Munich"}),
        ("office", {"type": "Office", "attributes": []}, {"id": None, "name": None}),
        (
            "team",
            {"attributes": {"id": {"label": "ID", "value": 3, "type": "integer"}, "name": "T", "colour": "red"}},
            {"id": 3, "name": "T", "colour": "red"},
        ),
        (
            "supervisor",
            {
                "type": "Employee",
                "attributes": {"id": {"value": 2}, "first_name": {"value": "Ada"}, "email": {"value": ""}},
            },
            {"id": 2, "first_name": "Ada", "last_name": None, "email": None},
        ),
        (
            "cost_centers",
            [{"attributes": {"id": 1, "name": "A", "percentage": 60}}, {"attributes": {"id": 2, "name": "B"}}],
            {"id": (1, 2), "name": ("A", "B"), "percentage": (60, None)},
        ),
        ("dynamic_9", {"attributes": {"deep": {"er": [1]}}}, {"id": None, "name": None, "deep": '{"er": [1]}'}),
        ("dynamic_9", [{"id": 1}, "loose"], {"id": (1, None), "name": (None, "loose")}),
    ],
)
def test_nested_value_of_each_form_is_flattened(key: str, value: Any, expected: dict[str, Any]) -> None:
    """Personio sends nested values with and without types, as lists, and as plain values."""
    assert parse_value(key, value) == {f"{key}.{part}": content for part, content in expected.items()}


def test_missing_label_or_type_does_no_harm() -> None:
    """Only the value of an attribute is needed."""
    employee = parse_attributes(
        plain="text", empty={}, null=None, odd={"value": 1, "label": None, "type": None, "universal_id": 3, "x": []}
    )

    assert employee.attributes == {
        "plain": "text",
        "empty": None,
        "null": None,
        "odd": 1,
    }


@pytest.mark.parametrize("number", [7, "7"])
def test_employee_id_is_a_string(number: Any) -> None:
    """Personio sends numbers; ids are compared as strings."""
    employee = parse_employee({"attributes": {"id": {"value": number}, "status": {"value": "active"}}})

    assert employee == Employee(parse_attributes().id, {"status": "active"}, None)


@pytest.mark.parametrize("number", [None, "", True, 7.5, [7], {"attributes": {"id": 7}}])
def test_element_with_invalid_id_is_not_an_employee(number: Any) -> None:
    """An employee without an id cannot be compared with a snapshot."""
    assert parse_employee({"attributes": {"id": {"value": number}}}) is None


@pytest.mark.parametrize("number", ["x" * 201, "7\x1b[2J", "7\n8", "\u202e7", 10**300], ids=ascii)
def test_id_that_harms_keys_and_terminals_is_refused(number: Any) -> None:
    """The id is a part of keys, log lines and lists. The scan counts the element as skipped."""
    assert parse_employee({"attributes": {"id": {"value": number}}}) is None


@pytest.mark.parametrize(
    "item", [None, 7, "text", [], {}, {"attributes": None}, {"attributes": []}, {"attributes": {}}]
)
def test_element_of_another_form_is_not_an_employee(item: Any) -> None:
    """The scan counts such an element as skipped."""
    assert parse_employee(item) is None


@pytest.mark.parametrize("broken", [chr(0xD83D), chr(0xDC00), "\0"], ids=ascii)
def test_invalid_characters_are_replaced(broken: str) -> None:
    """JSON may contain them as escapes. Kafka's UTF-8, MongoDB and many servers reject them."""
    employee = parse_attributes(**{f"k{broken}": {"value": f"a{broken}b", "label": broken, "type": broken}})

    assert employee.attributes == {"k\ufffd": "a\ufffdb"}
    assert parse_value("dynamic_1", [f"{broken}"], "tags") == {"dynamic_1": ("\ufffd",)}
    assert parse_value("dynamic_1", [f"{broken}"], "list") == {"dynamic_1": ("\ufffd",)}


@pytest.mark.parametrize("broken", [chr(0xD83D), chr(0xDC00), "\0"], ids=ascii)
def test_invalid_characters_in_nested_json_are_harmless(broken: str) -> None:
    """A nested value is kept as JSON, in which NUL stays escaped."""
    nested = parse_value("office", {f"n{broken}": {"x": broken}})["office.n\ufffd"]

    assert isinstance(nested, str)
    assert json.loads(nested) == {"x": "\0" if broken == "\0" else "\ufffd"}


@pytest.mark.parametrize("broken", [chr(0xD83D), chr(0xDC00), "\0"], ids=ascii)
def test_invalid_characters_in_an_id_are_replaced(broken: str) -> None:
    """The id is a key of events and documents, which cannot contain them."""
    employee = parse_employee({"attributes": {"id": {"value": f"7{broken}"}}})

    assert employee is not None
    assert employee.id == "7\ufffd"


def test_valid_characters_are_kept() -> None:
    """Characters outside the basic plane, and an existing U+FFFD, are valid."""
    assert parse_value("dynamic_1", "Zoë 😀\n\ufffd") == {"dynamic_1": "Zoë 😀\n\ufffd"}


def test_deeply_nested_value_is_not_an_error() -> None:
    """Each user with access to a field of tags can enter such a value."""
    text = "[" * 100_000
    value: Any = "x"
    for _ in range(sys.getrecursionlimit() * 2):
        value = [value]

    assert parse_value("dynamic_1", text, "tags") == {"dynamic_1": (text,)}
    assert parse_value("dynamic_1", [value]) == {"dynamic_1": ("…",)}


@pytest.mark.parametrize(
    ("value", "most"),
    [
        ([{f"a{number}": 1} for number in range(100_000)], 10),
        ([{f"a{number}": 1} for number in range(1_000)], 200_000),
        ([1] * 1_000_000, 70_000),
        ("a," * 1_000_000, 70_000),
    ],
    ids=["nested", "nested with many parts", "list", "tags"],
)
def test_size_of_a_parsed_value_is_bounded(value: Any, most: int) -> None:
    """One value must not take the process, which serves all companies, for minutes, nor its memory."""
    parsed = parse_value("dynamic_1", value, "tags" if isinstance(value, str) else "list")

    assert sum(len(entry) if isinstance(entry, tuple) else 1 for entry in parsed.values()) <= most


def test_list_of_any_length_is_too_large_for_a_snapshot() -> None:
    """A shortened list is never taken for the whole one: the snapshot has no room for it."""
    shortened = parse_value("dynamic_1", [1] * 1_000_000, "list")

    assert leave_out_oversized(shortened) == ({}, ("dynamic_1",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTE = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"value": JSON},
        optional={"label": JSON, "type": st.sampled_from(["standard", "date", "tags", "list", "integer"]) | JSON},
    ),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id", "office", "tags", "last_modified_at", "dynamic_1", *PARTS]), ATTRIBUTE
)


@settings(deadline=None, derandomize=True)
@given(st.one_of(JSON, st.fixed_dictionaries({"attributes": ATTRIBUTES})))
def test_any_json_is_parsed_without_an_error(item: Any) -> None:
    """One strange employee must not stop the scan of all others."""
    employee = parse_employee(item)

    if employee is not None:
        text = attributes_to_json(employee.attributes)
        assert "\\u0000" not in text.replace("\\\\", "")
