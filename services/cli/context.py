"""What every command needs: settings, the store, and a way to say results and errors."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic_core import to_jsonable_python

from services.errors import ConfigurationError, ConnectorError, TransientError
from services.runtime.log import NOISY, configure
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

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Id = Annotated[str, typer.Argument(help="The connection's id (see `connections list`).")]


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


def run(work: Callable[[CliSettings, Store], Awaitable[T]], *, service: str = "cli", log_level: str | None = None) -> T:
    """Runs a command's work; an error becomes one line and an exit code. A ``log_level`` is given by what is a service."""
    if log_level is None:
        _speak_alone()
    else:
        configure(service, log_level)
    given = settings()

    async def working() -> T:
        async with open_store(given) as store:
            return await work(given, store)

    try:
        return asyncio.run(working())
    except ConnectorError as error:
        fail(error)


def _speak_alone() -> None:
    """A command's output is its own word; what a library has to say of a server that is away, the command says itself."""
    configure("cli", "ERROR", stream=sys.stderr)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def fail(error: ConnectorError) -> NoReturn:
    say_wrong(str(error))
    if isinstance(error, TransientError):
        raise typer.Exit(EX_TEMPFAIL)
    raise typer.Exit(EX_CONFIG if isinstance(error, ConfigurationError) else 1)


def say(text: str, value: Any, *, as_json: bool) -> None:
    """The result: for people, or with ``--json`` for machines; secrets stay masked."""
    print(json.dumps(to_jsonable_python(value), ensure_ascii=False) if as_json else _harmless(text))  # noqa: T201 - the command's word


def say_wrong(text: str) -> None:
    """Why there is no result."""
    print(_harmless(text), file=sys.stderr)  # noqa: T201 - as above


def _harmless(text: str) -> str:
    """Names and answers come from elsewhere, and may hold what a terminal takes for commands."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
