"""The parts that commands share: settings, store, publisher and exit codes."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, NoReturn, TypeVar

import typer

from services.admin.connection_names import find_connection
from services.cli.output import print_error
from services.clients.declaree.errors import (
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeWrongAddressError,
)
from services.contracts.ids import ConnectionId
from services.errors import ConfigurationError, ConnectorError, TransientError
from services.runtime.environment import EX_CONFIG, load
from services.runtime.kafka.publisher import Publisher
from services.runtime.log import NOISY, configure
from services.runtime.settings import AddressSettings, EncryptionSettings, KafkaSettings, MongoSettings, PollingSettings
from services.store.database import Store, open_store

EX_TEMPFAIL = 75
"""Exit code of a command that may succeed later (sysexits.h)."""

TO_CORRECT = (ConfigurationError, DeclareeKeyRefusedError, DeclareeForbiddenError, DeclareeWrongAddressError)
"""Errors that a person has to correct. For the writer those of Declaree are transient, because the changes stay valid."""

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Id = Annotated[str, typer.Argument(help="The connection: its name, its id, or the beginning of either.")]


class CliSettings(KafkaSettings, MongoSettings, EncryptionSettings, AddressSettings, PollingSettings):
    """The settings that commands read."""


def load_settings() -> CliSettings:
    """Returns the settings. Ends the process with exit code 78 if one is missing or invalid."""
    return load(CliSettings)


@asynccontextmanager
async def open_publisher(settings: CliSettings) -> AsyncIterator[Publisher]:
    """Yields a started publisher, and stops it afterwards."""
    publisher = Publisher(settings, "cli")
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


def run(work: Callable[[CliSettings, Store], Awaitable[T]], *, service: str = "cli", log_level: str | None = None) -> T:
    """Runs the work of a command and returns its result. An error becomes one line and an exit code.

    ``service`` is the name in the logs. ``log_level`` is for commands that run as a service; None logs errors only, to
    standard error.
    """
    if log_level is None:
        silence_libraries()
    else:
        configure(service, log_level)
    settings = load_settings()

    async def run_with_store() -> T:
        store = open_store(settings)
        try:
            return await work(settings, store)
        finally:
            store.close()

    try:
        return asyncio.run(run_with_store())
    except ConnectorError as error:
        fail(error)


def silence_libraries() -> None:
    """Turns off the log messages of libraries. The command itself reports a server that does not answer."""
    configure("cli", "ERROR", stream=sys.stderr)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def fail(error: ConnectorError) -> NoReturn:
    """Prints the error and ends the command: 78 if a person has to correct something, 75 if a retry may help, else 1."""
    print_error(str(error))
    if isinstance(error, TO_CORRECT):
        raise typer.Exit(EX_CONFIG)
    raise typer.Exit(EX_TEMPFAIL if isinstance(error, TransientError) else 1)


def find_id(named: str, *, is_exact: bool = False) -> ConnectionId:
    """Returns the id of the connection that is named as ``find_connection`` reads it. Ends the command if none fits, or several do."""
    return run(lambda _, store: find_connection(store, named, is_exact=is_exact))
