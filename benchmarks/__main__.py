"""``make bench``: a first import end to end, and the bare loop of each stage, in the same run on the same servers.

The exit code is 1 if a median misses its target.
"""

import argparse
import asyncio
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.queries.measure import Sizes, measure_queries
from benchmarks.queries.report import find_slow_queries, format_readings
from benchmarks.report import Round, find_misses, format_report
from benchmarks.rounds import Plan, Steps, play
from sandbox.stack.errors import StackError


def parse_arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--employees", type=int, default=10_000, help="active employees (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds, of which the report shows medians (default: %(default)s)"
    )
    parser.add_argument(
        "--copies", type=int, default=2, help="how often the mapper's stages read every record (default: 2)"
    )
    parser.add_argument(
        "--queries", action="store_true", help="also measure all queries at 100,000 people: some minutes"
    )
    return parser.parse_args()


async def measure(options: argparse.Namespace) -> list[Round]:
    """Runs all rounds with a progress bar on standard error; returns their measurements."""
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
            rounds.append(await play(plan, _make_steps(bar, line, number)))
            bar.update(line, description=f"round {number}: {rounds[-1].summary}", completed=options.employees)
    return rounds


def _make_steps(bar: Progress, line: TaskID, number: int) -> Steps:
    return Steps(
        start_stage=lambda text: bar.update(line, description=f"round {number}: {text}"),
        count_accounts=lambda count: bar.update(line, completed=count),
    )


def _report_progress(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Runs the benchmarks, prints the report and ends the process with 1 if a target is missed."""
    options = parse_arguments()
    try:
        rounds = asyncio.run(measure(options))
        tables = asyncio.run(measure_queries(Sizes(), _report_progress)) if options.queries else {}
    except StackError as error:
        sys.exit(str(error))
    print(format_report(rounds))
    misses = find_misses(rounds)
    for size, readings in tables.items():
        print(f"\n{format_readings(size, readings)}")
        misses += find_slow_queries(size, readings)
    for text in misses:
        print(f"missed: {text}")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
