"""What a scan may take: time in which it waits for Personio, pages, and a place while it works on a page.

Waiting for Personio needs no place. So a Personio that hangs, answers slowly or lists employees without end delays no other
company, and ends with its own scan at its limits.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from services.contracts.employees import Employee, EmployeePage
from services.contracts.ids import EmployeeId
from services.errors import TransientError
from services.poller.ports import Personio
from services.poller.selection import Selection, read_selection
from services.runtime.clock import Clock

MAX_BATCH_PAGES = 4
"""Maximum number of pages that a scan compares at once."""
SHARED_PAGES = 20
"""Number of pages that all open scans share for their batches. Each scan has at least one."""
MAX_PAGES_WITHOUT_NEW = 3
"""Number of pages in a row without a new employee after which a scan stops.

One such page is usual at the end of a list, and when a hundred employees are added while a scan is under way.
"""
ALL_SAFE = "No employee counts as absent. The next poll starts again"
"""What an incomplete scan means for the employees."""
Result = TypeVar("Result")


class ScanStoppedError(TransientError):
    """A scan has reached one of its limits. The pages before are stored."""

    code: ClassVar[str] = "scan-stopped"


class ScanLimits:
    """The limits of all scans of one poller, and the scans that are open."""

    def __init__(self, clock: Clock, *, seconds: float, pages: int, places: int) -> None:
        """``seconds`` and ``pages`` limit one scan; ``places`` is the number of pages to work on at the same time."""
        self._clock = clock
        self._seconds = seconds
        self._pages = pages
        self._open: set[PageReader] = set()
        self.places = asyncio.Semaphore(places)
        """Held while a page or a batch is worked on. Companies take turns, in the order in which they ask."""

    @asynccontextmanager
    async def open(self, personio: Personio) -> AsyncIterator["PageReader"]:
        """Opens a reader for one scan."""
        reader = PageReader(personio, self._clock, seconds=self._seconds, pages=self._pages)
        self._open.add(reader)
        try:
            yield reader
        finally:
            self._open.remove(reader)
            await reader.close()

    @property
    def batch_pages(self) -> int:
        """Number of pages that an open scan may compare at once: with many scans, their pages would take too much memory."""
        return max(1, min(MAX_BATCH_PAGES, SHARED_PAGES // len(self._open)))

    def stop_overdue(self) -> None:
        """Stops the scans that have waited too long for Personio. Call it at least every few seconds."""
        for reader in self._open:
            reader.stop_if_overdue()


class PageReader:
    """Reads the pages of one scan within its limits."""

    def __init__(self, personio: Personio, clock: Clock, *, seconds: float, pages: int) -> None:
        """``seconds`` is how long the scan may wait for Personio, ``pages`` is the maximum number of pages."""
        self._personio = personio
        self._pages: AsyncIterator[EmployeePage] | None = None
        self._clock = clock
        self._seconds = seconds
        self._max_pages = pages
        self._waited = 0.0
        self._since: float | None = None
        self._fetch: asyncio.Future[Any] | None = None
        self._next: asyncio.Future[EmployeePage | None] | None = None
        self._is_overdue = False
        self._pages_read = 0
        self._without_new = 0

    async def begin(self, wanted: frozenset[str]) -> Selection:
        """Returns which of the wanted attributes are requested. Raises ``MissingAttributesError`` and ``ScanStoppedError``."""
        return await self.wait(read_selection(self._personio, wanted))

    def open_list(self, selection: Selection, since: datetime | None) -> None:
        """Begins a list of the employees that have changed since a time; None lists all. Call it before the first page."""
        self._pages = self._personio.iterate_pages(selection.requested, since)
        self._next = None

    async def read(self) -> EmployeePage | None:
        """Returns the next page; None after the last one. Raises ``ScanStoppedError``."""
        fetch = self.prefetch()
        self._next = None
        page = await self.wait(fetch)
        if page is None:
            return None
        if self._pages_read >= self._max_pages:
            raise ScanStoppedError(
                f"the scan stopped after {self._pages_read} pages (POLL_SCAN_PAGES), and Personio's list goes on. {ALL_SAFE}"
            )
        self._pages_read += 1
        return page

    async def look_up(self, employee: EmployeeId) -> Employee | None:
        """Returns one employee; None if Personio does not know the id. Raises ``ScanStoppedError`` and Personio's errors."""
        return await self.wait(self._personio.get_employee(employee))

    def prefetch(self) -> asyncio.Future[EmployeePage | None]:
        """Asks for the next page, while the caller works on the present one. Returns the request."""
        if self._pages is None:
            raise RuntimeError("the list is not open")
        if self._next is None:
            self._next = asyncio.ensure_future(_read_next(self._pages))
        return self._next

    def note_new(self, employees: int) -> None:
        """Notes the number of new employees on the last page. Raises ``ScanStoppedError`` if the list repeats itself."""
        self._without_new = 0 if employees else self._without_new + 1
        if self._without_new >= MAX_PAGES_WITHOUT_NEW:
            raise ScanStoppedError(
                f"the scan stopped because the last {self._without_new} pages of Personio's list had no new employee. "
                f"{ALL_SAFE}"
            )

    async def wait(self, answer: Awaitable[Result]) -> Result:
        """Returns an answer of Personio. Raises ``ScanStoppedError`` if the scan has waited too long in all."""
        self._fetch = fetch = asyncio.ensure_future(answer)
        self._since = self._measure()
        try:
            await asyncio.wait({fetch})
        finally:
            self._waited += self._measure() - self._since
            self._since = self._fetch = None
            await _cancel(fetch)
        if self._is_overdue:
            raise ScanStoppedError(
                f"the scan stopped because it has waited {self._seconds:.0f} s for Personio (POLL_SCAN_SECONDS); "
                f"{self._pages_read} pages were read. {ALL_SAFE}"
            )
        return fetch.result()

    def stop_if_overdue(self) -> None:
        """Ends the wait if the scan has waited too long."""
        if self._since is None or self._fetch is None:
            return
        if self._waited + self._measure() - self._since >= self._seconds:
            self._is_overdue = True
            self._fetch.cancel()

    async def close(self) -> None:
        """Cancels the request for the next page."""
        if self._next is not None:
            await _cancel(self._next)

    def _measure(self) -> float:
        """Returns seconds that pass, except while a request waits for its turn in this process."""
        return self._clock.monotonic() - self._personio.queued_seconds


async def _read_next(pages: AsyncIterator[EmployeePage]) -> EmployeePage | None:
    return await anext(pages, None)


async def _cancel(fetch: asyncio.Future[Result]) -> None:
    """Cancels a request and waits for its end. The error of a request that has failed is read, so that it is not logged."""
    fetch.cancel()
    await asyncio.wait({fetch})
    if not fetch.cancelled():
        fetch.exception()
