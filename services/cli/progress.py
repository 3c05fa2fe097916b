"""Progress on a terminal; nothing of it where errors go to a file or to another program."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[str, int | None, int | None], None]
"""What is done at the moment, how much of it is done, and of how much; None where that is not known."""


@contextmanager
def shown(description: str) -> Iterator[Step]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task(description, total=None, count="")

        def step(what: str, done: int | None, total: int | None) -> None:
            count = "" if done is None else str(done) if total is None else f"{done} of {total}"
            bar.update(line, description=what, completed=done or 0, total=total, count=count)

        yield step
