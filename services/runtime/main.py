"""What every ``__main__`` of a deployable does: logs, event loop, exit code."""

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable

import uvloop

from services.errors import ConfigurationError
from services.runtime.log import configure, log_unhandled
from services.runtime.settings import EX_CONFIG, ProcessSettings

logger = logging.getLogger(__name__)

YOUNG_OBJECTS = 50_000
"""So many more objects than were freed make the collector look for cycles: about what a batch of events is made of, where
Python's own 700 would have it look at each of them again and again."""


def run(service: str, settings: ProcessSettings, start: Callable[[], Awaitable[int]]) -> None:
    """Ends the process with ``start``'s exit code, or with 78 where the configuration is at fault."""
    configure(service, settings.log_level)
    gc.freeze()  # what was imported stays
    gc.set_threshold(YOUNG_OBJECTS)

    async def started() -> int:
        asyncio.get_running_loop().set_exception_handler(log_unhandled)
        return await start()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.exit(runner.run(started()))
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the last word of a process that cannot work
        sys.exit(EX_CONFIG)
    except Exception as error:
        logger.critical("the process ends with an unexpected error", exc_info=error)
        sys.exit(1)
