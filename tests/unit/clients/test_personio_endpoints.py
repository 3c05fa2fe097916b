"""The endpoints, with the vendor's own examples, and lookups of single employees."""

import pytest

from services.clients.personio.errors import (
    PersonioCredentialsError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.v1_attributes import parse_employee
from services.contracts.employees import AttributeDefinition, EmployeePage
from services.contracts.ids import EmployeeId
from services.errors import ConnectorError
from tests.unit.clients.personio_stage import (
    TOKEN,
    open_client,
    open_stage,
    read_example,
    read_golden,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, build_reply

# ---------------------------------------------------------------- the vendor's examples


async def test_vendor_example_of_the_list_is_read() -> None:
    """The documented list gives its employee and its total."""
    async with open_client(read_example("auth-200"), read_example("employees-list-200")) as (client, transport):
        page = await client.list_page()

    expected = parse_employee(read_golden("employees-list-200")["data"][0])
    assert expected is not None
    assert page == EmployeePage((expected,), 0, 2, 0)
    assert transport.requests[1].headers["Authorization"] == "Bearer " + read_golden("auth-200")["data"]["token"]


async def test_vendor_example_of_an_employee_is_read() -> None:
    """The documented single employee is parsed like one of the list."""
    async with open_client(TOKEN, read_example("employee-get-200")) as (client, _):
        assert await client.get_employee(EmployeeId("1")) == parse_employee(read_golden("employee-get-200")["data"])


async def test_vendor_example_of_attributes_is_read() -> None:
    """A company's own attributes have no universal id."""
    async with open_client(TOKEN, read_example("employees-attributes-200")) as (client, _):
        attributes = await client.list_attributes()

    assert attributes == tuple(
        AttributeDefinition(entry["key"], entry["label"], entry["type"], entry["universal_id"])
        for entry in read_golden("employees-attributes-200")["data"]
    )
    assert AttributeDefinition("dynamic_2", "Marital status", "list", None) in attributes


@pytest.mark.parametrize("name", ["employee-get-404", "picture-404"])
async def test_vendor_example_of_an_unknown_employee_gives_none(name: str) -> None:
    """A 404 of the API says that the employee does not exist."""
    async with open_client(TOKEN, read_example(name, 404)) as (client, _):
        assert await client.get_employee(EmployeeId("1")) is None


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([read_example("auth-403", 403)], PersonioCredentialsError),
        ([TOKEN, read_example("error-401", 401), TOKEN, read_example("error-401", 401)], PersonioRefusedError),
        ([TOKEN, read_example("error-403", 403), TOKEN], PersonioRefusedError),
        ([TOKEN, read_example("error-500", 500)], PersonioUnavailableError),
    ],
    ids=["wrong credentials", "401", "403", "500"],
)
async def test_vendor_example_of_an_error_has_its_own_class(replies: list[Reply], error: type[ConnectorError]) -> None:
    """The class decides whether the poller retries or reports."""
    async with open_client(*replies) as (client, _):
        with pytest.raises(error):
            await client.list_page()


# ---------------------------------------------------------------- single employees


async def test_lookup_returns_the_employee_or_none() -> None:
    """An unknown id is a result, not an error."""
    async with open_stage() as stage:
        person = stage.state.company.list_employees()[0]

        employee = await stage.client.get_employee(EmployeeId(str(person.id)))

        assert employee is not None
        assert employee.id == str(person.id)
        assert employee.attributes["email"].value == person.email
        assert await stage.client.get_employee(EmployeeId("999999")) is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, LOGIN_PAGE.content),
        Reply(404),
        build_reply(200, {"success": True, "data": {}}),
        build_reply(200, {"success": True, "data": {"attributes": {"id": {"value": 8}}}}),
        build_reply(200, {"success": False, "error": {"code": 404, "message": "Es ist ein Problem aufgetreten "}}),
        build_reply(422, {"success": False}),
    ],
)
async def test_lookup_without_api_answer_is_an_error(reply: Reply) -> None:
    """Only a 404 of the API itself says that an employee does not exist."""
    async with open_client(TOKEN, reply) as (client, _):
        with pytest.raises(ConnectorError):
            await client.get_employee(EmployeeId("7"))


async def test_employee_id_is_quoted_in_the_path() -> None:
    """An id with special characters stays one segment of the path."""
    async with open_client(TOKEN, build_reply(404, {"success": False})) as (client, transport):
        await client.get_employee(EmployeeId("7/../attributes?x"))

    assert transport.request_lines[1] == "GET /v1/company/employees/7%2F..%2Fattributes%3Fx"
