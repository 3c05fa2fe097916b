"""Two writers at the same time: the later one to write the ledger resends what it may have overtaken."""

from typing import Any

import pytest

from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call
from services.runtime.kafka.decoding import Batch
from services.runtime.kafka.ownership import PartitionsMovedError
from tests.support.builders import make_incoming, make_person, make_request, reports_to
from tests.support.writer_stage import EVA, ZOE, WriterStage, summarize


class ConcurrentLedger:
    """A ledger; just before its first write, another writer handles a request."""

    def __init__(self, stage: WriterStage, request: AccountRequested) -> None:
        """Takes the ledger of the stage."""
        self._inner, self._requests = stage.ledger, [request]
        self._other, self._ownership = stage.make_writer(), stage.ownership

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, entries: Any) -> Any:
        """Lets the other writer write first."""
        while self._requests:
            await self._other.handle(Batch((make_incoming(self._requests.pop()),), self._ownership))
        return await self._inner.write(entries)


async def test_report_of_concurrent_manager_is_resent(stage: WriterStage) -> None:
    """The other writer looked for reports before this one had written its entry."""
    stage.ledger = ConcurrentLedger(stage, make_request("9"))
    stage.restart()
    report = make_request("7", manager=reports_to("9"))

    await stage.handle(report)

    assert stage.get_manager("7") is None
    assert stage.tasks.people == {"7"}

    await stage.handle(report, reason=SendReason.RESENT)

    assert stage.get_manager("7") == stage.get_account("9")["id"]


async def test_employee_unblocked_concurrently_is_resent(stage: WriterStage) -> None:
    """The other writer gave up the address before this one had written its entry."""
    await stage.handle(make_request("8", user_name="shared@x.example"))
    stage.ledger = ConcurrentLedger(stage, make_request("8", 2_000, user_name="other@x.example"))
    stage.restart()

    (outcome,) = await stage.handle(make_request("7", user_name="shared@x.example"))

    assert outcome.outcome == Outcome.REJECTED
    assert stage.tasks.people == {"7"}


@pytest.mark.promise("P3")
async def test_lost_race_marks_entry_and_resends_employee(stage: WriterStage) -> None:
    """A lost race publishes no outcome, and the next writer looks up the account although it is decided."""
    await stage.handle(make_request("7"), make_request("8"))
    await stage.let_another_writer_win("7", 5_000)

    outcomes = await stage.handle(make_request("7", 2_000, **EVA), make_request("8", 2_000))

    entry = await stage.get_entry("7")
    assert summarize(outcomes) == [("8", Outcome.UNCHANGED)]
    assert entry.verify is True
    assert entry.decided_version.revision == 5_000
    assert stage.tasks.people == {"7"}

    (outcome,) = await stage.handle(make_request("7", 5_000, **ZOE), reason=SendReason.RESENT)

    assert outcome.outcome is Outcome.UPDATED
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert (await stage.get_entry()).verify is False


# ---------------------------------------------------------------- moved partitions


@pytest.mark.promise("P2")
async def test_moved_partitions_stop_the_batch(stage: WriterStage) -> None:
    """After the partitions have moved, the writer sends, records and files nothing."""
    server = await stage.get_server()

    async def move_before_second_write(call: Call, answer: Answer) -> Answer:
        stage.ownership.is_revoked = stage.ownership.is_revoked or bool(server.writes)
        return answer

    server.after = move_before_second_write

    with pytest.raises(PartitionsMovedError):
        await stage.handle(make_request("1"), make_request("1", 2_000, **EVA), make_request("2", 3_000))

    assert len(server.writes) == 1
    assert await stage.store.ledger.read([make_person("1"), make_person("2")]) == {}
    assert stage.tasks.filed == []


async def test_ownership_is_checked_before_each_request(stage: WriterStage) -> None:
    """Every single request to the server is preceded by a check of the ownership."""
    await stage.handle(make_request("1"), make_request("2"), make_request("1", 2_000, **EVA))

    assert stage.ownership.checks == len(stage.list_calls()) > 6
