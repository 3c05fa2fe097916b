"""What a loop that runs as a process of its own says at its end."""

import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import uvloop


def timed(loop: Callable[[], Awaitable[Counter[str]]]) -> None:
    """Runs ``loop`` on uvloop, as the services run, and prints what it counted, its seconds, CPU and peak memory."""

    async def measured() -> dict[str, object]:
        began, cpu = time.perf_counter(), time.process_time()
        counts = await loop()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        return {"counts": counts, "seconds": seconds, "cpu_seconds": cpu_seconds}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(measured())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**outcome, "peak_mib": peak}))
