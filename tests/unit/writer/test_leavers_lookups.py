"""Lookups that fail or lag at the moment of leaving: the account is found by other means, or the leaver waits."""

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.outcomes import Outcome, WaitingCause
from tests.support.builders import make_request
from tests.unit.writer.company import Company, make_leaver


@pytest.mark.promise("P9")
async def test_404_of_gateway_ends_no_search(company: Company) -> None:
    """A gateway's 404 for the remembered account is not believed: the account is found by other means and disabled."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.declaree.faults.order(
        Fault(kind="status", method="GET", path="/Users/*", status=404, body="html", count=None)
    )

    assert await company.settle(make_leaver("7")) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
async def test_404_of_gateway_for_every_lookup_waits(company: Company) -> None:
    """While a gateway answers every lookup, the leaver waits, and is disabled afterwards."""
    stage = company.stage
    await company.settle(make_request("7"))
    stage.change_behaviour(filters="not_implemented", plain_list_status=400)
    await stage.reset_endpoints()
    stage.declaree.faults.order(
        Fault(kind="status", method="GET", path="/Users/*", status=404, body="html", count=None)
    )

    assert await company.settle(make_leaver("7")) == {}
    assert await stage.get_cause() is WaitingCause.ACCOUNT_NOT_SHOWN

    stage.declaree.faults.clear()
    await company.pass_time()

    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
@pytest.mark.promise("P4")
@pytest.mark.parametrize("lag", ["read_lag_seconds", "search_lag_seconds"])
async def test_leaver_right_after_creation_is_disabled(company: Company, lag: str) -> None:
    """Reads lag 6 s behind a create: an employee that leaves at once waits until the account is shown."""
    stage = company.stage
    stage.change_behaviour(**{lag: 6.0})
    await company.settle(make_request("7"))

    await company.settle(make_leaver("7"))
    await company.pass_time(6)

    assert stage.get_account()["active"] is False
    assert (await stage.get_entry()).waiting is None


@pytest.mark.promise("P9")
@pytest.mark.parametrize("outcome", [Outcome.UNCHANGED, Outcome.INCOMPLETE])
async def test_lag_behind_create_outlives_later_changes(company: Company, outcome: Outcome) -> None:
    """The create was seconds ago, although the newest outcome is another one: a 404 is still not believed."""
    stage = company.stage
    refused = ("title",) if outcome is Outcome.INCOMPLETE else ()
    stage.change_behaviour(read_lag_seconds=6.0, refused_attributes=refused)
    request = make_request("7", fields={"name.givenName": "Ada", "name.familyName": "Lovelace", "title": "Countess"})
    later = request.model_copy(update={"revision": 1_500})

    await company.settle(request)

    assert await company.settle(later) == {"7": outcome}

    await company.settle(make_leaver("7"))
    await company.pass_time(6)

    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
async def test_rename_with_new_id_is_followed(company: Company) -> None:
    """The id in the answer to a rename is the id from then on, also for the end of employment."""
    stage = company.stage
    stage.change_behaviour(rename_changes_id=True)
    await company.settle(make_request("7"))
    old = stage.get_account()["id"]

    assert await company.settle(make_request("7", 2_000, user_name="new@x.example")) == {"7": Outcome.UPDATED}

    new = stage.get_account()["id"]
    assert new != old
    assert (await stage.get_entry()).account_id == new

    assert await company.settle(make_leaver("7", 3_000)) == {"7": Outcome.DISABLED}
    assert stage.get_account()["active"] is False


@pytest.mark.promise("P9")
async def test_lost_rename_with_new_id_is_followed(company: Company) -> None:
    """The answer with the new id was lost in an outage, and then the employee leaves: the external id leads to the account."""
    stage = company.stage
    stage.change_behaviour(rename_changes_id=True)
    await company.settle(make_request("7"))
    stage.declaree.faults.order(Fault(kind="status", status=504, method="PATCH", after_commit=True))
    stage.declaree.faults.order(Fault(kind="status", status=503, method="GET", path="/Users*", skip=1, count=None))
    await stage.handle(make_request("7", 2_000, user_name="new@x.example"))
    stage.declaree.faults.clear()
    stage.clock.seconds += 3_600
    await stage.reset_endpoints()

    await company.settle(make_leaver("7", 3_000))

    assert stage.get_account()["active"] is False
    assert len(stage.declaree.directory.users) == 1
