"""Two writers at the same time: the later one to write the ledger settles its batch again."""

from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested
from services.contracts.outcomes import Intent, Outcome
from services.provisioning.calls import Answer, Call
from services.runtime.kafka.ownership import PartitionsMovedError
from services.writer.handler import LostRaceError
from tests.support.builders import make_incoming, make_person, make_request, make_request_with_intent, reports_to
from tests.support.writer_stage import EVA, ZOE, WriterStage, summarize

OTHER_PARTITION = 1
"""Partition of the other writer's record."""
DISCOVERY = {("GET", "/ServiceProviderConfig"), ("GET", "/Schemas")}
"""Requests about the server, for no person."""


class ConcurrentLedger:
    """A ledger; just before its first write, another writer handles a request."""

    def __init__(self, stage: WriterStage, request: AccountRequested) -> None:
        """Takes the ledger of the stage."""
        self._inner, self._requests = stage.ledger, [request]
        self._stage, self._other = stage, stage.make_writer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, entries: Any) -> Any:
        """Lets the other writer write first."""
        while self._requests:
            record = make_incoming(self._requests.pop())._replace(partition=OTHER_PARTITION)
            await self._stage.handle_incoming([record], self._other)
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


@pytest.mark.promise("P4")
async def test_account_of_lost_entry_is_found_by_its_name(stage: WriterStage) -> None:
    """Only the lost entry knew the account, the server keeps no external id, and the address changes: no second account."""
    stage.change_behaviour(external_id="ignored")
    stage.ledger = ConcurrentLedger(stage, make_request_with_intent(Intent.REJECT, "7", 1_500))
    stage.restart()
    with pytest.raises(LostRaceError):
        await stage.handle(make_request("7", user_name="old@x.example"))
    stage.clock.seconds += 3_600

    await stage.handle(make_request("7", 2_000, user_name="new@x.example"))

    assert [user.resource["userName"] for user in stage.declaree.directory.users.values()] == ["new@x.example"]


async def test_employee_unblocked_concurrently_is_resent(stage: WriterStage) -> None:
    """The other writer gave up the address before this one had written its entry."""
    await stage.handle(make_request("8", user_name="shared@x.example"))
    stage.ledger = ConcurrentLedger(stage, make_request("8", 2_000, user_name="other@x.example"))
    stage.restart()

    (outcome,) = await stage.handle(make_request("7", user_name="shared@x.example"))

    assert outcome.outcome == Outcome.REJECTED
    assert stage.tasks.people == {"7"}


@pytest.mark.promise("P1")
@pytest.mark.promise("P3")
async def test_batch_with_lost_race_is_settled_again(stage: WriterStage) -> None:
    """A lost race publishes nothing. In the second round every change gets an outcome, and the account is looked up."""
    await stage.handle(make_request("7"), make_request("8"))
    await stage.let_another_writer_win("7", 5_000)

    batch = [make_request("7", 2_000, **EVA), make_request("8", 2_000)]

    with pytest.raises(LostRaceError):
        await stage.handle(*batch)

    entry = await stage.get_entry("7")
    assert entry.verify is True
    assert entry.decided_version.revision == 5_000

    stage.offset -= len(batch)

    assert summarize(await stage.handle(*batch)) == [("7", Outcome.SUPERSEDED), ("8", Outcome.UNCHANGED)]

    (outcome,) = await stage.handle(make_request("7", 5_000, **ZOE))

    assert outcome.outcome is Outcome.UPDATED
    assert stage.get_account()["name"]["givenName"] == "Zoë"
    assert (await stage.get_entry()).verify is False


@pytest.mark.promise("P1")
async def test_outcome_of_a_lost_race_is_published_while_waiting(stage: WriterStage) -> None:
    """A lost race publishes nothing. If the settled change then waits for a look, its outcome is published."""
    await stage.handle(make_request("7"), make_request("8"))
    await stage.let_another_writer_win("8", 5_000)
    batch = [make_request("7", 2_000, **EVA), make_request("8", 2_000)]
    with pytest.raises(LostRaceError):
        await stage.handle(*batch)
    await stage.ledger.mark_verify([make_person("7")])
    stage.declaree.faults.order(Fault(kind="status", method="GET", status=503, count=None))
    stage.offset -= len(batch)

    outcomes = summarize(await stage.handle(*batch))

    assert ("7", Outcome.UPDATED) in outcomes
    assert (await stage.get_entry("7")).waiting is not None


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
        await stage.handle(make_request("1"), make_request("2", 3_000))

    assert len(server.writes) == 1
    assert await stage.store.ledger.read([make_person("1"), make_person("2")]) == {}
    assert stage.tasks.filed == []


async def test_ownership_is_checked_before_each_request(stage: WriterStage) -> None:
    """Every single request for a person is preceded by a check of the ownership."""
    await stage.handle(make_request("1"), make_request("2"))
    await stage.handle(make_request("1", 2_000, **EVA))

    calls = [call for call in stage.list_calls() if call not in DISCOVERY]
    assert stage.ownership.checks == len(calls) > 6
