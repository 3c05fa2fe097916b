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
    LIST,
    TOKEN,
    open_client,
    open_stage,
    read_employees,
    read_example,
    read_first_page,
    read_golden,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, build_reply

# ---------------------------------------------------------------- the vendor's examples


async def test_vendor_example_of_the_list_is_read() -> None:
    """The documented list gives its employee and its total."""
    async with open_client(read_example("auth-200"), read_example("employees-list-200")) as (client, transport):
        page = await read_first_page(client)

    expected = parse_employee(read_golden("employees-list-200")["data"][0])
    assert expected is not None
    assert page == EmployeePage((expected,), 0, 2, 0)
    assert transport.requests[1].headers["Authorization"] == "Bearer " + read_golden("auth-200")["data"]["token"]


async def test_vendor_example_of_an_employee_is_read() -> None:
    """The documented single employee is parsed like one of the list."""
    async with open_client(TOKEN, read_example("employee-get-200")) as (client, _):
        assert await client.get_employee(EmployeeId("1")) == parse_employee(read_golden("employee-get-200")["data"])


async def test_vendor_example_of_attributes_is_read() -> None:
    """The catalogue of the source has labels and types from here."""
    async with open_client(TOKEN, read_example("employees-attributes-200")) as (client, _):
        attributes = await client.list_attributes()

    assert attributes == tuple(
        AttributeDefinition(entry["key"], entry["label"], entry["type"])
        for entry in read_golden("employees-attributes-200")["data"]
    )
    assert AttributeDefinition("dynamic_2", "Marital status", "list") in attributes


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
            await read_first_page(client)


# ---------------------------------------------------------------- single employees


async def test_lookup_returns_the_employee_or_none() -> None:
    """An unknown id is a result, not an error."""
    async with open_stage() as stage:
        person = stage.state.company.list_employees()[0]

        employee = await stage.client.get_employee(EmployeeId(str(person.id)))

        assert employee is not None
        assert employee.id == str(person.id)
        assert employee.attributes["email"] == person.email
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


# ---------------------------------------------------------------- requested attributes


async def test_requested_attributes_are_asked_of_personio() -> None:
    """The request names them, and the timestamp of the last change, which orders nothing but is shown."""
    async with open_stage() as stage:
        (page,) = [page async for page in stage.client.iterate_pages({"first_name", "office"})]

    request = next(request for request in stage.transport.requests if request.url.path == LIST)
    assert request.url.params.get_list("attributes[]") == ["first_name", "last_modified_at", "office"]
    for employee in read_employees(page):
        assert employee.attributes.keys() == {"first_name", "last_modified_at", "office.id", "office.name"}
        assert employee.modified_at is not None


@pytest.mark.promise("P11")
async def test_attributes_sent_unasked_are_dropped() -> None:
    """A Personio that ignores the request sends what the credential may read."""
    async with open_client(TOKEN, read_example("employees-list-200")) as (client, _):
        page = await read_first_page(client, requested={"status"})

    assert [employee.attributes.keys() for employee in read_employees(page)] == [{"status", "last_modified_at"}]


async def test_all_attributes_are_read_without_a_selection() -> None:
    """A caller of a single page may want everything."""
    async with open_client(TOKEN, read_example("employees-list-200")) as (client, transport):
        page = await read_first_page(client)

    assert "dynamic_33400" in read_employees(page)[0].attributes
    assert "attributes" not in str(transport.requests[-1].url)


async def test_nested_attributes_are_listed_with_their_parts() -> None:
    """A rule reads a part."""
    async with open_stage() as stage:
        definitions = {definition.key: definition for definition in await stage.client.list_attributes()}

    assert definitions["office"].parts == ("office.id", "office.name")
    assert definitions["first_name"].parts == ()


async def test_long_names_of_attributes_are_shortened() -> None:
    """The catalogue of the source has to fit into one document."""
    entry = {"key": "dynamic_1", "label": "x" * 10_000, "type": "y" * 10_000}
    async with open_client(TOKEN, build_reply(200, {"success": True, "data": [entry]})) as (client, _):
        attributes = await client.list_attributes()

    assert attributes == (AttributeDefinition("dynamic_1", "x" * 200, "y" * 200),)
