"""The order in which the parts of a process start and stop."""

import asyncio

import pytest

from services.errors import TransientError
from services.runtime.metrics import Metrics
from services.runtime.process import Process
from services.runtime.settings import ProcessSettings
from tests.support.fakes import FakeClock
from tests.support.waiting import wait_until

pytestmark = pytest.mark.expects_errors


class ServerDownError(TransientError):
    """A server that a part needs does not answer."""


class Part:
    """A part that notes its start and its end."""

    def __init__(self, name: str, log: list[str], *, failures: int = 0) -> None:
        """``log`` is shared by all parts. The part fails to start this number of times."""
        self.name = name
        self.log = log
        self.failures = failures

    async def start(self) -> None:
        """Starts, or fails."""
        if self.failures:
            self.failures -= 1
            raise ServerDownError("does not answer")
        self.log.append(f"start {self.name}")

    async def stop(self) -> None:
        """Stops, with an error if the name says so."""
        self.log.append(f"stop {self.name}")
        if self.name == "broken":
            raise RuntimeError("cannot stop")


def build_process(*parts: Part) -> Process:
    """Returns a process of these parts."""
    process = Process("test", ProcessSettings(http_port=0), FakeClock(), Metrics())
    for part in parts:
        process.add(part.name, part)
    return process


async def test_parts_stop_in_reverse_order_of_starting() -> None:
    """A part uses those that were started before it until it has stopped: the schedule needs Kafka and MongoDB to its end."""
    log: list[str] = []
    process = build_process(*(Part(name, log) for name in ("MongoDB", "Kafka", "schedule")))
    running = asyncio.create_task(process.main())
    await wait_until(lambda: len(log) == 3)

    process.fatal("the end of the test")

    assert await running == 1
    assert log == [
        "start MongoDB", "start Kafka", "start schedule", "stop schedule", "stop Kafka", "stop MongoDB",
    ]  # fmt: skip


async def test_part_that_does_not_stop_cleanly_stops_no_other_part() -> None:
    """The parts before it are still stopped."""
    log: list[str] = []
    process = build_process(Part("MongoDB", log), Part("broken", log))
    running = asyncio.create_task(process.main())
    await wait_until(lambda: len(log) == 2)

    process.fatal("the end of the test")
    await running

    assert log[2:] == ["stop broken", "stop MongoDB"]


async def test_part_starts_after_those_before_it() -> None:
    """A part that cannot start yet is tried again, and the next one waits for it."""
    log: list[str] = []
    process = build_process(Part("MongoDB", log, failures=3), Part("schedule", log))
    running = asyncio.create_task(process.main())
    await wait_until(lambda: len(log) == 2)

    process.fatal("the end of the test")
    await running

    assert log[:2] == ["start MongoDB", "start schedule"]
