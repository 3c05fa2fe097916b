"""Measures all queries, with one large company and with many small ones."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import SecretStr

from benchmarks.queries.catalogue import list_paged, list_queries
from benchmarks.queries.measuring import Meter, Reading
from benchmarks.queries.population import AT_ONCE, add_claims, add_connection, add_history, add_people, add_verification
from sandbox.stack.mongo import Mongo
from services.contracts.ids import ConnectionId
from services.store.database import Store

LONG_HISTORY, SHORT_HISTORY = 500, 4
"""Numbers of finished runs and tasks of the large company, and of a small one."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes at which the queries are measured."""

    people: int = 100_000
    """Employees of the large company."""
    companies: int = 3_000
    """Number of small companies."""
    people_of_each: int = 30
    """Employees of a small company."""


async def measure_queries(sizes: Sizes, report: Callable[[str], None]) -> dict[str, list[Reading]]:
    """Returns the readings by size. Raises ``StackError`` if no MongoDB can be started."""
    tables: dict[str, list[Reading]] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-queries-") as folder:
        async with Mongo(Path(folder)) as server:
            report(f"filling one company of {sizes.people} people")
            async with _open_meter(server.url, "large") as meter:
                (connection,) = await _fill(meter.store, 1, sizes.people, LONG_HISTORY)
                report("measuring")
                tables[f"{sizes.people:,} people of one company"] = await _measure_all(meter, connection)
            report(f"filling {sizes.companies} companies of {sizes.people_of_each} people")
            async with _open_meter(server.url, "small") as meter:
                connections = await _fill(meter.store, sizes.companies, sizes.people_of_each, SHORT_HISTORY)
                report("measuring")
                name = f"{sizes.companies:,} companies of {sizes.people_of_each} people"
                tables[name] = await _measure_all(meter, connections[0])
    return tables


@asynccontextmanager
async def _open_meter(url: str, database: str) -> AsyncIterator[Meter]:
    meter = Meter(url, database, SecretStr(Fernet.generate_key().decode()))
    try:
        await meter.store.create_indexes()
        yield meter
    finally:
        meter.close()


async def _fill(store: Store, companies: int, people: int, history: int) -> list[ConnectionId]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def fill_one(number: int) -> ConnectionId:
        async with limit:
            connection = await add_connection(store, number)
            await add_people(store, connection, people)
            await add_claims(store, connection, people)
            await add_history(store, connection, history, people)
            await add_verification(store, connection, people)
            return connection

    return await asyncio.gather(*map(fill_one, range(companies)))


async def _measure_all(meter: Meter, connection: ConnectionId) -> list[Reading]:
    readings = [await meter.measure(name, query) for name, query in list_queries(connection).items()]
    paged = [await meter.measure(name, query, is_paged=True) for name, query in list_paged(connection).items()]
    return readings + paged
