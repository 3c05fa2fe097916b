"""Structured JSON logs with ids and without personal data.

The product's own exceptions are logged with their message, which contains ids only. The message of any other exception
may quote a value, so only the type and the location in the code are logged.
"""

import asyncio
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from services.errors import ConnectorError

OURS = "services"
"""Root of the product's own loggers."""

NOISY = ("aiokafka", "faststream", "pymongo", "motor", "kafka")
"""Libraries that repeat a line many times a second while a server is unavailable."""

SILENT = ("httpx", "httpcore", "uvicorn")
"""Libraries that log each request. The URLs of requests to Declaree contain e-mail addresses, and requests to the health
server are frequent. Only warnings of these libraries are logged."""

_STANDARD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

_MAX_FRAMES = 6
"""Number of innermost frames of a traceback that are logged."""

_PLACEHOLDER = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?[a-z]")
"""A placeholder of a message template. Its argument is not logged, so an ellipsis takes its place."""


class SafeJsonFormatter(JsonFormatter):
    """Formats records as JSON lines. Exceptions appear as types and places in the code, without values."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is given by logging
        """Returns the exception and the code lines of its traceback, the innermost first, as one line of text."""
        _, error, trace = ei
        if error is None:
            return ""
        frames = traceback.extract_tb(trace)[-_MAX_FRAMES:]
        places = [f"{frame.filename.rsplit('/services/')[-1]}:{frame.lineno} {frame.name}" for frame in frames]
        return " < ".join([describe(error), *reversed(places)])


def describe(error: BaseException) -> str:
    """Returns an exception as text without personal data: its type and, if the product defines the type, its message."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__}: " + "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}" if isinstance(error, ConnectorError) else type(error).__name__


class RateFilter(logging.Filter):
    """Passes one warning of a noisy library per interval and line of the library's code. Drops its other records."""

    def __init__(self, interval_seconds: float = 10.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        """``monotonic`` returns the seconds of a clock that never goes back; tests replace it."""
        super().__init__()
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._last_passed: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether the record is logged."""
        if record.name.partition(".")[0] not in NOISY:
            return True
        if record.levelno < logging.WARNING:
            return False
        line, now = (record.pathname, record.lineno), self._monotonic()
        if line in self._last_passed and now - self._last_passed[line] < self._interval_seconds:
            return False
        self._last_passed[line] = now
        return True


class LibraryMessageFilter(logging.Filter):
    """Reduces a library's log record to the first line of its message template.

    A message that is not a string, such as an exception, is reduced to the name of its type. The arguments and extra fields
    of the record may contain personal data, so they are removed.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record of a library. Returns True, because every record is logged."""
        if record.name.partition(".")[0] != OURS:
            message = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            record.msg = _PLACEHOLDER.sub("…", message.partition("\n")[0])
            record.args = None
            for name in record.__dict__.keys() - _STANDARD_ATTRIBUTES:
                del record.__dict__[name]
        return True


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs an exception that no task has handled. Replaces asyncio's own handler, which logs the exception's message."""
    logging.getLogger(__name__).error("%s", context["message"], exc_info=context.get("exception"))


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Sends all logs of the process as JSON lines to ``stream``; None is standard output."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        SafeJsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
            static_fields={"service": service},
        )
    )
    handler.addFilter(RateFilter())
    handler.addFilter(LibraryMessageFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.WARNING)
