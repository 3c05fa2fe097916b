"""Further processes for work that computes and does nothing else: one process of Python uses one processor."""

import asyncio
import gc
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import aclosing, contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.forkserver import ensure_running
from threading import Thread
from typing import TypeVar

from services.runtime.reading_ahead import read_ahead

A = TypeVar("A")
R = TypeVar("R")

logger = logging.getLogger(__name__)

MAX_PROCESSES = 3
"""Maximum number of processes. Each needs about 80 MiB."""
_QUEUED = 8
"""Number of calls for each process that are begun before the result of the first one is taken."""


class Processes:
    """Calls functions in other processes once they are started, and in this process before."""

    def __init__(self, executor: Executor | None, number: int) -> None:
        """``executor`` has ``number`` processes; None calls everything in this process."""
        self._executor = executor
        self._number = number
        self._first: Future[None] | None = None

    @property
    def is_started(self) -> bool:
        """Whether functions are called in other processes."""
        return self._first is not None and self._executor is not None

    def start(self) -> None:
        """Has the calls made in other processes, if there are any, as soon as the first one is there. That takes about a second."""
        if self._executor is not None and self._first is None:
            try:
                self._first = self._executor.submit(_do_nothing)
            except OSError:  # the server that begins them has ended
                _tell_absence()
                self._executor = None

    async def map(self, function: Callable[[A], R], arguments: AsyncGenerator[A, None]) -> AsyncGenerator[R, None]:
        """Yields what a function returns for each argument, in their order. Function, arguments and results can be pickled.

        The next argument is read while a result is worked on. Close the generator: it closes ``arguments``, and cancels the calls
        that have not ended.
        """
        running: deque[asyncio.Future[R]] = deque()
        try:
            async with aclosing(read_ahead(arguments)) as coming:
                async for argument in coming:
                    running.append(asyncio.ensure_future(self._call(function, argument)))
                    while len(running) > (self._number * _QUEUED if self.is_started else 0):
                        yield await running.popleft()
                while running:
                    yield await running.popleft()
        finally:
            for call in running:
                call.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _call(self, function: Callable[[A], R], argument: A) -> R:
        if self._first is not None and self._first.done():
            call = self._submit(function, argument)
            try:
                if call is not None:
                    return await asyncio.wrap_future(call)
            except BrokenProcessPool:  # such as one that needed more memory than there is
                self._give_up()
        return function(argument)

    def _submit(self, function: Callable[[A], R], argument: A) -> "Future[R] | None":
        """Begins a call in another process, which may begin the process. Returns None without one."""
        try:
            return None if self._executor is None else self._executor.submit(function, argument)
        except (BrokenProcessPool, OSError):  # a process, or the server that begins them, has ended
            self._give_up()
            return None

    def _give_up(self) -> None:
        if self._executor is not None:  # all calls that were begun end so, and one of them tells it
            logger.warning(
                "a process ended before its work was done: the work goes on in this process, and takes longer"
            )
        self._executor = None


@contextmanager
def open_processes(*modules: str) -> Iterator[Processes]:
    """Yields the processes of this machine, which end with the context. A machine with one processor has none.

    ``modules`` have the functions and what is passed to them: they are imported once for all processes, by a server that begins the
    processes, and ends with this one. The context waits for the calls that are being made.
    """
    number = min(_count_processors(), MAX_PROCESSES)
    executor = _open_executor(number, modules) if number > 1 else None
    try:
        yield Processes(executor, number)
    finally:
        if executor is not None:
            executor.shutdown(cancel_futures=True)


def _count_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open_executor(number: int, modules: Iterable[str]) -> Executor | None:
    # a process that is forked from this one would share its connections, and the state of its threads
    context = get_context("forkserver")
    context.set_forkserver_preload([*modules])
    try:
        ensure_running()  # it imports the module while this process does something else
        return ProcessPoolExecutor(number, mp_context=context, initializer=_prepare)
    except (OSError, NotImplementedError, ImportError):
        _tell_absence()
        return None


def _tell_absence() -> None:
    logger.info("no further process can be begun on this machine: all work is done in this one")


def _do_nothing() -> None:
    """Shows by its end that a process is there."""


def _prepare() -> None:
    """Prepares another process: Ctrl-C ends this one, which then ends the others, and they end with this one in any case."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what was imported stays: no collection has to look at it
    Thread(target=_end_with_parent, name="end with the parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
