"""``make bench``: a first import end to end and each stage's bare loop, in the same run on the same servers.

Exits with 1 where a figure misses what the project holds itself to.
"""

import argparse
import asyncio
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.report import Round, misses, table
from benchmarks.rounds import Plan, Steps, play
from sandbox.stack.errors import StackError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--employees", type=int, default=10_000, help="active employees (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken of these (default: %(default)s)")
    parser.add_argument("--copies", type=int, default=2, help="of every record for the mapper's stages (default: 2)")
    return parser.parse_args()


async def measure(options: argparse.Namespace) -> list[Round]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    rounds: list[Round] = []
    plan = Plan(active=options.employees, copies=options.copies)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for number in range(1, options.rounds + 1):
            line = bar.add_task(f"round {number}", total=options.employees)
            rounds.append(await play(plan, _steps(bar, line, number)))
            bar.update(line, description=f"round {number}: {rounds[-1].summary}", completed=options.employees)
    return rounds


def _steps(bar: Progress, line: TaskID, number: int) -> Steps:
    return Steps(
        stage=lambda text: bar.update(line, description=f"round {number}: {text}"),
        people=lambda count: bar.update(line, completed=count),
    )


def main() -> None:
    try:
        rounds = asyncio.run(measure(arguments()))
    except StackError as error:
        sys.exit(str(error))
    print(table(rounds))
    missed = misses(rounds)
    for text in missed:
        print(f"missed: {text}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
