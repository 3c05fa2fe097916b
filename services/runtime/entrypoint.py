"""The start of every service: settings, logs, event loop, exit code."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from typing import TypeVar

import uvloop

from services.errors import ConfigurationError
from services.runtime.environment import EX_CONFIG, load
from services.runtime.log import configure, log_unhandled
from services.runtime.process import Process
from services.runtime.settings import ProcessSettings

logger = logging.getLogger(__name__)

GC_THRESHOLD = 50_000
"""Allocations before a garbage collection: about the objects of one batch. Python's default of 700 would scan each batch
many times."""

S = TypeVar("S", bound=ProcessSettings)


def run_service(service: str, settings_type: type[S], create_app: Callable[[S], Process]) -> None:
    """Runs a service and ends the process with the service's exit code; 78 for a wrong configuration."""
    settings = load(settings_type)
    configure(service, settings.log_level)
    gc.freeze()  # imported objects live as long as the process, so the collector need not scan them
    gc.set_threshold(GC_THRESHOLD)

    async def run() -> int:
        asyncio.get_running_loop().set_exception_handler(log_unhandled)
        return await create_app(settings).main()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.exit(runner.run(run()))
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator starts the process at a terminal
        sys.exit(EX_CONFIG)
    except Exception as error:
        logger.critical("unexpected error: the process ends", exc_info=error)
        sys.exit(1)
