"""The verifications: one document for each connection, and one for each step of a verification, so that a crash loses one step."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from services.contracts.drift import Drift
from services.contracts.ids import ConnectionId
from services.contracts.verifications import VerificationReport, VerificationStep
from services.store.collection import Collection, Document, to_model
from services.store.damaged import read_valid


class Verifications:
    """The last finished verification of each connection, and the one in progress."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def begin(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of an abandoned verification. Those of the last finished one stay until this one finishes."""
        await self._remove_others(connection, run)

    async def restart(self, connection: ConnectionId, run: str) -> None:
        """Removes the steps of a verification, so that it begins again."""
        await self._collection.delete_all(_match_run(connection, run))

    async def iterate_steps(self, connection: ConnectionId, run: str) -> AsyncIterator[VerificationStep]:
        """Yields the stored steps of a verification, in order. Raises ``StoreFailedError`` for a damaged one."""
        async for page in self._collection.iterate_pages(_match_run(connection, run)):
            for document in page:
                yield to_model(VerificationStep, document)

    async def save_step(self, connection: ConnectionId, run: str, step: VerificationStep) -> bool:
        """Stores the next step. Returns False if another process has stored a step of this number."""
        document: Document = {
            "_id": _build_key(connection, run, step.number),
            "connection_id": connection,
            "of_run": run,
            **step.model_dump(mode="json", exclude_none=True),
        }
        return await self._collection.insert(document)

    async def note_repaired(self, connection: ConnectionId, run: str, step: int) -> None:
        """Notes that the employees of a step were resent."""
        await self._collection.update({"_id": _build_key(connection, run, step)}, {"$set": {"to_repair": []}})

    async def finish(self, connection: ConnectionId, run: str, counts: dict[str, int], *, now: datetime) -> None:
        """Stores the report of a verification, and removes the steps of all others."""
        report = VerificationReport(run=run, finished_at=now, counts=counts).model_dump(mode="json")
        await self._collection.put(connection, {"report": report})
        await self._remove_others(connection, run)

    async def get_report(self, connection: ConnectionId) -> VerificationReport | None:
        """Returns the report of the last finished verification; None if there was none, or if it is damaged."""
        return (await self.find_reports([connection])).get(connection)

    async def find_reports(self, connections: Iterable[ConnectionId]) -> dict[ConnectionId, VerificationReport]:
        """Returns the reports of those connections that have a valid one. Sends one query."""
        documents = await self._collection.find({"_id": {"$in": sorted(set(connections))}}, fields=["report"])
        reports = {
            ConnectionId(document["_id"]): next(
                read_valid(VerificationReport, [{**document["report"], "_id": document["_id"]}]), None
            )
            for document in documents
            if isinstance(document.get("report"), dict)
        }
        return {connection: report for connection, report in reports.items() if report is not None}

    async def iterate_drifts(self, connection: ConnectionId, run: str) -> AsyncIterator[Drift]:
        """Yields what a verification has found, in the order of its steps. A finding that cannot be read is passed over."""
        where = {**_match_run(connection, run), "drifts": {"$ne": []}}
        async for page in self._collection.iterate_pages(where, fields=["drifts"]):
            for document in page:
                for drift in read_valid(Drift, ({**drift, "_id": document["_id"]} for drift in document["drifts"])):
                    yield drift

    async def _remove_others(self, connection: ConnectionId, run: str) -> None:
        report = await self.get_report(connection)
        kept = [run, *([report.run] if report else [])]
        await self._collection.delete_all({"connection_id": connection, "of_run": {"$nin": kept}})


def _build_key(connection: ConnectionId, run: str, step: int) -> str:
    """Returns the id of a step. The number has a fixed length, so that the ids are in the order of the steps."""
    return f"{connection}/{run}/{step:08}"


def _match_run(connection: ConnectionId, run: str) -> dict[str, Any]:
    return {"connection_id": connection, "of_run": run}
