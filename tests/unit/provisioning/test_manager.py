"""Managers: an open reference waits for the manager's account, and a written one stays until it changes."""

from typing import Any

import pytest

from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import ManagerLink
from services.contracts.mappings import MANAGER
from services.contracts.outcomes import Intent, Outcome
from services.provisioning import records
from services.provisioning.calls import Answer, Call, PatchAccount, ReadAccount, Refused, Written
from services.provisioning.manager import ManagerAccount
from services.provisioning.precedence import Decision
from services.provisioning.server import ServerMemory
from tests.support.builders import NO_MANAGER, NOW, make_request, make_request_with_intent, reports_to
from tests.unit.provisioning.accounts import BOSS, MARKED, OLD_NAME, build_account, build_state, find
from tests.unit.provisioning.driver import REMEMBERED, UNOWNED, build_goal, record
from tests.unit.provisioning.entries import decide, resolve, settle
from tests.unit.provisioning.fields_server import FieldsServer


def test_manager_with_another_account_is_written_again() -> None:
    """The same request is reconciled once the manager has another account, or none."""
    request = make_request(manager=reports_to("9"))
    entry = settle(request, manager=BOSS)

    assert decide(request, entry, BOSS) is Decision.REPEAT
    assert decide(request, entry, ManagerAccount(AccountId("another"))) is Decision.RECONCILE
    assert decide(request, entry, None) is Decision.RECONCILE, "the reference is open from now on"


def test_manager_without_account_leaves_reference_open() -> None:
    """An entry with an open reference is reconciled at each request, so that the manager is written in the end."""
    request = make_request(manager=reports_to("9"))
    entry = settle(request)

    assert entry.manager == ManagerLink(employee_id=EmployeeId("9"))
    assert entry.has_open_reference
    assert decide(request, entry) is Decision.RECONCILE
    assert decide(make_request(revision=2_000, manager=reports_to("9")), entry) is Decision.RECONCILE


def test_written_manager_closes_reference() -> None:
    """The reference is closed once the manager's account is written."""
    request = make_request(manager=reports_to("9"))

    entry = settle(request, settle(request), Outcome.UPDATED, manager=BOSS)

    assert entry.manager == ManagerLink(employee_id=EmployeeId("9"), account_id=BOSS.id)
    assert decide(request, entry, BOSS) is Decision.REPEAT


@pytest.mark.parametrize("before", [None, NO_MANAGER, reports_to("7"), reports_to("5")], ids=repr)
def test_new_manager_without_account_opens_reference(before: Any) -> None:
    """A new manager without an account opens the reference, independent of the manager before."""
    entry = settle(make_request(manager=before), manager=BOSS if before == reports_to("5") else None)
    request = make_request(revision=2_000, manager=reports_to("9"))
    decision = decide(request, entry)

    entry = (
        settle(request, entry, Outcome.UNCHANGED)
        if decision is Decision.RECONCILE
        else records.record_without_call(request, entry, decision, NOW)
    )

    assert entry.manager == ManagerLink(employee_id=EmployeeId("9"))


@pytest.mark.parametrize("reference", [None, NO_MANAGER, reports_to("7")], ids=["left as it is", "none", "themselves"])
def test_request_without_other_manager_leaves_no_reference(reference: Any) -> None:
    """An employee without a manager, or named as their own manager, does not wait for an account."""
    request = make_request(manager=reference)

    assert settle(request).manager is None
    assert decide(request, settle(request)) is Decision.REPEAT


def test_leaver_keeps_written_manager_and_drops_open_one() -> None:
    """A disabled account keeps its manager, but no longer waits for a manager's account."""
    leaver = make_request_with_intent(Intent.DISABLE, revision=2_000)
    request = make_request(manager=reports_to("9"))
    written = settle(request, manager=BOSS)

    assert settle(leaver, settle(request), Outcome.DISABLED).manager is None
    assert settle(leaver, written, Outcome.DISABLED).manager == written.manager


@pytest.mark.parametrize(
    ("reference", "account", "note"),
    [
        (None, None, None),
        (NO_MANAGER, None, None),
        (reports_to("9"), BOSS, None),
        (reports_to("9"), None, "the manager has no account yet: the manager is written later"),
        (reports_to("7"), BOSS, "Personio names the employee as their own manager: the manager is left out"),
    ],
    ids=["left as it is", "none", "with account", "without account", "themselves"],
)
def test_note_says_why_the_manager_is_open(reference: Any, account: ManagerAccount | None, note: str | None) -> None:
    """An administrator sees why an account has no manager yet."""
    assert resolve(make_request(manager=reference), account).note == note


# ---------------------------------------------------------------- forms

EXTENSION = MANAGER.rpartition(":manager")[0]
REPORTS = build_goal(REMEMBERED, build_state(reference=reports_to("3"), manager=BOSS))


@pytest.mark.promise("W11")
def test_ignored_manager_is_named_by_external_id() -> None:
    """A server that ignores the account id of a manager without an error is given the external id, also later."""
    memory = ServerMemory()
    stored = Written(build_account(**{EXTENSION: {"manager": {"managerId": "3"}}}))

    def answer(call: Call) -> Answer:
        if isinstance(call, ReadAccount):
            return find(build_account())
        is_understood = isinstance(call, PatchAccount) and call.operations[0]["value"] == {"managerId": "3"}
        return stored if is_understood else MARKED

    story = record(REPORTS, answer, memory, UNOWNED)

    assert story.patched[-1] == {f"{EXTENSION}:manager": {"managerId": "3"}}
    assert story.result.outcome is Outcome.UPDATED
    assert memory.manager_by_external_id
    assert record(REPORTS, answer, memory, UNOWNED).patched == story.patched[-1:]


@pytest.mark.promise("W11")
def test_refused_manager_holds_nothing_else_back() -> None:
    """An account with a refused manager is complete except for the manager."""
    server = FieldsServer(OLD_NAME, refused={MANAGER: Refused(400, "invalidValue")})

    story = server.run(REPORTS)

    assert story.trail.refused == {MANAGER: "400, invalidValue"}
    assert story.result.outcome is Outcome.INCOMPLETE
    assert server.live.body["name"] == {"givenName": "Ada"}
