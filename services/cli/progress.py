"""Progress of a command on a terminal. Nothing is shown if standard error is a file or a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[str, int | None, int | None], None]
"""Receives the current step, the number of finished items, and the number of all items; None for an unknown number."""


@contextmanager
def show_progress(*steps: str) -> Iterator[Step]:
    """Shows a progress bar while the block runs, and yields the function that updates it.

    ``steps`` are the descriptions of the steps that run at the same time: each has a bar of its own. A further step takes the last bar.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        lines = {name: bars.add_task(name, total=None, count="") for name in steps}

        def step(name: str, done: int | None, total: int | None) -> None:
            line = lines.get(name, lines[steps[-1]])
            count = "" if done is None else str(done) if total is None else f"{done} of {total}"
            bars.update(line, description=name, completed=done or 0, total=total, count=count)

        yield step
