"""Measures the queries alone: ``python -m benchmarks.queries``. The exit code is 1 if a query misses its target."""

import argparse
import asyncio
import sys

from benchmarks.queries.measure import Sizes, measure_queries
from benchmarks.queries.report import find_slow_queries, format_readings
from sandbox.stack.errors import StackError


def parse_arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    sizes = Sizes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--people", type=int, default=sizes.people, help="employees of one company")
    parser.add_argument("--companies", type=int, default=sizes.companies, help="small companies")
    return parser.parse_args()


def main() -> None:
    """Prints the tables, and ends the process with 1 if a target is missed."""
    options = parse_arguments()
    sizes = Sizes(people=options.people, companies=options.companies)
    try:
        tables = asyncio.run(measure_queries(sizes, lambda text: print(text, file=sys.stderr)))
    except StackError as error:
        sys.exit(str(error))
    misses = []
    for size, readings in tables.items():
        print(format_readings(size, readings), end="\n\n")
        misses += find_slow_queries(size, readings)
    for text in misses:
        print(f"missed: {text}")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
