"""Our answers beside the vendor's own examples, attribute by attribute."""

from typing import Any

import pytest

from sandbox.personio.catalogue import ATTRIBUTES
from tests.sandbox.personio.stage import EMPLOYEES, Stage, golden, staged

EXAMPLE: dict[str, Any] = golden("employees-list-200")["data"][0]["attributes"]
SINGLE: dict[str, Any] = golden("employee-get-200")["data"]["attributes"]


def _shape(value: Any) -> Any:
    """Keys and kinds without the contents; a null fits to anything that is no object."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value[:1]]
    return "scalar"


@pytest.fixture(scope="module")
async def people() -> list[dict[str, Any]]:
    async with staged(120) as stage:
        await stage.log_in()
        return list((await stage.everybody()).values())


def test_we_know_every_attribute_of_the_examples() -> None:
    assert EXAMPLE.keys() | SINGLE.keys() <= ATTRIBUTES.keys()


@pytest.mark.parametrize("key", sorted(SINGLE | EXAMPLE))
def test_the_attribute_has_the_shape_of_the_example(key: str, people: list[dict[str, Any]]) -> None:
    theirs = (SINGLE | EXAMPLE)[key]
    ours = [person[key] for person in people if key in person]
    described = [{name: part for name, part in each.items() if name != "value"} for each in (theirs, ours[0])]
    assert described[1] == described[0]
    assert _shape(theirs["value"]) in [_shape(each["value"]) for each in ours]


async def test_the_envelope_of_the_list_is_that_of_the_example(stage: Stage) -> None:
    ours, theirs = await stage.listed("?limit=1"), golden("employees-list-200")
    assert ours.keys() == theirs.keys()
    assert ours["metadata"].keys() == theirs["metadata"].keys()
    assert ours["data"][0].keys() == theirs["data"][0].keys()
    assert ours["data"][0]["type"] == "Employee"


async def test_the_envelope_of_one_employee_is_that_of_the_example(stage: Stage) -> None:
    employee_id = stage.state.company.listed()[0].id
    ours, theirs = (await stage.http.get(f"{EMPLOYEES}/{employee_id}")).json(), golden("employee-get-200")
    assert (ours.keys(), ours["data"].keys()) == (theirs.keys(), theirs["data"].keys())


async def test_an_entry_of_the_attributes_is_that_of_the_example(stage: Stage) -> None:
    ours, theirs = (await stage.http.get(f"{EMPLOYEES}/attributes")).json(), golden("employees-attributes-200")
    assert ours.keys() == theirs.keys()
    assert {frozenset(each) for each in ours["data"]} == {frozenset(theirs["data"][0])}
    assert {type(each["options"]) for each in ours["data"]} == {list}
