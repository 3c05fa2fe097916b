"""A check of `doctor` that hangs, fails or has a defect is one finding."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NoReturn

import pytest

from services.admin.bounds import run_check
from services.admin.findings import Finding
from services.store.errors import StoreUnavailableError


async def hang() -> NoReturn:
    """Never returns."""
    await asyncio.Event().wait()
    raise AssertionError


async def fail() -> NoReturn:
    """Raises an error of the product."""
    raise StoreUnavailableError("MongoDB does not answer")


async def break_() -> NoReturn:
    """Raises an error with personal data in its text."""
    raise ValueError("zoe@example.com")


async def succeed() -> Iterable[Finding]:
    """Returns a finding."""
    return iter([Finding("x")])


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        pytest.param(hang, "no result within 0 s: check that the server runs and can be reached from here", id="hangs"),
        pytest.param(fail, "MongoDB does not answer", id="fails"),
        pytest.param(break_, "unexpected error (ValueError): report it", id="has a defect"),
    ],
)
async def test_check_without_a_result_is_a_problem(check: Callable[[], Awaitable[NoReturn]], problem: str) -> None:
    """The others still have theirs, and the text of a foreign error is not shown."""
    assert await run_check("x", check(), seconds=0.01) == (Finding("x", problem),)


async def test_findings_of_a_check_are_returned() -> None:
    """In any iterable."""
    assert await run_check("x", succeed()) == (Finding("x"),)
