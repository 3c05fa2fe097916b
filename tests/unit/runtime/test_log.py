"""Logs contain ids and places in the code, never personal data."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from services.errors import PermanentError, TransientError
from services.runtime.log import SILENT, RateFilter, SafeJsonFormatter, configure, describe, log_unhandled

SECRET = "ada@nordlicht.example"
"""Personal data that must not appear in any line."""


class Output:
    """The lines that the process has logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        """All lines."""
        return self.stream.getvalue()

    @property
    def line(self) -> dict[str, Any]:
        """The only line."""
        (line,) = self.text.splitlines()
        return dict(json.loads(line))


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    """Configures the logging of a service, and restores that of the tests afterwards.

    Servers of other tests in this process may have given uvicorn's logger handlers of its own.
    """
    root, libraries = logging.getLogger(), [logging.getLogger(name) for name in SILENT]
    handlers, level, levels = list(root.handlers), root.level, [logger.level for logger in libraries]
    root.handlers[:] = []
    for logger in libraries:
        monkeypatch.setattr(logger, "propagate", True)
        monkeypatch.setattr(logger, "handlers", [])
    output = Output()
    configure("writer", "INFO", output.stream)
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger, before in zip(libraries, levels, strict=True):
        logger.setLevel(before)


def catch(error: Exception) -> Exception:
    """Returns the error with a traceback."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any error is returned
        return caught


# ------------------------------------------------------------ own lines


def test_line_names_time_level_logger_event_and_service(output: Output) -> None:
    """Extras of the product's own lines are ids, and become fields."""
    logging.getLogger("services.writer").warning("batch failed; retry in %.1f s", 0.25, extra={"connection": "c1"})

    assert output.line.pop("time")
    assert {name: value for name, value in output.line.items() if name != "time"} == {
        "level": "WARNING",
        "logger": "services.writer",
        "event": "batch failed; retry in 0.2 s",
        "service": "writer",
        "connection": "c1",
    }


def test_line_below_the_level_is_not_logged(output: Output) -> None:
    """The level is a setting."""
    logging.getLogger("services.writer").debug("detail")

    assert output.text == ""


# ------------------------------------------------------------ exceptions


@pytest.mark.expects_errors
def test_own_error_is_logged_with_its_message(output: Output) -> None:
    """Messages of the product's own errors contain ids only."""
    error = catch(TransientError("MongoDB does not answer"))

    logging.getLogger("services.writer").error("batch failed", exc_info=error)

    assert output.line["exc_info"].startswith("TransientError: MongoDB does not answer < ")
    assert "test_log.py:" in output.line["exc_info"]
    assert output.line["exc_info"].endswith(" catch")


@pytest.mark.promise("P7")
@pytest.mark.parametrize("logger", ["services.writer", "pymongo.command"])
@pytest.mark.expects_errors
def test_foreign_error_is_logged_without_its_message(output: Output, logger: str) -> None:
    """Its message may quote a value."""
    logging.getLogger(logger).error("batch failed", exc_info=catch(ValueError(SECRET)))

    assert SECRET not in output.text
    assert output.line["exc_info"].startswith("ValueError < ")


@pytest.mark.promise("P7")
@pytest.mark.expects_errors
def test_cause_of_an_own_error_is_not_logged(output: Output) -> None:
    """The cause is usually a foreign error."""
    error = TransientError("person c1/7 failed")
    error.__cause__ = catch(ValueError(SECRET))

    logging.getLogger("services.writer").error("batch failed", exc_info=catch(error))

    assert SECRET not in output.text
    assert "person c1/7 failed" in output.text


@pytest.mark.promise("P7")
@pytest.mark.expects_errors
def test_group_of_errors_is_logged_by_its_parts(output: Output) -> None:
    """Each part follows the rule for its own class."""
    group = ExceptionGroup(SECRET, [ValueError(SECRET), PermanentError("person c1/7 is rejected")])

    logging.getLogger("services.writer").error("batch failed", exc_info=catch(group))

    assert SECRET not in output.text
    assert "ExceptionGroup: ValueError; PermanentError: person c1/7 is rejected < " in output.line["exc_info"]


def test_traceback_has_at_most_six_places() -> None:
    """The innermost places are the useful ones."""

    def fail(depth: int) -> None:
        if depth == 0:
            raise ValueError
        fail(depth - 1)

    try:
        fail(20)
    except ValueError as error:
        text = SafeJsonFormatter().formatException((type(error), error, error.__traceback__))

    assert text.count(" < ") == 6
    assert text.endswith(" fail")


def test_missing_exception_gives_an_empty_text() -> None:
    """`exc_info=True` outside an `except` block."""
    assert SafeJsonFormatter().formatException((None, None, None)) == ""


@pytest.mark.promise("P7")
@pytest.mark.expects_errors
async def test_unhandled_exception_of_a_task_hides_its_message(output: Output) -> None:
    """The handler of asyncio would print it."""
    context = {"message": "Task exception was never retrieved", "exception": catch(ValueError(SECRET))}

    log_unhandled(asyncio.get_running_loop(), context)

    assert SECRET not in output.text
    assert output.line["event"] == "Task exception was never retrieved"
    assert output.line["exc_info"].startswith("ValueError < ")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TransientError("Kafka does not answer"), "TransientError: Kafka does not answer"),
        (ValueError(SECRET), "ValueError"),
        (
            ExceptionGroup(SECRET, [KeyError(SECRET), TransientError("no")]),
            "ExceptionGroup: KeyError; TransientError: no",
        ),
        (
            ExceptionGroup(SECRET, [ExceptionGroup(SECRET, [OSError(SECRET)]), TransientError("no")]),
            "ExceptionGroup: ExceptionGroup: OSError; TransientError: no",
        ),
        (BaseExceptionGroup(SECRET, [KeyboardInterrupt(SECRET)]), "BaseExceptionGroup: KeyboardInterrupt"),
    ],
    ids=["own", "foreign", "group", "nested group", "group of base exceptions"],
)
@pytest.mark.promise("P7")
def test_describe_shows_own_messages_and_foreign_types(error: BaseException, text: str) -> None:
    """The result may be logged, stored and shown."""
    assert describe(error) == text


# ------------------------------------------------------------ libraries


@pytest.mark.promise("P7")
def test_arguments_of_a_library_line_are_not_logged(output: Output) -> None:
    """A library may log what it sends or receives."""
    logging.getLogger("pymongo.command").warning("command %s failed", {"email": SECRET})

    assert SECRET not in output.text
    assert output.line["event"] == "command … failed"


@pytest.mark.promise("P7")
def test_extras_of_a_library_line_are_not_logged(output: Output) -> None:
    """Extras would become fields of the line."""
    logging.getLogger("aiohttp.client").warning("request failed", extra={"body": SECRET, "address": SECRET})

    assert SECRET not in output.text
    assert output.line.keys() == {"time", "level", "logger", "event", "service"}


@pytest.mark.promise("P7")
def test_library_line_ends_after_the_first_line_of_its_template(output: Output) -> None:
    """A library may append the data to a template of several lines."""
    logging.getLogger("pymongo.topology").warning(f"message rejected\n{SECRET}\n%s", "x")  # noqa: G004 - as a library may do

    assert SECRET not in output.text
    assert output.line["event"] == "message rejected"


@pytest.mark.promise("P7")
def test_library_line_without_a_template_names_the_type(output: Output) -> None:
    """A library may log an exception or another object as its message, and its text may quote data."""
    logging.getLogger("pymongo.topology").warning(ValueError(f"message rejected: {SECRET}"))

    assert SECRET not in output.text
    assert output.line["event"] == "ValueError"


@pytest.mark.promise("P7")
@pytest.mark.parametrize("library", SILENT)
def test_silent_library_logs_warnings_only(output: Output, library: str) -> None:
    """Its other lines contain addresses with e-mail addresses, or requests to the health server."""
    logging.getLogger(library).info(f"GET /Users?filter={SECRET}")  # noqa: G004 - as a library may do
    logging.getLogger(library).warning("connection lost")

    assert SECRET not in output.text
    assert output.line["event"] == "connection lost"


def test_noisy_library_is_limited_in_the_process(output: Output) -> None:
    """`configure` installs the rate filter."""
    for _ in range(100):
        logging.getLogger("aiokafka.conn").error("broker is unavailable")
        logging.getLogger("aiokafka.conn").info("trying again")

    assert output.line["event"] == "broker is unavailable"


# ------------------------------------------------------------ rate filter


def make_record(name: str, level: int = logging.WARNING, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, level, "library.py", line, "message", None, None)


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_rate_filter_passes_a_line_once_in_an_interval() -> None:
    """A repeated line says nothing new while a server is unavailable."""
    clock = Clock()
    rate_filter = RateFilter(10, clock)

    passed = []
    for _ in range(5):
        passed.append(rate_filter.filter(make_record("aiokafka.conn")))
        clock.seconds += 4

    assert passed == [True, False, False, True, False]


def test_rate_filter_limits_each_line_of_code_separately() -> None:
    """One frequent line hides no other one."""
    rate_filter = RateFilter(10, Clock())

    passed = [rate_filter.filter(make_record("pymongo", line=line)) for line in (1, 2, 1, 2, 3)]

    assert passed == [True, True, False, False, True]


def test_rate_filter_drops_lower_levels_of_noisy_libraries() -> None:
    """Only their warnings and errors are useful."""
    rate_filter = RateFilter(10, Clock())

    assert not rate_filter.filter(make_record("faststream", logging.INFO))
    assert rate_filter.filter(make_record("faststream", logging.ERROR))


@pytest.mark.parametrize("name", ["services.writer", "kafkaesque"])
def test_rate_filter_does_not_limit_other_loggers(name: str) -> None:
    """Own lines are all logged, and a name that only begins like a library's is another logger."""
    rate_filter = RateFilter(10, Clock())

    assert [rate_filter.filter(make_record(name, logging.DEBUG)) for _ in range(3)] == [True, True, True]
