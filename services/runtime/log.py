"""Structured JSON logs with ids and without personal data.

An exception of our own tree is logged with its message, which holds ids alone; of any other only the type and where
it was raised, since foreign messages may quote what they were given.
"""

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from services.errors import ConnectorError

OURS = "services"

NOISY = ("aiokafka", "faststream", "pymongo", "motor", "kafka")
"""Libraries that repeat one line many times a second while a server is away."""

SILENT = ("httpx", "httpcore", "uvicorn")
"""Libraries whose lines hold addresses with e-mails in them, or say that somebody asked for our health."""

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class QuietExceptions(JsonFormatter):
    """JSON lines whose exceptions name types and places, never values."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        _, error, trace = ei
        if error is None:
            return ""
        frames = traceback.extract_tb(trace)
        where = [f"{frame.filename.rsplit('/services/')[-1]}:{frame.lineno} {frame.name}" for frame in frames[-6:]]
        return " < ".join([describe(error), *reversed(where)])


def describe(error: BaseException) -> str:
    """What may be said of an exception: our own message, or the foreign type."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__}: " + "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}" if isinstance(error, ConnectorError) else type(error).__name__


class Thinning(logging.Filter):
    """Of the lines that noisy libraries repeat, one per place and interval passes."""

    def __init__(self, every_seconds: float = 10.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every = every_seconds
        self._monotonic = monotonic
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in NOISY:
            return True
        if record.levelno < logging.WARNING:
            return False
        place, now = (record.pathname, record.lineno), self._monotonic()
        if place in self._last and now - self._last[place] < self._every:
            return False
        self._last[place] = now
        return True


class ForeignMessages(logging.Filter):
    """What a library puts into its message, or beside it, may be what we sent: the first line of its template is enough."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != OURS:
            record.msg = str(record.msg).partition("\n")[0]
            record.args = None
            for name in record.__dict__.keys() - STANDARD:
                del record.__dict__[name]
        return True


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """In place of asyncio's own handler, which prints the values of exceptions."""
    logging.getLogger(__name__).error("%s", context["message"], exc_info=context.get("exception"))


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """To standard output, unless that is for something else."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        QuietExceptions(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
            static_fields={"service": service},
        )
    )
    handler.addFilter(Thinning())
    handler.addFilter(ForeignMessages())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.WARNING)
