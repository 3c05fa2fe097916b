"""Loops that run in the background of a process and never end on their own."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from services.runtime.log import describe

logger = logging.getLogger(__name__)


class Background:
    """A loop, as a part of a process. If the loop ends, the process ends too."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], fatal: Callable[[str], None]) -> None:
        """``name`` is the subject of log lines, such as "the schedule". ``fatal`` ends the process with a reason."""
        self._name = name
        self._work = work
        self._fatal = fatal
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the loop has been started and has not ended."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Starts the loop. Does nothing while it runs."""
        if not self.is_running:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Cancels the loop and waits for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:
            logger.error("%s has ended", self._name, exc_info=error)
            self._fatal(f"{self._name} has ended: {describe(error)}")
        else:
            self._fatal(f"{self._name} has ended without an error")
