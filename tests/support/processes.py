"""Calls that are made as in another process, and are made in this one, so that they are quick and deterministic."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from services.runtime.processes import Processes


def _copy(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - it is our own


class PicklingExecutor(Executor):
    """Gives each call what another process would get: copies of the function and of its arguments."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        """What the calls have returned."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Makes the call at once."""
        future: Future[Any] = Future()
        call, arguments, options = _copy((fn, args, kwargs))
        try:
            self.results.append(_copy(call(*arguments, **options)))
            future.set_result(self.results[-1])
        except Exception as error:  # noqa: BLE001 - as the executors of Python do
            future.set_exception(error)
        return future


class StartedProcesses:
    """Processes that are started from the first call on."""

    def __init__(self) -> None:
        self.executor = PicklingExecutor()
        """What makes the calls."""

    @contextmanager
    def open(self, *modules: str) -> Iterator[Processes]:
        """Yields the processes. They need no ``modules``."""
        del modules
        processes = Processes(self.executor, 2)
        processes.start()
        yield processes
