"""The preview of a first import: an account that is not certainly the employee's is unclear."""

import pytest

from services.admin.start import Prediction, judge_owned
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.provisioning.preview import Prospect
from tests.support.builders import CONNECTION, OTHER, make_person

ACCOUNT = AccountId("a-1")


def predict(employee: str, account: AccountId | None = ACCOUNT, how: Prospect = Prospect.FITTING) -> Prediction:
    """Returns a prediction for an employee."""
    return Prediction(EmployeeId(employee), how, account, "shown" if account else "")


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("owner", "how"),
    [
        (make_person("8"), Prospect.UNCLEAR),
        (make_person("7", OTHER), Prospect.REJECTED),
        (make_person("7"), Prospect.FITTING),
    ],
    ids=["another employee", "another connection", "the employee"],
)
def test_account_with_another_owner_is_not_linked(owner: PersonKey, how: Prospect) -> None:
    """Two connections may have one Declaree: an account that one of them manages is not linked by the other."""
    (marked,) = judge_owned(CONNECTION, [predict("7")], {ACCOUNT: owner})

    assert marked.prospect is how


@pytest.mark.promise("P5")
def test_account_of_two_employees_is_unclear() -> None:
    """Two employees have the same e-mail address: neither gets the account without a decision."""
    created = predict("9", None, Prospect.CREATED)

    marked = judge_owned(CONNECTION, [predict("7"), predict("8"), created, predict("6", AccountId("a-2"))], {})

    prospects = [prediction.prospect for prediction in marked]
    assert prospects == [Prospect.UNCLEAR, Prospect.UNCLEAR, Prospect.CREATED, Prospect.FITTING]
