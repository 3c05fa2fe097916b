"""Previews the draft for all employees with the code of the command ``mapping preview``."""

from collections import Counter

from pydantic import SecretStr

from benchmarks.installing import DATABASE
from benchmarks.previews.draft import build_draft
from services.admin.preview.live import preview_population
from services.contracts.ids import ConnectionId
from services.runtime.clock import SystemClock
from services.store.database import Store


async def _ignore_progress(name: str, done: int, total: int | None) -> None:
    del name, done, total


async def preview(url: str, key: str, connection: str) -> Counter[str]:
    """Returns the number of employees by result."""
    store = Store.connect(SecretStr(url), DATABASE, [SecretStr(key)])
    try:
        previewed = await preview_population(
            store, SystemClock(), ConnectionId(connection), build_draft(), _ignore_progress, allow_private=True
        )
    finally:
        store.close()
    return Counter({result.value: len(employees) for result, employees in previewed.results.items()})
