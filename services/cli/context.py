"""What every command needs: settings, the store, and a way to say results and errors."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, is_dataclass
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import BaseModel
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


def run(work: Callable[[CliSettings, Store], Awaitable[T]]) -> T:
    """Runs a command's work; an error becomes one line and an exit code."""
    configure("cli", "ERROR")
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


def plain(value: Any) -> Any:
    """A result as JSON knows it; secrets stay masked."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in asdict(value)}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value


def say(text: str, value: Any, *, as_json: bool) -> None:
    """The result: for people, or with ``--json`` for machines."""
    print(json.dumps(plain(value), ensure_ascii=False) if as_json else text)  # noqa: T201 - the command's word
