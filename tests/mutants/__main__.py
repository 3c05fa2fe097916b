"""Plants each mistake in a copy of the repository, and reports whether its test finds it: ``python -m tests.mutants``."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, build_table
from tests.mutants.mutant import Mutant
from tests.mutants.runner import Result, copy_repository, run_mutant, run_servers, run_tests


def main() -> int:
    """Runs the mutants, and returns the exit code: 1 if a test fails without a mistake, or finds none."""
    arguments = _parse()
    if arguments.table:
        print(build_table(), end="")
        return 0
    chosen = [mutant for mutant in MUTANTS if arguments.only in f"{mutant.mistake} {mutant.file} {mutant.test}"]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        return asyncio.run(_run_with_servers(Path(folder), chosen))


async def _run_with_servers(folder: Path, chosen: Sequence[Mutant]) -> int:
    root = copy_repository(folder)
    async with run_servers(folder) as servers:
        return await asyncio.to_thread(_run_all, root, chosen, servers)


def _run_all(root: Path, chosen: Sequence[Mutant], servers: Mapping[str, str]) -> int:
    print(f"{len(chosen)} mutants. First, their tests without a mistake ...", flush=True)
    done = run_tests(root, sorted({mutant.test for mutant in chosen}), servers)
    if done.returncode:
        print(done.stdout, done.stderr, "The tests of the mutants must pass without a mistake.", sep="\n")
        return 1
    results = list[Result]()
    for mutant in chosen:
        began = time.monotonic()
        results.append(run_mutant(root, mutant, servers))
        print(f"{results[-1]:9} {time.monotonic() - began:5.1f} s  {mutant.file}: {mutant.mistake}", flush=True)
    found = results.count(Result.FOUND)
    print(f"{found} of {len(results)} mistakes are found")
    return int(found < len(results))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="runs the mutants with this text in their mistake, file or test")
    parser.add_argument("--table", action="store_true", help="prints the table of CONTRIBUTING.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
