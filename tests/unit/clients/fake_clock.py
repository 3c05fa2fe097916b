"""A clock whose sleep lets its own time pass, so that tests of waiting take none."""

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 9, 8, 30, tzinfo=UTC)


class FakeClock:
    """``slept`` lists what was waited for, in order."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)
