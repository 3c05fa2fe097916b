"""A poller as a process that stops itself at a chosen point of a release, and with a clock that may be wrong.

CLOCK_OFFSET_SECONDS=600 STOP_AT=save STOP_WHEN=<file> python -m tests.support.stopped_poller
"""

import os
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.poller.app import create_app
from services.poller.settings import PollerSettings
from services.runtime.clock import SystemClock
from services.runtime.entrypoint import run_service
from services.runtime.kafka.publisher import Publisher
from services.store.database import open_store
from services.store.snapshots import Snapshots


class WrongClock(SystemClock):
    """The clock of a machine with another time."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` is how far the clock is ahead; negative if it is behind."""
        self._offset = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Returns the wrong time."""
        return super().now() + self._offset


class Stop:
    """Stops this process once, at a call of a method after the first one since the file ``when`` exists."""

    def __init__(self, when: Path, *, calls: int) -> None:
        """``calls`` is the number of the call."""
        self._when = when
        self._left = calls

    def reach(self) -> None:
        """Stops the process here if it is the right call. The process continues from here."""
        if self._when.exists() and self._left:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGSTOP)


def stop_at(point: str, when: Path) -> None:
    """Makes this process stop in a release: at the second ``save`` or ``publish``, or once the first page is ``published``."""
    owner: type = Snapshots if point == "save" else Publisher
    name = "save" if point == "save" else "publish"
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)
    stop = Stop(when, calls=1 if point == "published" else 2)

    async def call(*values: Any) -> Any:
        if point != "published":
            stop.reach()
        result = await original(*values)
        if point == "published":
            stop.reach()
        return result

    setattr(owner, name, call)


def main() -> None:
    """Runs the poller until a signal ends it."""
    if point := os.environ.get("STOP_AT"):
        stop_at(point, Path(os.environ["STOP_WHEN"]))
    clock = WrongClock(float(os.environ.get("CLOCK_OFFSET_SECONDS", "0")))
    run_service("poller", PollerSettings, lambda settings: create_app(settings, open_store(settings), clock))


if __name__ == "__main__":
    main()
