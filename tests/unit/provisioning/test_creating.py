"""Creates: what is sent, what the answers mean, and when a create is repeated."""

from typing import Any

import pytest

from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.bodies import CORE, PAGE_CORE
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    Lost,
    Missing,
    Outdated,
    Ownership,
    ReadAccount,
    Refused,
    Resource,
    Unsupported,
    Written,
)
from services.provisioning.server import Way
from services.provisioning.states import Inconclusive
from tests.unit.provisioning.accounts import EMAIL, build_account, build_state, find
from tests.unit.provisioning.driver import (
    CREATED,
    EMPTY_LOOKUPS,
    FRESH_EXTERNAL_ID,
    NOTHING,
    build_goal,
    run_create,
)

FORGOTTEN = Resource(build_account("u9").id, {})
"""An account that is known by its ``Location`` alone."""
CREATED_SHORT = Written(build_account("u9", name=None))
"""The answer to a create that does not show the name."""
REFUSED = Refused(400, "invalidValue")


def get_body(call: Call) -> dict[str, Any]:
    """Returns the body of a create."""
    assert isinstance(call, CreateAccount)
    return call.body


# ---------------------------------------------------------------- confirmed creates


def test_answer_that_shows_all_needs_no_look() -> None:
    """An answer with the whole account confirms it."""
    story = run_create(CREATED)

    assert len(story.calls) == 3
    assert story.result.account_id == "u9"


@pytest.mark.promise("W21")
@pytest.mark.parametrize("answer", [FORGOTTEN, build_account("u9", name=None)], ids=["no body", "less than was sent"])
def test_answer_that_shows_less_is_read(answer: Resource) -> None:
    """An account is read if the answer does not show all that was sent."""
    story = run_create(Written(answer), find(build_account("u9")))

    assert story.calls[-1] == ReadAccount(FORGOTTEN.id)
    assert story.result.outcome is Outcome.CREATED
    assert len(story.writes) == 1


def test_new_account_that_no_read_shows_yet_waits() -> None:
    """Reads may lag behind a create: the change waits if neither the answer nor a read shows the new account."""
    silent = run_create(Written(FORGOTTEN), Missing())
    shown = run_create(CREATED_SHORT, Missing(), Missing(), Missing())

    assert silent.result == Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)
    assert silent.trail.owned_id == "u9"
    assert len(silent.writes) == 1
    assert shown.result == Inconclusive(WaitingCause.ACCOUNT_NOT_SHOWN)


def test_create_confirmed_without_an_account_is_looked_up() -> None:
    """An answer that does not tell the id is looked up like a lost one."""
    story = run_create(Written(None), find(build_account("u9")))

    assert story.calls[-1] == FRESH_EXTERNAL_ID
    assert story.result.outcome is Outcome.CREATED
    assert story.result.account_id == "u9"


# ---------------------------------------------------------------- conflicts


@pytest.mark.promise("W12")
def test_conflict_leads_to_our_own_account() -> None:
    """An earlier writer has created the account, and the lookups before did not show it yet."""
    story = run_create(Conflict(), NOTHING, NOTHING, find(build_account("u9", name={"givenName": "A."})), CREATED)

    assert len(story.writes) == 2
    assert story.result.outcome is Outcome.LINKED


@pytest.mark.promise("W5")
def test_conflict_with_another_account_names_it() -> None:
    """The account that has the wanted address as a further e-mail is named in the rejection."""
    other = build_account("u2", externalId="8", userName="b@x.example")

    story = run_create(Conflict(), *EMPTY_LOOKUPS, NOTHING, find(other), ownership=Ownership("other"))

    assert story.calls[-1] == FindAccounts("emails.value", EMAIL, is_fresh=True)
    assert story.result.blocked_by == "u2"


@pytest.mark.promise("W5")
def test_conflict_with_unknown_account_rejects() -> None:
    """A conflict that stays rejects the employee even if the other account cannot be found."""
    story = run_create(Conflict(), *EMPTY_LOOKUPS, NOTHING, Unsupported(), Conflict())

    assert story.result.reason.startswith("another account has this user name, e-mail address or external id (409)")
    assert story.result.blocked_by is None


@pytest.mark.promise("W5")
def test_address_that_is_free_a_moment_later_is_taken() -> None:
    """If no account has the address any longer, it was given up in the time between: one more create tells."""
    story = run_create(Conflict(), *EMPTY_LOOKUPS, NOTHING, NOTHING, CREATED)

    assert len(story.writes) == 2
    assert story.result.outcome is Outcome.CREATED


# ---------------------------------------------------------------- refusals


@pytest.mark.promise("W16")
def test_refused_body_is_reduced_to_the_identity() -> None:
    """No other field keeps an employee without an account: it is written afterwards."""
    wanted = build_state({"name.givenName": "Ada", "title": "Dr."}, reference=None)
    titled = build_account("u9", title="Dr.")

    story = run_create(REFUSED, CREATED, Written(titled), goal=build_goal(state=wanted))

    assert "title" in get_body(story.writes[0])
    assert "title" not in get_body(story.writes[1])
    assert story.patched == [{"title": "Dr."}]
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W16")
def test_refused_identity_is_tried_in_the_form_of_the_page() -> None:
    """The vendor's page names another schema in its example of a create."""
    story = run_create(REFUSED, CREATED)

    assert [get_body(call)["schemas"] for call in story.writes] == [[CORE], [PAGE_CORE]]
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W16")
def test_refused_external_id_is_left_out() -> None:
    """A server need not take an external id. The account is read again once, after the first PUT that is refused."""
    created = build_account("u9", externalId=None)
    patches = [REFUSED for way in Way if way.is_patch]
    story = run_create(REFUSED, REFUSED, Written(created), *patches, REFUSED, find(created), REFUSED, REFUSED)

    assert "externalId" not in get_body(story.writes[2])
    assert story.trail.refused == {"externalId": "400, invalidValue"}
    assert story.result.outcome is Outcome.CREATED


@pytest.mark.promise("W16")
def test_body_refused_in_each_form_rejects_with_code() -> None:
    """A refusal in each form rejects the employee with the server's code."""
    story = run_create(REFUSED, Refused(400, "invalidSyntax"), REFUSED)

    assert story.result.reason == (
        "Declaree does not accept the account (400, invalidValue): correct the employee's data in Personio"
    )


def test_field_refused_before_is_not_sent() -> None:
    """A field that the server refused before, and that is not due, is left out of the create."""
    wanted = build_state({"name.givenName": "Ada", "title": "Dr."}, reference=None)

    story = run_create(CREATED, goal=build_goal(state=wanted, skipped=frozenset({"title"})))

    assert "title" not in get_body(story.writes[0])
    assert story.result.outcome is Outcome.INCOMPLETE


@pytest.mark.promise("P4")
def test_create_answered_with_500_is_looked_up_and_reduced() -> None:
    """After its own error the server does not carry the create out, so a reduced one follows a lookup."""
    failing = Lost(500)

    found = run_create(failing, find(build_account("u9")))
    lost = run_create(failing, NOTHING, NOTHING, failing, NOTHING, NOTHING)

    assert found.result.outcome is Outcome.CREATED
    assert len(found.writes) == 1
    assert lost.result == Inconclusive(WaitingCause.FAILING_ACCOUNT)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Refused(403), "Declaree forbids the write (403): give the key's user the right to write accounts"),
        (Refused(404), "Declaree answers a create with 404: run `connections check`"),
        (Unsupported(), "the server does not create accounts over SCIM: ask its operator to support POST"),
        (Missing(), "the server does not create accounts over SCIM: ask its operator to support POST"),
        (Outdated(), "the server does not create accounts over SCIM: ask its operator to support POST"),
    ],
    ids=str,
)
def test_server_without_create_rejects(answer: Answer, reason: str) -> None:
    """A server that forbids or does not know creates is not asked again in another form."""
    story = run_create(answer)

    assert story.result.reason == reason
    assert len(story.writes) == 1
