"""The measurement of a loop that runs as a process of its own."""

import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import uvloop


def run_measured(loop: Callable[[], Awaitable[Counter[str]]]) -> None:
    """Runs ``loop`` on uvloop, as the services run; prints its counts, seconds, CPU seconds and peak memory as JSON."""

    async def measure() -> dict[str, object]:
        began, cpu = time.perf_counter(), time.process_time()
        counts = await loop()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        return {"counts": counts, "seconds": seconds, "cpu_seconds": cpu_seconds}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(measure())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**result, "peak_mib": peak}))
