"""`mapping export` and `mapping import` on a real MongoDB."""

import json
from pathlib import Path

import pytest

from services.contracts.ids import ConnectionId
from services.runtime.environment import EX_CONFIG
from tests.support.command_line import Cli

pytestmark = pytest.mark.mongo


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for a mapping document."""
    return tmp_path / "mapping.json"


def read_mapping_version(cli: Cli) -> int:
    """Returns the published version as `status` prints it."""
    (status,) = json.loads(cli("status", "--json").output)
    return int(status["mapping_version"])


def test_exported_mapping_is_imported_as_the_next_version(cli: Cli, connection: ConnectionId, file: Path) -> None:
    """An export and an import change nothing but the version, and each import publishes one."""
    document = cli("mapping", "export", connection).output
    file.write_text(document)

    first = cli("mapping", "import", connection, str(file), "--json")
    second = cli("mapping", "import", connection, str(file))

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
        ("{", "document"),
        ("[]", "document"),
        ('{"rules": [{"target": "userName", "source": {"kind": "constant", "value": 1}}]}', "rules.0"),
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
