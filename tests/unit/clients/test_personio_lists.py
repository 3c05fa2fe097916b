"""Pages of API v1: an unread page has the same employees as one that is read at once."""

import json
from collections.abc import Collection
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.clients.http.large_json import LARGE_BYTES
from services.clients.personio.errors import PersonioUnavailableError
from services.clients.personio.v1_lists import (
    MAX_PART_VALUES,
    MAX_SPLIT_BYTES,
    UnreadEmployee,
    parse_page,
    parse_pages,
    split_response,
)
from services.clients.personio.v1_messages import PAGE_SIZE, get_list, get_total, parse_body
from services.contracts.employees import Employee, EmployeePage
from services.contracts.ids import EmployeeId
from tests.unit.clients.personio_stage import open_stage, read_employees

REQUESTED = ("email", "office", "last_modified_at")


def build_element(number: object, **values: object) -> dict[str, Any]:
    """Returns an element of a list, with the id in the usual form."""
    attributes = {key: {"label": key, "value": value, "type": "standard"} for key, value in values.items()}
    return {"type": "Employee", "attributes": {"id": {"label": "ID", "value": number, "type": "integer"}, **attributes}}


def build_response(body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> httpx.Response:
    """Returns the response to a request for a list."""
    request = httpx.Request("GET", "https://personio.test/v1/company/employees")
    return httpx.Response(status, content=body, headers=headers, request=request)


def encode(*elements: object, **members: object) -> bytes:
    """Returns the body of a page."""
    content = {"success": True, "metadata": {"total_elements": len(elements)}, "data": elements}
    return json.dumps({**content, **members}).encode()


def read(response: httpx.Response, requested: Collection[str] | None = REQUESTED) -> list[EmployeePage]:
    """Returns the parts of a page, with unread employees if it is a usual one."""
    page = split_response(response, requested, 0)
    return list(parse_pages(response, requested, 0)) if page is None else [page]


def is_unread(body: bytes, **options: Any) -> bool:
    """Returns whether the employees of a page are read on demand."""
    (page,) = read(build_response(body, **options))
    return any(isinstance(listed, UnreadEmployee) for listed in page.employees)


def read_at_once(body: bytes) -> EmployeePage:
    """Returns the page as it is read at once."""
    content = parse_body(build_response(body))
    return parse_page(get_list(content), REQUESTED, 0, get_total(content))


# ---------------------------------------------------------------- the same employees

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5
)
IDS = st.integers(1, 99) | st.text(max_size=3) | SCALARS
ELEMENTS = st.builds(build_element, IDS, email=VALUES, office=VALUES, last_modified_at=VALUES) | VALUES


@given(elements=st.lists(ELEMENTS, max_size=4), total=SCALARS)
@example(elements=[build_element(7), build_element(7.0)], total=2)
@example(elements=[build_element(7), {"attributes": {"id": "8"}}], total=2)
@example(elements=[build_element(10**30)], total=1)
@example(elements=[build_element("")], total=1)
@example(elements=[build_element(True)], total=1)
def test_unread_page_has_the_same_employees(elements: list[object], total: object) -> None:
    """For all ids, values, numbers of elements without an id, and totals."""
    body = encode(*elements, metadata={"total_elements": total})

    (page,) = read(build_response(body))

    expected = read_at_once(body)
    assert read_employees(page) == list(expected.employees)
    assert page.skipped == expected.skipped
    assert page.total == expected.total


async def test_sandbox_pages_are_unread() -> None:
    """All of their employees are read on demand, and with another digest for each."""
    async with open_stage(employees=120) as stage:
        pages = [page async for page in stage.client.iterate_pages({"email", "office", "status", "supervisor"})]

    listed = [entry for page in pages for entry in page.employees]
    assert {type(entry) for entry in listed} == {UnreadEmployee}
    assert len({entry.digest for entry in listed}) == len(listed)


def test_digest_depends_on_every_byte() -> None:
    """A change of any attribute, and another order of them, has another digest."""
    bodies = [encode(build_element(1, **values)) for values in ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 2, "a": 1})]
    digests = [read(build_response(body))[0].employees[0].digest for body in (*bodies, bodies[0])]

    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


# ---------------------------------------------------------------- unusual pages

USUAL = build_element(1, email="a@x.example")
LATIN_1 = encode(build_element(1, email="J\xfcrgen")).replace(b"\\u00fc", b"\xfc")


def test_usual_page_is_unread() -> None:
    """Otherwise the other tests would prove nothing."""
    assert is_unread(encode(USUAL))


def test_page_of_a_real_company_is_unread() -> None:
    """With 40 attributes, 100 employees have more than half a megabyte."""
    values = {f"dynamic_{number}": "x" * 70 for number in range(40)}
    body = encode(*(build_element(number, **values) for number in range(PAGE_SIZE)))

    assert len(body) > 2 * LARGE_BYTES
    assert is_unread(body)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (LATIN_1, {"headers": {"Content-Type": "application/json; charset=ISO-8859-1"}}),
        (encode(USUAL, notes="x" * MAX_SPLIT_BYTES), {}),
        (encode(build_element(1, notes="x" * LARGE_BYTES)), {}),
        (encode(USUAL, notes=[0] * (MAX_PART_VALUES + 1)), {}),
        (encode(USUAL, {"attributes": {"id": 2}}), {}),
        (encode(USUAL).replace(b"a@x", b"\\ud800"), {}),
        (encode(USUAL).replace(b'"a@x.example"', b"NaN"), {}),
        (encode(USUAL), {"status": 201}),
    ],
    ids=[
        "character set",
        "large",
        "large element",
        "many values",
        "another form of id",
        "surrogate",
        "not a number",
        "status",
    ],
)
def test_unusual_page_is_read_at_once(body: bytes, options: dict[str, Any]) -> None:
    """It is read as before, and its employees are never recognised."""
    assert not is_unread(body, **options)

    (page,) = read(build_response(body, **options))

    assert page.employees[0].id == "1"
    assert page.employees[0].digest is None


def test_page_with_too_many_employees_is_read_in_parts() -> None:
    """None of them takes the process for long."""
    pages = read(build_response(encode(*(build_element(number) for number in range(PAGE_SIZE + 1)))))

    assert [len(page.employees) for page in pages] == [PAGE_SIZE, 1]


@pytest.mark.parametrize("body", [encode(USUAL, success=False), encode(data=None), b"[]", b"<html>"])
def test_body_without_a_list_is_an_error(body: bytes) -> None:
    """An unread page passes over no sign of a failure."""
    with pytest.raises(PersonioUnavailableError):
        read(build_response(body))


# ---------------------------------------------------------------- elements that cannot be read


def test_element_nested_too_deep_concerns_its_employee_alone() -> None:
    """It is listed, and cannot be read. Code that works on it would exceed Python's limit of recursion."""
    deep = b'{"attributes": {"id": {"value": 1}, "email": {"value": ' + b"[" * 300 + b"]" * 300 + b"}}}"
    body = b'{"success": true, "data": [' + deep + b"," + json.dumps(build_element(2, email="b")).encode() + b"]}"

    (page,) = read(build_response(body))

    assert [listed.id for listed in page.employees] == ["1", "2"]
    assert [listed.read() for listed in page.employees] == [None, Employee(EmployeeId("2"), {"email": "b"}, None)]


def test_element_that_names_another_employee_is_not_read() -> None:
    """The digest belongs to the id that the page was split by."""
    (page,) = read(build_response(encode(USUAL)))
    (listed,) = page.employees
    assert isinstance(listed, UnreadEmployee)

    assert listed._replace(id=EmployeeId("2")).read() is None


def test_page_with_much_beside_its_elements_is_read_in_steps() -> None:
    """Thousands of nested lists would stop the event loop for tenths of a second if they were built at once."""
    metadata = {"total_elements": 1, "more": [[[]]] * 5_000}

    assert split_response(build_response(encode(build_element(7), metadata=metadata)), REQUESTED, 0) is None
