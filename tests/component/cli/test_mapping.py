"""The commands ``mapping`` on a real MongoDB."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import Result

from sandbox.declaree.app import create_app as create_declaree
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.faults import Fault
from sandbox.declaree.state import Declaree
from sandbox.personio.app import create_app as create_personio
from sandbox.personio.credentials import Credential
from sandbox.personio.state import State
from services.admin import checks
from services.admin.fields import refresh_field_catalogue
from services.contracts.fields import FieldCatalogue, FieldOrigin, TargetField
from services.contracts.ids import ConnectionId
from services.runtime.environment import EX_CONFIG
from services.store.database import Store
from tests.component.cli.conftest import Serve, add_connection, read_numbers
from tests.support.builders import NOW
from tests.support.command_line import KEY, SECRET, Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for a mapping document."""
    return tmp_path / "mapping.json"


def read_mapping_version(cli: Cli) -> int:
    """Returns the published version as `status` prints it."""
    return int(read_numbers(cli)["mapping_version"])


def test_exported_mapping_is_imported_as_the_next_version(cli: Cli, connection: ConnectionId, file: Path) -> None:
    """An export and an import change nothing but the version, and each import publishes one."""
    document = cli("mapping", "export", connection).output
    file.write_text(document)

    first = cli("mapping", "import", connection, str(file), "--yes", "--json")
    second = cli("mapping", "import", connection, str(file), "--yes")

    assert json.loads(first.output)["version"] == 2
    assert second.exit_code == 0
    assert read_mapping_version(cli) == 3
    assert json.loads(cli("mapping", "export", connection).output) == json.loads(document)


def test_exported_mapping_as_json_is_one_line(cli: Cli, connection: ConnectionId) -> None:
    """Programs get the same document without line breaks."""
    result = cli("mapping", "export", connection, "--json")

    assert len(result.output.splitlines()) == 1
    assert json.loads(result.output) == json.loads(cli("mapping", "export", connection).output)


@pytest.mark.parametrize(
    ("document", "location"),
    [
        ("{", "not JSON"),
        ("[]", "document"),
        ('{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}', "rule 1: userName"),
        ('{"rules": [{"target": "name.", "source": {"kind": "constant", "value": 1}}]}', "name."),
        ('{"rules": [], "format_version": 2}', "format_version"),
    ],
)
def test_invalid_mapping_is_rejected_with_its_location(
    cli: Cli, connection: ConnectionId, file: Path, document: str, location: str
) -> None:
    """The published version still applies."""
    file.write_text(document)

    result = cli("mapping", "import", connection, str(file))

    assert result.exit_code == EX_CONFIG
    assert location in result.output
    assert read_mapping_version(cli) == 1


def test_mapping_file_that_is_not_text_is_wrong_use(cli: Cli, connection: ConnectionId, file: Path) -> None:
    """A spreadsheet in place of the document is named as the argument."""
    file.write_bytes(b"\xff\xfe")

    result = cli("mapping", "import", connection, str(file), COLUMNS="300")

    assert result.exit_code == 2
    assert "Invalid value for 'file'" in result.output


# ------------------------------------------------------------ fields of Declaree


@pytest.fixture
def declaree() -> Declaree:
    """A sandbox of Declaree."""
    return Declaree(api_key=KEY)


@pytest.fixture
async def served(cli: Cli, serve: Serve, declaree: Declaree) -> ConnectionId:
    """A connection with both sandboxes."""
    personio = State.generate(employees=1, credential=Credential("papi-1", SECRET))
    personio_url = serve(create_personio(personio))
    declaree_url = serve(create_declaree(declaree)) + BASE_PATH
    return await asyncio.to_thread(add_connection, cli, "--personio-url", personio_url, "--declaree-url", declaree_url)


async def run_command(cli: Cli, *arguments: str) -> Result:
    """Runs a command while the sandboxes answer."""
    return await asyncio.to_thread(cli, *arguments)


async def test_fields_as_json_are_the_catalogue(cli: Cli, served: ConnectionId, store: Store) -> None:
    """Programs get both labels. Nothing is stored."""
    result = await run_command(cli, "mapping", "fields", served, "--json")

    catalogue = FieldCatalogue.model_validate_json(result.output)
    title = catalogue.find("title")

    assert catalogue.connection_id == served
    assert title is not None
    assert title.label_de == "Position"
    assert title.origin is FieldOrigin.BOTH
    assert await store.field_catalogues.get(served) is None


async def test_fields_of_a_server_that_refuses_the_key_are_an_error(
    cli: Cli, served: ConnectionId, declaree: Declaree
) -> None:
    """The documented fields would hide the reason."""
    declaree.api_key = "other"

    result = await run_command(cli, "mapping", "fields", served)

    assert result.exit_code == EX_CONFIG
    assert "refuses the key" in result.output


async def test_language_of_fields_is_english_or_german(cli: Cli, served: ConnectionId) -> None:
    """Another language is named as the option."""
    german = await run_command(cli, "mapping", "fields", served, "--lang", "de")
    other = await run_command(cli, "mapping", "fields", served, "--lang", "nl")

    assert "Mobiltelefon" in german.output
    assert other.exit_code == 2
    assert "--lang" in other.output


async def test_check_names_a_vanished_field_of_the_mapping(
    cli: Cli, served: ConnectionId, store: Store, file: Path
) -> None:
    """An earlier version of the server listed it. The check fails each time, until the mapping is right."""
    document = json.loads((await run_command(cli, "mapping", "export", served)).output)
    document["rules"].append({"target": "urn:x:2.0:User:code", "source": {"kind": "constant", "value": "K1"}})
    file.write_text(json.dumps(document))
    await run_command(cli, "mapping", "import", served, str(file), "--yes", "--accept-problems")
    code = TargetField(path="urn:x:2.0:User:code", label_en="", label_de="")
    await refresh_field_catalogue(store, served, [code], NOW)

    first = await run_command(cli, "connections", "check", served)
    second = await run_command(cli, "connections", "check", served)
    stored = await store.field_catalogues.get(served)

    assert "Declaree fields: rule 4 (urn:x:2.0:User:code): the server no longer lists the field" in first.output
    assert first.exit_code == 1
    assert second.output == first.output
    assert stored is not None
    assert stored.find("urn:x:2.0:User:code") is None


async def test_check_tells_of_new_fields_and_of_a_silent_server(
    cli: Cli, served: ConnectionId, store: Store, declaree: Declaree
) -> None:
    """A new version lists a further field. Another one lists nothing, and the last list stays in use."""
    await run_command(cli, "connections", "check", served)
    stored = await store.field_catalogues.get(served)
    assert stored is not None
    fields = tuple(field for field in stored.fields if not field.path.endswith(":travelPolicy"))
    await store.field_catalogues.save(stored.model_copy(update={"fields": fields}))

    new = await run_command(cli, "connections", "check", served)
    declaree.behaviour = declaree.behaviour.model_copy(update={"schemas": False, "resource_types": False})
    silent = await run_command(cli, "connections", "check", served)

    assert (
        "Declaree fields: ok, but a mapping can now write urn:ietf:params:scim:schemas:extension:declaree" in new.output
    )
    assert "the server no longer lists its fields" in silent.output
    assert silent.exit_code == 0


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "slow", "seconds": 3}])
async def test_check_reports_fields_that_cannot_be_read(
    cli: Cli, served: ConnectionId, declaree: Declaree, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object]
) -> None:
    """The server works, so that its accounts are right nevertheless."""
    monkeypatch.setattr(checks, "FIELDS_SECONDS", 1.0)
    declaree.faults.order(Fault.model_validate({"path": "/Schemas", "count": None} | fault))

    result = await run_command(cli, "connections", "check", served)

    assert "Declaree: ok\n" in result.output
    assert "Declaree fields: ok, but they cannot be read now: " in result.output
    assert result.exit_code == 0
