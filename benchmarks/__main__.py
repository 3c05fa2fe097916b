"""``make bench``: a first import end to end beside bare loops, the mapper beside full events, idle companies, previews, and memory.

Options such as ``--idle`` choose what is measured. Without any of them, everything but the queries and the large company
without changes is. The exit code is 1 if a target is missed; of several rounds, the medians count.
"""

import argparse
import asyncio
import sys

from benchmarks.parts import PARTS, Sizes
from sandbox.stack.errors import StackError


def parse_arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    sizes = Sizes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", dest="parts", action="append_const", const=name, help=part.meaning)
    parser.add_argument(
        "--employees", type=int, default=sizes.employees, help="active employees of an import (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=sizes.rounds,
        help="rounds, of which the report shows medians (default: %(default)s)",
    )
    parser.add_argument(
        "--copies",
        type=int,
        default=sizes.copies,
        help="how often the mapper's stages read every record (default: %(default)s)",
    )
    parser.add_argument("--companies", type=int, default=sizes.companies, help="idle companies (default: %(default)s)")
    parser.add_argument(
        "--polls", type=int, default=sizes.polls, help="polls of each idle company (default: %(default)s)"
    )
    parser.add_argument(
        "--people",
        type=int,
        nargs="+",
        default=sizes.people,
        help="active employees of each import that measures memory (default: 1000 and 10000)",
    )
    return parser.parse_args()


def main() -> None:
    """Runs the benchmarks, prints the report of each, and ends the process with 1 if a target is missed."""
    options = parse_arguments()
    sizes = Sizes(
        employees=options.employees,
        rounds=options.rounds,
        copies=options.copies,
        companies=options.companies,
        polls=options.polls,
        people=tuple(options.people),
    )
    misses: list[str] = []
    for name in options.parts or [name for name, part in PARTS.items() if part.is_default]:
        try:
            result = asyncio.run(PARTS[name].measure(sizes))
        except StackError as error:
            sys.exit(str(error))
        print(result.report, end="\n\n", flush=True)
        misses += result.misses
    for text in misses:
        print(f"missed: {text}")
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
