"""Servers with ETags that match, that match never, or that a proxy changes on the way."""

from dataclasses import replace
from typing import Any

import pytest

from services.contracts.outcomes import Outcome
from services.provisioning.calls import Answer, Call, PatchAccount, ReadAccount
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    FULL,
    OTHER,
    STEADY,
    STEADY_LIFE,
    find_user,
    hire,
    learn_and_repeat,
    live_through,
    read_content,
    write,
)

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "ETags match": {},
    "ETags are sent, but not described": {"advertise_versions": False},
    "weak ETags never match": {"version_matching": "strict"},
    "no ETag ever matches": {"version_matching": "never"},
    "no ETag ever matches, and nothing is described": {"version_matching": "never", "service_provider_config": False},
    "a proxy adds -gzip": {"version_matching": "gzip_suffix"},
    "a proxy weakens them": {"version_matching": "weakened"},
    "no ETag ever matches a PUT": {"version_matching": "never", "patch": False},
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
async def test_every_change_arrives_and_versions_are_judged_once(company: Company, behaviour: dict[str, Any]) -> None:
    """A condition that fails although nothing has changed is left out from then on."""
    company.stage.change_behaviour(versions=True, **behaviour)

    assert await learn_and_repeat(company) == STEADY_LIFE


async def test_etags_that_are_denied_are_never_sent(company: Company) -> None:
    """``ServiceProviderConfig`` says that ETags are not supported: the ones that are sent are not repeated."""
    stage = company.stage
    stage.change_behaviour(versions=True, advertise_versions=False, version_matching="never")
    await hire(company, "7")

    await live_through(company, "7")

    server = await stage.get_server()
    assert {getattr(call, "version", None) for call in server.writes} == {None}


async def test_change_by_another_hand_is_not_overwritten(company: Company) -> None:
    """An account that changes between the lookup and the write is read again, and only the difference is written."""
    stage = company.stage
    stage.change_behaviour(versions=True)
    await hire(company, "7")
    await live_through(company, "7", (FULL,))
    server, is_first = await stage.get_server(), True

    async def change_by_hand(call: Call, answer: Answer) -> Answer:
        nonlocal is_first
        if isinstance(call, ReadAccount) and is_first:
            is_first = False
            entry = stage.declaree.directory.users[call.id]
            stage.declaree.registry.replace(entry, entry.resource | {"displayName": "Eva"}, stage.declaree.behaviour)
        return answer

    server.after = change_by_hand
    outcome, requests = await write(company, "7", OTHER)

    assert outcome.outcome is Outcome.UPDATED
    assert await read_content(stage, "7") == OTHER
    assert (await find_user(stage, "7"))["displayName"] == "Eva"
    assert requests == STEADY + 2
    assert all(call.version for call in server.writes[-2:] if isinstance(call, PatchAccount))


async def test_conditions_stay_after_one_that_failed_rightly(company: Company) -> None:
    """A version that changes once without a visible change does not end the conditions of later writes."""
    stage = company.stage
    stage.change_behaviour(versions=True)
    await hire(company, "7", "6")
    server, is_first = await stage.get_server(), True

    async def change_version(call: Call, answer: Answer) -> Answer:
        nonlocal is_first
        if isinstance(call, ReadAccount) and is_first:
            is_first = False
            entry = stage.declaree.directory.users[call.id]
            stage.declaree.directory.put(replace(entry, version=entry.version + 1))
        return answer

    server.after = change_version
    await live_through(company, "7", (FULL,))
    await live_through(company, "6", (FULL,))

    assert [getattr(call, "version", None) is not None for call in server.writes[-3:]] == [True] * 3
