"""The store as a part of a process: it has to answer before anything is consumed or polled."""

from services.store.database import Store


class StorePart:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def start(self) -> None:
        """Raises ``StoreUnavailableError`` while MongoDB is away."""
        await self._store.ping()

    async def stop(self) -> None:
        self._store.close()
