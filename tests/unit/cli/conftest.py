import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from services.cli.__main__ import app
from services.runtime.log import NOISY, SILENT
from tests.stack import MongoServers


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands set up the logging of the whole process; the tests after this one have their own."""
    root, names = logging.getLogger(), (*SILENT, *NOISY)
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@dataclass(frozen=True)
class Cli:
    """Runs a command as a person would, with this environment and nothing else."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin, env={**self.environment, **environment})


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of servers that do not answer."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL", "ENCRYPTION_KEYS", "PERSONIO_CLIENT_SECRET", "DECLAREE_KEY"):
        monkeypatch.setenv(name, "")  # what a command sets is gone after the test
        monkeypatch.delenv(name)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "MONGODB_URL": "mongodb://127.0.0.1:9",
        "MONGODB_TIMEOUT_MS": "200",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }


@pytest.fixture
def offline(settings: dict[str, str]) -> Cli:
    return Cli(settings)


@pytest.fixture
async def cli(settings: dict[str, str], mongo: MongoServers, prepared_database: str) -> Cli:
    """With a real MongoDB."""
    found = {"MONGODB_URL": mongo.url, "MONGODB_DATABASE": prepared_database, "MONGODB_TIMEOUT_MS": "10000"}
    return Cli({**settings, **found})
