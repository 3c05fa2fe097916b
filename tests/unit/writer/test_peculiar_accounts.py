"""One account that cannot be written as others can: what it shows about itself says nothing about the server."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, Missing, PatchAccount, ReplaceAccount, Written
from tests.support.writer_stage import LATE_WRITE_SECONDS
from tests.unit.writer.company import Company
from tests.unit.writer.servers import FULL, PLAIN, STEADY, hire, leave, read_content, write


@pytest.mark.promise("P10")
async def test_account_that_the_key_may_not_write_stops_no_other(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server shows the account and answers each write of it with its own 404, as for one of another organisation."""
    stage = company.stage
    await hire(company, "7", "6")
    stage.clock.seconds += LATE_WRITE_SECONDS + 1
    foreign = (await stage.get_entry("7")).account_id
    await stage.reset_endpoints()
    server = await stage.get_server()
    inner = server.inner.perform

    async def hide(call: Call, *, before: Callable[[], None]) -> Answer:
        is_foreign = isinstance(call, PatchAccount | ReplaceAccount) and call.id in {foreign, None}
        return Missing(is_certain=True) if is_foreign else await inner(call, before=before)

    monkeypatch.setattr(server.inner, "perform", hide)
    refused, _ = await write(company, "7", FULL)

    outcome, requests = await write(company, "6", FULL)

    assert refused.outcome is Outcome.REJECTED
    assert "404" in (refused.reason or "")
    assert outcome.outcome is Outcome.UPDATED
    assert await read_content(stage, "6") == FULL
    assert requests == STEADY
    assert await leave(company, "6") == STEADY


@pytest.mark.promise("P10")
async def test_account_that_keeps_a_field_stops_no_other(company: Company) -> None:
    """The server confirms a title and does not store it, for this account alone. Others still get theirs."""
    stage = company.stage
    await hire(company, "7", "6", "5")
    peculiar = (await stage.get_entry("7")).account_id
    await stage.reset_endpoints()
    server = await stage.get_server()

    async def forget_title(call: Call, answer: Answer) -> Answer:
        if not isinstance(answer, Written) or answer.resource is None or answer.resource.id != peculiar:
            return answer
        entry = stage.declaree.directory.users[str(peculiar)]
        kept = {name: value for name, value in entry.resource.items() if name != "title"}
        stage.declaree.registry.replace(entry, kept, stage.declaree.behaviour)
        return Written()

    server.after = forget_title
    refused, _ = await write(company, "7", replace(PLAIN, title="Boss"))

    outcome, _ = await write(company, "6", replace(PLAIN, title="Boss"))

    assert refused.outcome is Outcome.INCOMPLETE
    assert outcome.outcome is Outcome.UPDATED
    assert (await read_content(stage, "6")).title == "Boss"
