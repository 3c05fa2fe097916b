"""Fields that the server refuses or does not store: they hold no other field back, and are not sent again and again."""

from typing import Any

import pytest

from services.contracts.ids import AccountId
from services.contracts.outcomes import Outcome, WaitingCause
from services.contracts.values import Value
from services.provisioning.calls import Answer, Conflict, Lost, PatchAccount, Pause, Refused, Written
from services.provisioning.desired import Change, DesiredState
from services.provisioning.server import ServerMemory, Way
from services.provisioning.states import MAX_WRITES, NOT_STORED, Goal, Inconclusive
from tests.unit.provisioning.accounts import OLD_NAME, build_account, build_state, find
from tests.unit.provisioning.driver import REMEMBERED, build_goal, build_leaver, prove, run
from tests.unit.provisioning.fields_server import FieldsServer

REFUSED = Refused(400, "invalidValue")
TITLE = "title"


def build_titled(**fields: Value) -> Goal:
    """Returns a goal with a title and these further fields."""
    wanted: dict[str, Value] = {"name.givenName": "Ada", TITLE: "Dr."}
    return build_goal(REMEMBERED, build_state(wanted | fields, reference=None))


# ---------------------------------------------------------------- one field


@pytest.mark.promise("W16")
def test_refused_field_holds_no_other_field_back() -> None:
    """The other fields are written without it, and the person is incomplete."""
    server = FieldsServer(OLD_NAME, refused={TITLE: REFUSED})

    story = server.run(build_titled(nickName="A"))

    assert story.result.outcome is Outcome.INCOMPLETE
    assert story.trail.refused == {TITLE: "400, invalidValue"}
    assert server.live.body["name"] == {"givenName": "Ada"}
    assert server.live.body["nickName"] == "A"


@pytest.mark.promise("W16")
def test_identity_is_written_before_single_fields() -> None:
    """Name, address and access follow a refusal at once, before each other field alone."""
    server = FieldsServer(OLD_NAME, refused={TITLE: REFUSED})
    names = ("name.givenName", "name.familyName")
    memory = prove(*names, TITLE, "nickName")

    server.run(build_titled(**{"name.familyName": "King", "nickName": "A"}), memory)

    assert server.sent == [("name.givenName", TITLE, "name.familyName", "nickName"), names, (TITLE,), ("nickName",)]


@pytest.mark.promise("W21")
@pytest.mark.parametrize("is_silent", [False, True], ids=["answer shows the account", "answer shows nothing"])
def test_field_that_is_not_stored_is_remembered_for_the_server(*, is_silent: bool) -> None:
    """A field that the server drops in every form, for two employees, is not sent again for the next one."""
    memory = ServerMemory(ignored={TITLE: AccountId("u0")})
    first = FieldsServer(OLD_NAME, ignored={TITLE}, is_silent=is_silent)
    second = FieldsServer(OLD_NAME, ignored={TITLE}, is_silent=is_silent)

    story = first.run(build_titled(), memory)
    other = second.run(build_titled(), memory)

    assert story.trail.refused == {TITLE: NOT_STORED}
    assert second.sent == [("name.givenName",)]
    assert other.result.outcome is Outcome.INCOMPLETE


def test_field_that_one_account_does_not_keep_is_sent_for_others() -> None:
    """It may be a peculiar account. A server that has stored the field before stores it for others, too."""
    unknown, known = ServerMemory(), ServerMemory(proven={Way.PATHS: {Change(TITLE, "add")}})
    for account in ("u1", "u1"):
        unknown.learn_ignored(TITLE, AccountId(account))
    for account in ("u1", "u2"):
        known.learn_ignored(TITLE, AccountId(account))

    assert unknown.not_stored == set()
    assert known.not_stored == set()


def test_field_refused_before_is_skipped() -> None:
    """A field that is not due is not written, and the person stays incomplete."""
    goal = build_goal(REMEMBERED, build_state({TITLE: "Dr."}, reference=None), skipped=frozenset({TITLE}))

    story = run(goal, find(build_account()))

    assert story.writes == ()
    assert story.result.outcome is Outcome.INCOMPLETE


def test_external_id_is_optional() -> None:
    """A server need not keep external ids: the person is complete without one."""
    server = FieldsServer(build_account(externalId=None), ignored={"externalId"})

    story = server.run(build_goal(REMEMBERED))

    assert story.trail.refused == {"externalId": NOT_STORED}
    assert story.result.outcome is Outcome.UPDATED


def test_failing_field_is_refused_alone() -> None:
    """A field for which the server always fails does not make the person wait."""
    server = FieldsServer(OLD_NAME, refused={TITLE: Lost(500)})

    story = server.run(build_titled())

    assert story.trail.refused == {TITLE: "500"}
    assert story.result.outcome is Outcome.INCOMPLETE
    assert server.live.body["name"] == {"givenName": "Ada"}


def test_number_of_writes_is_limited() -> None:
    """Many fields in many forms end with a wait instead of hundreds of requests."""
    fields: dict[str, Value] = {f"field{number}": "x" for number in range(2 * MAX_WRITES)}
    server = FieldsServer(refused=dict.fromkeys(fields, REFUSED))

    story = server.run(build_goal(REMEMBERED, DesiredState(tuple(fields.items()))))

    assert story.result == Inconclusive(WaitingCause.INCONCLUSIVE)
    assert len(server.sent) == MAX_WRITES


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("more", "fact"),
    [
        ({"refused": {"userName": Refused(400, "mutability")}}, "allows no change of it (400, mutability)"),
        ({"ignored": {"userName"}}, "confirms a change of it but does not make it"),
    ],
    ids=["refused", "not stored"],
)
def test_immutable_user_name_says_what_to_do(more: dict[str, Any], fact: str) -> None:
    """The value in Personio may be right: the reason says that the server keeps the old one, and both ways out."""
    live = build_account(userName="old@x.example")

    story = FieldsServer(live, **more).run(build_goal(REMEMBERED, last_user_name="old@x.example"))

    step = "change it in Declaree by hand, or enter the former value in Personio"
    assert story.result.reason == f"account u1 keeps its user name, Declaree {fact}: {step}"
    assert story.result.field == "userName"


@pytest.mark.promise("W16")
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"refused": {"name.givenName": REFUSED}}, "Declaree refuses the value (400, invalidValue)"),
        ({"ignored": {"name.givenName"}}, "Declaree does not store the value"),
    ],
    ids=["refused", "not stored"],
)
def test_refused_identity_rejects(more: dict[str, Any], reason: str) -> None:
    """Without a name of the identity the person is rejected, and the reason contains no value."""
    story = FieldsServer(OLD_NAME, **more).run(build_goal(REMEMBERED))

    assert story.result.reason == f"account u1 cannot get its name.givenName, {reason}: correct it in Personio"
    assert story.result.field == "name.givenName"


@pytest.mark.promise("P9")
def test_account_that_stays_enabled_is_named() -> None:
    """A server that confirms the end of access and does not make it leaves a rejection that says so."""
    story = FieldsServer(ignored={"active"}, is_silent=True).run(build_leaver())

    fact = "account u1 cannot be enabled or disabled, Declaree confirms the change but does not make it"
    assert story.result.reason == f"{fact}: change it in Declaree by hand"


@pytest.mark.promise("P9")
@pytest.mark.parametrize("status", [409, 423])
def test_busy_account_is_disabled_at_the_second_try(status: int) -> None:
    """A conflict of an account that gets no address may pass, so the write is repeated after a pause."""
    live = find(build_account())

    story = run(build_leaver(), live, Conflict(status), live, Written(build_account(active=False)))

    assert Pause(0) in story.steps
    assert story.result.outcome is Outcome.DISABLED


@pytest.mark.promise("P9")
def test_conflict_that_stays_speaks_of_access_only() -> None:
    """The last administrator cannot be disabled: the reason speaks of no user name, and no other form is tried."""
    live = find(build_account())
    conflicts: list[Answer] = [Conflict(), live, Conflict()]

    story = run(build_leaver(), live, *conflicts)

    assert "cannot be enabled or disabled, Declaree does not allow the change (409)" in story.result.reason
    assert "user name" not in story.result.reason
    assert all(isinstance(call, PatchAccount) for call in story.writes)
