"""Runs one check of `doctor`: its time is limited, and its error is a finding that concerns this check alone."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Protocol

from services.admin.findings import Finding
from services.errors import ConnectorError
from services.runtime.log import describe

CHECK_SECONDS = 30.0
"""Seconds that one check may take. The requests to a system that does not answer are repeated for half of that."""


class RunCheck(Protocol):
    """Runs checks with one limit of time."""

    async def __call__(self, subject: str, check: Awaitable[Iterable[Finding]]) -> tuple[Finding, ...]:
        """Returns the findings of a check, or one finding with its problem."""
        ...


async def run_check(
    subject: str, check: Awaitable[Iterable[Finding]], *, seconds: float = CHECK_SECONDS
) -> tuple[Finding, ...]:
    """Returns the findings of a check, or one finding with its problem."""
    try:
        async with asyncio.timeout(seconds):
            return tuple(await check)
    except TimeoutError:
        problem = f"no result within {seconds:.0f} s: check that the server runs and can be reached from here"
    except ConnectorError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a defect of one check must not hide the others
        problem = f"unexpected error ({describe(error)}): report it"
    return (Finding(subject, problem),)
