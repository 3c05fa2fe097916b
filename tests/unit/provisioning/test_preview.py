"""What a first import would do with one employee, and why an account is unclear."""

from typing import Any

import pytest

from services.contracts.outcomes import Intent
from services.provisioning.preview import Judgement, Prospect, preview
from tests.support.builders import make_request, make_request_with_intent
from tests.unit.provisioning.accounts import FREE, build_account

STRANGER = build_account(userName="other@x.example", name={"givenName": "Eva"})
"""An account with the employee's external id, and another name and e-mail address."""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False}, "it is disabled"),
        ({"externalId": "payroll-7"}, "it has another external id"),
        ({"roles": [{"value": "admin"}]}, "it has a role"),
        ({"name": {"givenName": "Eva"}}, "it has another name"),
        ({"active": False, "name": {"givenName": "Eva"}}, "it is disabled, it has another name"),
    ],
    ids=["disabled", "external id", "role", "name", "two"],
)
def test_unclear_account_has_every_reason(changes: dict[str, Any], reason: str) -> None:
    """An administrator sees why the account cannot be linked without a decision."""
    live = build_account(**({"externalId": None} | changes))

    assert preview(make_request(), [], [live]) == Judgement(Prospect.UNCLEAR, live, reason)


def test_fitting_account_has_no_reason() -> None:
    """It is enabled, free and plain, and the first name fits."""
    assert preview(make_request(), [], [FREE]) == Judgement(Prospect.FITTING, FREE)


@pytest.mark.parametrize("by_external_id", [True, False])
def test_one_of_several_accounts_is_unclear(by_external_id: bool) -> None:
    """None of the accounts is more likely to be the employee's."""
    accounts = [build_account(), build_account("u2")]

    judgement = preview(make_request(), accounts if by_external_id else [], accounts)

    assert judgement.prospect is Prospect.UNCLEAR
    assert judgement.reason is not None
    assert "several accounts" in judgement.reason


def test_stranger_with_our_external_id_is_unclear() -> None:
    """An external id alone proves nothing."""
    judgement = preview(make_request(), [STRANGER], [])

    assert judgement.prospect is Prospect.UNCLEAR
    assert judgement.reason == "it has this external id, but another name and e-mail address"


def test_rejected_employee_has_the_reason_of_its_request() -> None:
    """The account is not looked at."""
    request = make_request_with_intent(Intent.REJECT, reason="no e-mail address", field="email")

    assert preview(request, [STRANGER], [FREE]) == Judgement(Prospect.REJECTED, reason="no e-mail address")
