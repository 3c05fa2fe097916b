"""Responses of the sandbox compared with the vendor's examples, attribute by attribute."""

from typing import Any

import pytest

from sandbox.personio.catalogue import ATTRIBUTES
from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox, load_golden, run_sandbox

EXAMPLE: dict[str, Any] = load_golden("employees-list-200")["data"][0]["attributes"]
SINGLE: dict[str, Any] = load_golden("employee-get-200")["data"]["attributes"]


def _extract_shape(value: Any) -> Any:
    """Returns the keys and kinds of a value. Every value that is neither object nor list has the same shape, also null."""
    if isinstance(value, dict):
        return {key: _extract_shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_extract_shape(inner) for inner in value[:1]]
    return "scalar"


@pytest.fixture(scope="module")
async def employees() -> list[dict[str, Any]]:
    """Returns the attributes of all employees of a company."""
    async with run_sandbox(120) as personio:
        await personio.log_in()
        return list((await personio.list_attributes()).values())


def test_catalogue_contains_all_attributes_of_the_examples() -> None:
    """The sandbox has every attribute that occurs in the vendor's examples."""
    assert EXAMPLE.keys() | SINGLE.keys() <= ATTRIBUTES.keys()


@pytest.mark.parametrize("key", sorted(SINGLE | EXAMPLE))
def test_attribute_has_the_shape_of_the_example(key: str, employees: list[dict[str, Any]]) -> None:
    """Label, type and the structure of the value equal those of the vendor's example."""
    expected = (SINGLE | EXAMPLE)[key]
    actual = [employee[key] for employee in employees if key in employee]
    described = [
        {name: part for name, part in attribute.items() if name != "value"} for attribute in (actual[0], expected)
    ]

    assert described[0] == described[1]
    assert _extract_shape(expected["value"]) in [_extract_shape(attribute["value"]) for attribute in actual]


async def test_list_envelope_equals_the_example(personio: PersonioSandbox) -> None:
    """The body of the list has the keys of the vendor's example."""
    actual, expected = await personio.list_page("?limit=1"), load_golden("employees-list-200")

    assert actual.keys() == expected.keys()
    assert actual["metadata"].keys() == expected["metadata"].keys()
    assert actual["data"][0].keys() == expected["data"][0].keys()
    assert actual["data"][0]["type"] == "Employee"


async def test_employee_envelope_equals_the_example(personio: PersonioSandbox) -> None:
    """The body of one employee has the keys of the vendor's example."""
    employee_id = personio.state.company.list_employees()[0].id
    actual, expected = (await personio.http.get(f"{EMPLOYEES}/{employee_id}")).json(), load_golden("employee-get-200")

    assert actual.keys() == expected.keys()
    assert actual["data"].keys() == expected["data"].keys()


async def test_attributes_entry_equals_the_example(personio: PersonioSandbox) -> None:
    """An entry of the attributes endpoint has the keys of the vendor's example, with a list of options."""
    actual, expected = (
        (await personio.http.get(f"{EMPLOYEES}/attributes")).json(),
        load_golden("employees-attributes-200"),
    )

    assert actual.keys() == expected.keys()
    assert {frozenset(attribute) for attribute in actual["data"]} == {frozenset(expected["data"][0])}
    assert {type(attribute["options"]) for attribute in actual["data"]} == {list}
