"""`mapping preview` on a real MongoDB, with sandboxes of Personio and Declaree."""

import asyncio
import json
from pathlib import Path

import pytest

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.admin.mapping.documents import format_document
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument, default_mapping
from services.runtime.environment import EX_CONFIG
from tests.component.cli.conftest import Serve, add_account, add_connection
from tests.support.builders import NOW, make_rule
from tests.support.command_line import KEY, SECRET, Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
def personio() -> State:
    """A company with twelve employees."""
    return State.generate(employees=12, credential=Credential("papi-1", SECRET), clock=Clock(lambda: NOW))


@pytest.fixture
def declaree() -> Declaree:
    """A Declaree without accounts."""
    return Declaree(api_key=KEY)


@pytest.fixture
async def started(cli: Cli, serve: Serve, personio: State, declaree: Declaree) -> ConnectionId:
    """A connection that was not yet started."""
    addresses = (
        *("--personio-url", serve(create_personio(personio))),
        *("--declaree-url", serve(create_declaree(declaree)) + BASE_PATH),
    )
    return await asyncio.to_thread(add_connection, cli, *addresses)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The default mapping, with a field that the employees have no value of."""
    rule = make_rule("title", "dynamic_80563", on_missing="clear")
    path = tmp_path / "mapping.json"
    path.write_text(format_document(MappingDocument(rules=(*default_mapping().rules, rule))))
    return path


def list_active(personio: State) -> list[str]:
    """Returns the ids of the active employees that have an e-mail address."""
    people = personio.company.list_employees()
    return [str(person.id) for person in people if person.status == "active" and person.email]


async def test_population_is_shown_in_eighty_columns(cli: Cli, started: ConnectionId, file: Path) -> None:
    """The numbers are those of the JSON, and no line is wider than a terminal."""
    text = await asyncio.to_thread(cli, "mapping", "preview", started, str(file))
    shown = await asyncio.to_thread(cli, "mapping", "preview", started, str(file), "--json")

    preview = json.loads(shown.output)
    assert text.exit_code == 0
    assert shown.exit_code == 0
    assert f"{len(preview['results']['created']):>7}  new accounts are created" in text.output
    assert max(map(len, text.output.splitlines())) <= 80
    assert preview["names"] == {}


async def test_names_are_shown_on_request(
    cli: Cli, started: ConnectionId, file: Path, personio: State, declaree: Declaree
) -> None:
    """A rejected employee has an address of an account that shows another name."""
    employee = personio.company.get(int(list_active(personio)[0]))
    add_account(declaree, employee.email.strip(), "Other", "Person")

    shown = await asyncio.to_thread(cli, "mapping", "preview", started, str(file), "--names")

    assert "rejected (1): userName: account ID has this e-mail address" in " ".join(shown.output.split())
    assert str(employee.values["last_name"]).strip() in shown.output


async def test_employee_is_shown_with_values_and_requests(
    cli: Cli, started: ConnectionId, file: Path, personio: State
) -> None:
    """The request is the one that the writer would send, without the key."""
    employee = personio.company.get(int(list_active(personio)[0]))

    text = await asyncio.to_thread(cli, "mapping", "preview", started, str(file), "--employee", str(employee.id))
    shown = await asyncio.to_thread(
        cli, "mapping", "preview", started, str(file), "--employee", str(employee.id), "--json"
    )

    preview = json.loads(shown.output)
    assert "POST /Users" in text.output
    assert f"    after   {employee.email.strip()}" in text.output
    assert preview["requests"][-1]["body"]["userName"] == employee.email.strip()
    assert KEY not in shown.output


async def test_invalid_document_is_an_error(cli: Cli, started: ConnectionId, tmp_path: Path) -> None:
    """The exit code says that a person has to correct something."""
    path = tmp_path / "wrong.json"
    path.write_text("{}")

    result = await asyncio.to_thread(cli, "mapping", "preview", started, str(path))

    assert result.exit_code == EX_CONFIG


async def test_preview_of_the_start_says_the_same(
    cli: Cli, started: ConnectionId, file: Path, personio: State, declaree: Declaree
) -> None:
    """The command `connections start` has other words for what happens with accounts that exist."""
    cases: list[dict[str, object]] = [{}, {"active": False}, {"roles": [{"value": "administrator"}]}, {}]
    for employee, more in zip(list_active(personio), cases, strict=False):
        values = personio.company.get(int(employee)).values
        names = [str(values[key]).strip() for key in ("first_name", "last_name")]
        marked = {"externalId": employee} if more == cases[-1] and employee != list_active(personio)[0] else {}
        address = personio.company.get(int(employee)).email.strip()
        add_account(declaree, address, names[0], names[1], **more, **marked)
    await asyncio.to_thread(cli, "mapping", "import", started, str(file))

    start = json.loads((await asyncio.to_thread(cli, "connections", "start", started, "--dry-run", "--json")).output)
    shown = await asyncio.to_thread(cli, "mapping", "preview", started, str(file), "--json")

    results = {result: len(members) for result, members in json.loads(shown.output)["results"].items()}
    counts = start["counts"]
    undecided = sum(counts.get(prospect, 0) for prospect in ("fitting", "unclear", "rejected"))
    assert counts["fitting"] == counts["found"] == 1
    assert counts["unclear"] == 2
    assert results == {
        "created": counts["created"],
        "linked": counts["found"],
        "out_of_scope": counts["left-alone"],
        "rejected": undecided,
    }
