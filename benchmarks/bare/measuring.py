"""The measurement of a loop that runs as a process of its own."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks.processes import read_usage


def run_measured(
    loop: Callable[[], Awaitable[Counter[str]]],
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """Runs ``loop``, and prints its counts, seconds, CPU seconds and memory as JSON.

    ``new_loop`` makes the event loop: uvloop as in the services, or that of asyncio as in commands.
    """

    async def measure() -> dict[str, object]:
        before = read_usage(os.getpid()).resident_mib
        began, cpu = time.perf_counter(), time.process_time()
        counts = await loop()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        peak = read_usage(os.getpid()).peak_mib
        memory = {"peak_mib": peak, "growth_mib": peak - before}
        return {"counts": counts, "seconds": seconds, "cpu_seconds": cpu_seconds, **memory}

    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(json.dumps(runner.run(measure())))
