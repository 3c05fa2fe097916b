"""What every command needs: settings, the store, and a way to say results and errors."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console

from services.errors import ConfigurationError, ConnectorError, TransientError
from services.runtime.log import configure
from services.runtime.producer import Publisher
from services.runtime.settings import (
    EX_CONFIG,
    EncryptionSettings,
    KafkaSettings,
    MongoSettings,
    load,
    read_secret_files,
)
from services.store.database import Store

EX_TEMPFAIL = 75

T = TypeVar("T")

err = Console(stderr=True)


class CliSettings(KafkaSettings, MongoSettings, EncryptionSettings):
    """What the commands need."""


def settings() -> CliSettings:
    read_secret_files()
    return load(CliSettings)


@asynccontextmanager
async def open_store(given: CliSettings) -> AsyncIterator[Store]:
    store = Store.connect(given.mongodb_url, given.mongodb_database, given.keys, timeout_ms=given.mongodb_timeout_ms)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def open_publisher(given: CliSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(given, "cli")
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


def run(work: Callable[[CliSettings, Store], Awaitable[T]], *, service: str = "cli", log_level: str = "ERROR") -> T:
    """Runs a command's work; an error becomes one line and an exit code."""
    configure(service, log_level)
    given = settings()

    async def working() -> T:
        async with open_store(given) as store:
            return await work(given, store)

    try:
        return asyncio.run(working())
    except ConnectorError as error:
        fail(error)


def fail(error: ConnectorError) -> NoReturn:
    print(error, file=sys.stderr)  # noqa: T201 - the command's word
    if isinstance(error, TransientError):
        raise typer.Exit(EX_TEMPFAIL)
    raise typer.Exit(EX_CONFIG if isinstance(error, ConfigurationError) else 1)


def say(text: str, value: Any, *, as_json: bool) -> None:
    """The result: for people, or with ``--json`` for machines; secrets stay masked."""
    print(json.dumps(to_jsonable_python(value), ensure_ascii=False) if as_json else text)  # noqa: T201 - the command's word
