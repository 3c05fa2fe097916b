"""Runs the tests of the mutants on a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path

from sandbox.stack.kafka import Kafka
from sandbox.stack.mongo import Mongo
from tests.mutants.mutant import ROOT, Mutant

LEFT_OUT = shutil.ignore_patterns(".*_cache", ".venv", ".git", ".data", "__pycache__")
"""What the copy lacks. Without compiled files, no file is mistaken for its changed version of the same second and size."""
TEST_FAILED = 1
"""Exit code of pytest if a test has failed. Others tell that it was not run."""


class Result(StrEnum):
    """What became of a mutant."""

    FOUND = "found"
    """Its test has failed."""
    SURVIVED = "SURVIVED"
    """Its test has passed."""
    BROKEN = "BROKEN"
    """Its test was not run, or has failed for a name that the mutant does not define: the mutant is wrong."""
    TOO_SLOW = "TOO SLOW"
    """Its test has not ended within its time."""


def copy_repository(folder: Path) -> Path:
    """Copies the repository into a new folder. Returns the copy."""
    return Path(shutil.copytree(ROOT, folder / "repository", ignore=LEFT_OUT, symlinks=True))


@asynccontextmanager
async def run_servers(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Starts Kafka and MongoDB for all tests. Yields the environment variables that name them."""
    async with Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        yield {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "MONGODB_URL": mongo.url}


def run_tests(
    root: Path, tests: Sequence[str], servers: Mapping[str, str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs tests on a copy. Raises ``subprocess.TimeoutExpired`` after that many seconds."""
    options = ("--numprocesses", "0", "-p", "no:cacheprovider", "--quiet")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root,
        env={**os.environ, **servers, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def run_mutant(root: Path, mutant: Mutant, servers: Mapping[str, str]) -> Result:
    """Plants the mistake in a copy, and runs the test that must fail."""
    with _plant(root, mutant):
        try:
            done = run_tests(root, [mutant.test], servers, mutant.seconds)
        except subprocess.TimeoutExpired:
            return Result.TOO_SLOW
    if done.returncode == 0:
        return Result.SURVIVED
    has_failed = done.returncode == TEST_FAILED and re.search(r"^\d+ failed\b", done.stdout, re.MULTILINE)
    return Result.FOUND if has_failed and "NameError" not in done.stdout else Result.BROKEN


@contextmanager
def _plant(root: Path, mutant: Mutant) -> Iterator[None]:
    file = root / mutant.file
    source = file.read_text(encoding="utf-8")
    file.write_text(mutant.plant(source), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(source, encoding="utf-8")
