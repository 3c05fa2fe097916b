"""Writes that repeat content of an older read: they are built again once, on what the server shows now."""

import pytest

from services.contracts.ids import AccountId
from services.contracts.mappings import ENTERPRISE, MANAGER
from services.contracts.outcomes import Outcome
from services.contracts.values import Value
from services.provisioning.calls import (
    Answer,
    Conflict,
    Lost,
    Missing,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Written,
)
from services.provisioning.manager import ManagerAccount
from services.provisioning.server import ServerMemory, Way
from services.provisioning.states import Goal
from tests.support.builders import reports_to
from tests.unit.provisioning.accounts import build_account, build_state, find
from tests.unit.provisioning.driver import REMEMBERED, Story, build_goal, build_leaver, prove, run

BOSS = AccountId("99")
REFUSED = Refused(400, "invalidValue")
TITLE: dict[str, Value] = {"name.givenName": "Ada", "title": "Dr."}
PHONE = 'phoneNumbers[type eq "work"].value'


def build_report(shown: str, **changes: object) -> Resource:
    """Returns Ada's account on a server that shows managers by external id."""
    return build_account(**{ENTERPRISE: {"manager": {"managerId": shown}}, **changes})


def build_boss(external_id: str | None) -> Resource:
    """Returns the account of Ada's manager."""
    return build_account(BOSS, externalId=external_id)


def want(fields: dict[str, Value] | None = None, known: str = "3") -> Goal:
    """Returns Ada's goal, with a manager that the ledger knows by this external id."""
    return build_goal(REMEMBERED, build_state(fields, reference=reports_to("3"), manager=ManagerAccount(BOSS, known)))


def know_put() -> ServerMemory:
    """Returns the memory of a server that takes PUT alone, and names managers by external id."""
    return ServerMemory(unusable={way for way in Way if way is not Way.PUT}, manager_by_external_id=True)


def list_sent_managers(story: Story) -> list[str]:
    """Returns the manager's external id in each PUT."""
    bodies = [call.body for call in story.writes if isinstance(call, ReplaceAccount)]
    return [body[ENTERPRISE]["manager"]["managerId"] for body in bodies]


def run_put(*answers: Answer, goal: Goal | None = None) -> Story:
    """Runs an update with a server that takes PUT alone."""
    return run(goal or want(TITLE), *answers, memory=know_put())


def test_outdated_manager_in_a_put_is_read_again() -> None:
    """The PUT has repeated the manager's former external id. The title was not at fault."""
    renamed = build_report("nl-3")

    story = run_put(
        find(build_report("3")),
        REFUSED,
        find(renamed),
        find(build_boss("nl-3")),
        Written(build_report("nl-3", title="Dr.")),
    )

    assert list_sent_managers(story) == ["3", "nl-3"]
    assert story.result.outcome is Outcome.UPDATED
    assert story.trail.written == ["title"]


def test_refusal_after_the_second_read_is_final() -> None:
    """The write is built again once for the same fields: then the field is refused, and named."""
    story = run_put(
        find(build_report("3")),
        REFUSED,
        find(build_report("nl-3")),
        find(build_boss("nl-3")),
        REFUSED,
    )

    assert story.trail.refused == {"title": "400, invalidValue"}
    assert story.result.outcome is Outcome.INCOMPLETE


def test_field_that_is_really_refused_is_sent_once() -> None:
    """Neither the account nor the manager has changed, so the same PUT is not repeated."""
    story = run_put(find(build_report("3")), REFUSED, find(build_report("3")), find(build_boss("3")))

    assert len(story.writes) == 1
    assert story.trail.refused == {"title": "400, invalidValue"}


def test_one_of_two_fields_is_found_after_a_renewal() -> None:
    """The manager has another external id, and the server also refuses the title: the nickname is stored."""
    goal = want({**TITLE, "nickName": "Countess"})
    present = [find(build_report("nl-3")), find(build_boss("nl-3"))]
    named = Written(build_report("nl-3", nickName="Countess"))

    story = run_put(find(build_report("3")), REFUSED, *present, REFUSED, REFUSED, *present, named, goal=goal)

    sent = [
        sorted({"title", "nickName"} & call.body.keys()) for call in story.writes if isinstance(call, ReplaceAccount)
    ]
    assert sent == [["nickName", "title"], ["nickName", "title"], ["title"], ["nickName"]]
    assert story.trail.refused == {"title": "400, invalidValue"}


def test_leaver_is_disabled_by_a_renewed_put() -> None:
    """An outdated reference does not keep the access of a leaver. The manager is not the goal's, so it is not read."""
    story = run(
        build_leaver(),
        find(build_report("3")),
        REFUSED,
        find(build_report("nl-3")),
        Written(build_report("nl-3", active=False)),
        memory=know_put(),
    )

    assert story.result.outcome is Outcome.DISABLED
    assert list_sent_managers(story) == ["3", "nl-3"]


def test_text_of_a_former_manager_is_replaced() -> None:
    """A server that keeps the reference as a text refuses its own text, once the manager has another external id."""
    story = run_put(
        find(build_report("3")),
        REFUSED,
        find(build_report("3")),
        find(build_boss("nl-3")),
        Written(build_report("nl-3", title="Dr.")),
    )

    assert list_sent_managers(story) == ["3", "nl-3"]
    assert story.result.outcome is Outcome.UPDATED


def test_former_external_id_of_the_manager_is_not_insisted_on() -> None:
    """The account shows the new external id already, and the ledger knows the former one: nothing is to be written."""
    memory = prove(MANAGER)
    memory.manager_by_external_id = True

    story = run(
        want(),
        find(build_report("nl-3")),
        REFUSED,
        find(build_report("nl-3")),
        find(build_boss("nl-3")),
        memory=memory,
    )

    assert story.trail.refused == {}
    assert story.result.outcome is Outcome.UNCHANGED


def test_manager_that_is_not_stored_is_resolved_again() -> None:
    """The server drops an unknown external id without an error."""
    memory = prove(MANAGER)
    memory.manager_by_external_id = True

    story = run(
        want(),
        find(build_account("u1", "v1")),
        Written(build_account()),
        find(build_account()),
        find(build_boss("nl-3")),
        Written(build_report("nl-3")),
        memory=memory,
    )

    sent = [call.operations[0]["value"] for call in story.writes if isinstance(call, PatchAccount)]
    assert sent == [{"managerId": "3"}, {"managerId": "nl-3"}]
    assert memory.uses_etags is True  # no condition has failed
    assert story.result.outcome is Outcome.UPDATED


def test_manager_without_an_account_stays_refused() -> None:
    """The manager's account cannot be read: the manager is named as refused, and the writer looks the account up."""
    memory = prove(MANAGER)
    memory.manager_by_external_id = True

    story = run(want(), find(build_account()), REFUSED, find(build_account()), Missing(), memory=memory)

    assert story.trail.refused == {MANAGER: "400, invalidValue"}
    assert story.result.outcome is Outcome.INCOMPLETE


def test_account_that_is_not_shown_ends_nothing() -> None:
    """The second read is for the content alone: an account that it does not show is not taken for missing."""
    story = run_put(find(build_report("3")), REFUSED, Missing())

    assert story.trail.refused == {"title": "400, invalidValue"}
    assert story.result.outcome is Outcome.INCOMPLETE


def test_attribute_of_others_in_a_put_is_read_again() -> None:
    """The server refuses a PUT that repeats an attribute of its own with an older value."""
    goal = build_goal(REMEMBERED, build_state(TITLE, reference=None))

    story = run_put(
        find(build_account(lastLogin="Monday")),
        Refused(400, "mutability"),
        find(build_account(lastLogin="Tuesday")),
        Written(build_account(lastLogin="Tuesday", title="Dr.")),
        goal=goal,
    )

    assert [call.body["lastLogin"] for call in story.writes if isinstance(call, ReplaceAccount)] == [
        "Monday",
        "Tuesday",
    ]
    assert story.result.outcome is Outcome.UPDATED


@pytest.mark.parametrize("answer", [Lost(500), Missing()], ids=["500", "404"])
def test_error_for_an_outdated_reference_is_renewed(answer: Answer) -> None:
    """A server may answer an unknown reference with another status. The account was read already after that."""
    story = run_put(
        find(build_report("3")),
        answer,
        find(build_report("nl-3")),
        find(build_boss("nl-3")),
        Written(build_report("nl-3", title="Dr.")),
    )

    assert story.result.outcome is Outcome.UPDATED


def test_entry_that_was_removed_is_added() -> None:
    """A PATCH names an entry of a list that another hand has removed since."""
    goal = build_goal(REMEMBERED, build_state({"name.givenName": "Ada", PHONE: "2"}, reference=None))
    with_phone = build_account(phoneNumbers=[{"type": "work", "value": "1"}])

    story = run(
        goal,
        find(with_phone),
        Refused(400, "noTarget"),
        find(build_account()),
        Written(build_account(phoneNumbers=[{"type": "work", "value": "2"}])),
    )

    assert [call.operations[0]["op"] for call in story.writes if isinstance(call, PatchAccount)] == ["replace", "add"]
    assert story.result.outcome is Outcome.UPDATED


def test_renewed_put_has_the_present_version() -> None:
    """The account has another version by then, and the condition must hold."""
    before, after = build_report("3"), build_report("nl-3")

    story = run_put(
        find(Resource(before.id, before.body, "v1")),
        REFUSED,
        find(Resource(after.id, after.body, "v2")),
        find(build_boss("nl-3")),
        Written(build_report("nl-3", title="Dr.")),
    )

    assert [call.version for call in story.writes if isinstance(call, ReplaceAccount)] == ["v1", "v2"]


def test_renewal_reads_the_manager_by_its_id() -> None:
    """The account of the ledger is read. No lookup by a former external id is needed."""
    story = run_put(find(build_report("3")), REFUSED, find(build_report("3")), find(build_boss("3")))

    assert [call.id for call in story.calls if isinstance(call, ReadAccount)] == [REMEMBERED, REMEMBERED, BOSS]


def test_conflict_about_the_manager_is_resolved() -> None:
    """A server may answer an unknown reference with a conflict: the write is repeated, then the manager's account is read."""
    memory = prove(MANAGER)
    memory.manager_by_external_id = True
    read = find(build_account())

    story = run(
        want(),
        read,
        Conflict(),
        read,
        Conflict(),
        find(build_boss("nl-3")),
        Written(build_report("nl-3")),
        memory=memory,
    )

    assert story.result.outcome is Outcome.UPDATED


def test_failed_condition_leads_to_the_present_reference() -> None:
    """The version of the account changes with the manager's external id. The former one is refused, and not insisted on."""
    before, after, done = build_report("3"), build_report("nl-3"), build_report("nl-3", title="Dr.")

    story = run_put(
        find(Resource(before.id, before.body, "v1")),
        Outdated(),
        find(Resource(after.id, after.body, "v2")),
        Written(Resource(done.id, done.body, "v3")),
        REFUSED,
        find(Resource(done.id, done.body, "v3")),
        find(build_boss("nl-3")),
    )

    assert list_sent_managers(story) == ["3", "nl-3", "3"]
    assert story.trail.refused == {}
    assert story.result.outcome is Outcome.UPDATED
