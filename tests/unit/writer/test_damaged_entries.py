"""Ledger entries that cannot be read: their employee is left alone and reported, and stops no other employee."""

from collections.abc import Sequence

import pytest

from services.contracts.ids import AccountId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.errors import StoreFailedError
from tests.support.builders import make_person, make_request, reports_to
from tests.support.writer_stage import EVA, WriterStage


async def damage(stage: WriterStage, employee: str) -> None:
    """Makes a ledger entry unreadable, as an outcome of a newer version does."""
    content = stage.ledger.content
    person = make_person(employee)
    content[person] = content[person].model_copy(update={"decided": None, "damage": "decided"})


async def test_employee_with_damaged_entry_stops_no_other(stage: WriterStage) -> None:
    """The other employee of the batch is settled; the account of this one is not touched, and its change waits."""
    await stage.handle(make_request("7"), make_request("8"))
    await damage(stage, "7")
    before, entry = stage.get_account("7"), await stage.get_entry("7")

    outcomes = await stage.handle(make_request("7", 2_000, **EVA), make_request("8", 2_000, **EVA))

    assert [(outcome.employee_id, outcome.outcome) for outcome in outcomes] == [("8", Outcome.UPDATED)]
    assert stage.get_account("7") == before
    assert await stage.get_cause("7") is WaitingCause.UNREADABLE_ENTRY
    assert (await stage.get_entry("7")).seq == entry.seq + 1


async def test_report_gets_manager_with_damaged_entry(stage: WriterStage) -> None:
    """The manager's account is among the readable fields."""
    await stage.handle(make_request("9"))
    await damage(stage, "9")

    await stage.handle(make_request("9", 2_000), make_request("7", manager=reports_to("9")))

    assert stage.get_manager("7") == AccountId(stage.get_account("9")["id"])


async def test_mended_entry_is_settled_again(stage: WriterStage) -> None:
    """After the entry was reset, the waiting change is settled."""
    await stage.handle(make_request("7"))
    await damage(stage, "7")
    await stage.handle(make_request("7", 2_000))
    await stage.store.ledger.reset(make_person("7"))

    outcomes = await stage.handle(make_request("7", 2_000))

    assert [outcome.outcome for outcome in outcomes] == [Outcome.UNCHANGED]
    assert await stage.get_cause("7") is None


@pytest.mark.expects_errors
async def test_entry_that_cannot_be_stored_stops_no_other(stage: WriterStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB refuses a bulk with one such entry. The others are stored, and this employee is looked at again."""
    await stage.handle(make_request("7"), make_request("8"))
    write, refused = stage.ledger.write, make_person("7")

    async def refuse(entries: Sequence[LedgerEntry]) -> frozenset[PersonKey]:
        if any(entry.person == refused for entry in entries):
            raise StoreFailedError("MongoDB rejects a command (DocumentTooLarge)")
        lost: frozenset[PersonKey] = await write(entries)
        return lost

    monkeypatch.setattr(stage.ledger, "write", refuse)

    outcomes = await stage.handle(make_request("7", 2_000, **EVA), make_request("8", 2_000, **EVA))

    assert [(outcome.employee_id, outcome.outcome) for outcome in outcomes] == [("8", Outcome.UPDATED)]
    assert (await stage.get_entry("7")).verify
    assert not (await stage.get_entry("8")).verify


@pytest.mark.parametrize(("repository", "method"), [("claims", "find_owner"), ("links", "read")])
async def test_unreadable_claim_or_decision_stops_no_other(
    stage: WriterStage, monkeypatch: pytest.MonkeyPatch, repository: str, method: str
) -> None:
    """The employee that asks for the account waits with a cause of its own; no error of the program is logged."""
    stage.add_account("e7@nordlicht.example")

    async def refuse(*_: object) -> object:
        raise StoreFailedError("the stored claim x has no valid owner: correct or remove it")

    monkeypatch.setattr(getattr(stage, repository), method, refuse)

    outcomes = await stage.handle(make_request("7"), make_request("8", **EVA))

    assert [outcome.employee_id for outcome in outcomes] == ["8"]
    assert await stage.get_cause("7") is WaitingCause.UNREADABLE_DOCUMENT
