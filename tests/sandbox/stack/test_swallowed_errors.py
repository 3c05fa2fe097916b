"""The rule of `tests/conftest.py` that a logged error fails the test, checked in a pytest session of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SESSION = """
import asyncio
import logging

import pytest


def test_ours():
    logging.getLogger("services.mapper").error("lost")


@pytest.mark.expects_errors
def test_meant():
    logging.getLogger("services.mapper").error("meant")


def test_mild():
    logging.getLogger("services.mapper").warning("mild")


def test_foreign():
    logging.getLogger("aiokafka.conn").error("foreign")


async def test_task():
    async def fail():
        raise ValueError("never awaited")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task


@pytest.fixture
def late():
    yield
    logging.getLogger("sandbox.personio").critical("late")


def test_late(late):
    pass
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of a pytest session with this repository's conftest and settings."""
    tests = tmp_path_factory.mktemp("session") / "test_session.py"
    tests.write_text(SESSION)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml", "-rA", "--tb=no"]
    command = [sys.executable, "-m", "pytest", *options, str(tests)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.parametrize("name", ["test_ours", "test_task", "test_late"])
def test_logged_error_fails_the_test(report: str, name: str) -> None:
    """A logged error of the product is a failure, even if no assert notices it."""
    assert f"::{name} - Failed: errors were logged, not raised" in report


@pytest.mark.parametrize("name", ["test_meant", "test_mild", "test_foreign"])
def test_expected_or_foreign_error_passes_the_test(report: str, name: str) -> None:
    """Warnings, marked errors and errors of libraries do not fail a test."""
    assert f"::{name} - Failed" not in report
    assert f"::{name}\n" in report
