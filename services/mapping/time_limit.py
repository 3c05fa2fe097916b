"""The time of the processor that a mapping has for one employee."""

import time
from collections.abc import Callable

from services.mapping.rules import RejectedError

MAX_SECONDS = 0.1
"""Longest time of the processor for one employee. A mapping of 100 rules without expressions takes a thousandth of it."""


class TimeLimit:
    """Watches the evaluation of one employee. A single step may end after the limit: the next one does not begin."""

    def __init__(self, processor_time: Callable[[], float] = time.thread_time) -> None:
        """``processor_time`` returns the seconds that the processor has worked for the thread."""
        self._processor_time = processor_time
        self._ends_at = processor_time() + MAX_SECONDS

    def check(self, target: str) -> None:
        """Raises ``RejectedError`` after the end of the time; ``target`` is the field that is computed."""
        if self._processor_time() > self._ends_at:
            raise RejectedError(
                f"the mapping takes longer than {MAX_SECONDS} s up to {target}: simplify expressions and patterns, or shorten "
                "the values in Personio",
                target,
            )
