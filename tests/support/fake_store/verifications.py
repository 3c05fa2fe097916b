"""Verifications in memory."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from services.contracts.drift import Drift
from services.contracts.ids import ConnectionId
from services.contracts.verifications import VerificationReport, VerificationStep
from tests.support.fake_store.pages import give_turn


class FakeVerifications:
    """``services.store.verifications.Verifications`` in memory. The keys of ``content`` are connection, run and step."""

    def __init__(self) -> None:
        self.content: dict[tuple[ConnectionId, str, int], VerificationStep] = {}
        self.reports: dict[ConnectionId, VerificationReport] = {}

    async def begin(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of an abandoned verification. Those of the last finished one stay until this one finishes."""
        await give_turn()
        self._remove_others(connection, run)

    async def restart(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of a verification, so that it begins again."""
        await give_turn()
        for key in [key for key in self.content if key[:2] == (connection, run)]:
            del self.content[key]

    async def iterate_steps(self, connection: ConnectionId, run: str) -> AsyncIterator[VerificationStep]:
        """Yields the stored steps of a verification, in order."""
        await give_turn()
        for key in sorted(self.content):
            if key[:2] == (connection, run):
                yield self.content[key]

    async def save_step(self, connection: ConnectionId, run: str, step: VerificationStep) -> bool:
        """Stores the next step. Returns False if there is one of this number."""
        await give_turn()
        return self.content.setdefault((connection, run, step.number), step) is step

    async def note_repaired(self, connection: ConnectionId, run: str, step: int) -> None:
        """Notes that the employees of a step were resent."""
        await give_turn()
        key = (connection, run, step)
        if key in self.content:
            self.content[key] = self.content[key].model_copy(update={"to_repair": ()})

    async def finish(self, connection: ConnectionId, run: str, counts: dict[str, int], *, now: datetime) -> None:
        """Stores the report of a verification, and removes the steps of all others."""
        await give_turn()
        self.reports[connection] = VerificationReport(run=run, finished_at=now, counts=counts)
        self._remove_others(connection, run)

    async def get_report(self, connection: ConnectionId) -> VerificationReport | None:
        """Returns the report of the last finished verification; None if there was none."""
        await give_turn()
        return self.reports.get(connection)

    async def find_reports(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, VerificationReport]:
        """Returns the reports of those connections that have one."""
        await give_turn()
        return {connection: self.reports[connection] for connection in connections if connection in self.reports}

    async def iterate_drifts(self, connection: ConnectionId, run: str) -> AsyncIterator[Drift]:
        """Yields what a verification has found, in the order of its steps."""
        async for step in self.iterate_steps(connection, run):
            for drift in step.drifts:
                yield drift

    def _remove_others(self, connection: ConnectionId, run: str) -> None:
        report = self.reports.get(connection)
        kept = {run, report.run if report else run}
        for key in [key for key in self.content if key[0] == connection and key[1] not in kept]:
            del self.content[key]
