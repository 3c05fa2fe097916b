"""Runs work on large bodies in threads, so that the event loop goes on serving all other connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MAX_THREADS = 2
"""Maximum number of bodies of a process that are unpacked or decoded at once. Further ones wait."""
_THREADS = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="http-body")


async def run_in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a function in one of the threads and returns its result."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *args, **kwargs))
