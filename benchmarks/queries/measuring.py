"""Measures queries: the driver's events tell the time of each command, and MongoDB's profiler what the command has read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pydantic import SecretStr
from pymongo.monitoring import CommandListener, CommandSucceededEvent

from services.store.collection import Document
from services.store.database import Store

REPETITIONS = 5
"""How often each query runs. The times are those of the fastest run: other work on the machine only makes a run longer."""
OF_THE_MEASUREMENT = frozenset({"profile", "drop", "hello", "ping", "getMore", "create", "killCursors", "endSessions"})
"""Commands of this module and of the driver."""

Query = Callable[[Store], Awaitable[object]]
"""Calls one method of the store."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one query takes."""

    name: str
    """Group and name of the query."""
    commands: int
    """Number of commands."""
    slowest_ms: float
    """Duration of the slowest command in milliseconds, as the client sees it, in the fastest of several runs."""
    documents: int
    """Number of examined documents; of a query by page, the maximum of its pages."""
    keys: int
    """Number of examined index keys; of a query by page, the maximum of its pages."""
    is_paged: bool = False
    """Whether the query reads everything on purpose, a page with each command."""


class CommandTimes(CommandListener):
    """Records the durations of the commands."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []

    def _record(self, event: CommandSucceededEvent) -> None:
        """Records the duration."""
        if event.command_name not in OF_THE_MEASUREMENT:
            self.milliseconds.append(event.duration_micros / 1000)

    def _ignore(self, event: object) -> None:
        """Does nothing."""

    # the driver calls these names
    started = _ignore
    succeeded = _record
    failed = _ignore


class Meter:
    """A store on a database, with the means to measure what its methods do."""

    def __init__(self, url: str, database: str, key: SecretStr) -> None:
        self._times = CommandTimes()
        self._client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            url, event_listeners=[self._times], tz_aware=True, appname="measured"
        )
        self.store = Store(self._client, database, [key])
        self._database: AsyncIOMotorDatabase[Document] = self._client[database]

    def close(self) -> None:
        """Closes the client."""
        self.store.close()

    async def measure(self, name: str, query: Query, *, is_paged: bool = False) -> Reading:
        """Runs the query several times and returns what it takes."""
        await query(self.store)  # plans and pages are in the caches of a server that runs for a while
        slowest: list[float] = []
        for _ in range(REPETITIONS):
            self._times.milliseconds.clear()
            await query(self.store)
            slowest.append(max(self._times.milliseconds))
        entries = await self._profile(query)
        return Reading(
            name=name,
            commands=len(entries),
            slowest_ms=min(slowest),
            documents=_add_up([entry.get("docsExamined", 0) for entry in entries], is_paged=is_paged),
            keys=_add_up([entry.get("keysExamined", 0) for entry in entries], is_paged=is_paged),
            is_paged=is_paged,
        )

    async def _profile(self, query: Query) -> list[dict[str, Any]]:
        """Returns the profiler's entries of one run of the query."""
        await self._database.command("profile", 0)
        await self._database["system.profile"].drop()
        await self._database.command("profile", 2)
        try:
            await query(self.store)
        finally:
            await self._database.command("profile", 0)
        of_collections = {"appName": "measured", "ns": {"$not": {"$regex": r"\.system\.|\.\$cmd$"}}}
        return await self._database["system.profile"].find(of_collections).to_list(None)


def _add_up(numbers: list[int], *, is_paged: bool) -> int:
    return max(numbers, default=0) if is_paged else sum(numbers)
