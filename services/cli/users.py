"""The commands ``users …``."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from services.admin import users as admin_users
from services.admin.install import repeat_until_available
from services.cli.context import Json, fail, silence_libraries
from services.cli.output import print_result
from services.errors import ConnectorError
from services.runtime.clock import SystemClock
from services.runtime.environment import load
from services.runtime.settings import KafkaSettings, MongoSettings

app = typer.Typer(no_args_is_help=True, help="Create the users of the services in Kafka and MongoDB.")

Folder = Annotated[Path, typer.Argument(help="The folder with the files that `make env` writes.")]
Wait = Annotated[int, typer.Option("--wait", help="Seconds to wait until the server answers.")]


@app.command("kafka")
def kafka(folder: Folder, wait: Wait = 0, as_json: Json = False) -> None:
    """Create the users in Kafka, set their passwords, and give each user exactly the rights it needs.

    KAFKA_SASL_USERNAME has to name a user with all rights. The command can be repeated at any time.
    """
    settings = load(KafkaSettings)
    _run(lambda: admin_users.create_kafka_users(settings, folder), wait, as_json=as_json)


@app.command("mongodb")
def mongodb(folder: Folder, wait: Wait = 0, as_json: Json = False) -> None:
    """Create the users in MongoDB, set their passwords, and give each user exactly the rights it needs.

    Run it on the machine, or in the container, of the MongoDB server: a server without users accepts no other connection. If
    the server has no replica set yet, the command initiates it. The command can be repeated at any time.
    """
    settings = load(MongoSettings)
    _run(lambda: admin_users.create_mongodb_users(settings, folder), wait, as_json=as_json)


def _run(attempt: Callable[[], Awaitable[tuple[str, ...]]], wait: int, *, as_json: bool) -> None:
    """Repeats the attempt until the server answers, and prints what it created."""
    silence_libraries()
    try:
        lines = asyncio.run(repeat_until_available(attempt, SystemClock(), seconds=wait))
    except ConnectorError as error:
        fail(error)
    print_result("\n".join(lines) or "Nothing to create: all users and rights exist.", lines, as_json=as_json)
