"""The employees that a verification reports and resends: changes under way, absent employees, lost ledgers, several accounts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.drift import DriftKind
from services.contracts.events import ChangeKind
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.mappings import MANAGER
from services.contracts.outcomes import Outcome
from services.provisioning.calls import Call, ListAccounts
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_person, make_published_mapping, make_rule
from tests.support.planted_drift import PLANS
from tests.support.run_stage import WAITING
from tests.support.verify_stage import MAPPING, Finding, VerifyStage

LEFT: dict[str, Any] = {"revision": 2_000, "status": "inactive"}
"""The snapshot of an employee that has left."""


@pytest.fixture
async def stage(store: Store) -> VerifyStage:
    """A company of twelve employees with right accounts."""
    stage = VerifyStage(store)
    await stage.add_employees(range(1, 13))
    stage.pass_time()
    return stage


# ---------------------------------------------------------------- changes under way


async def wait(stage: VerifyStage) -> None:
    """The change waits."""
    stage.change_entry("1", waiting=WAITING)


async def mark(stage: VerifyStage) -> None:
    """The entry is marked."""
    stage.change_entry("1", verify=True)


async def plan_look(stage: VerifyStage) -> None:
    """A lookup is due later."""
    stage.change_entry("1", look_at=stage.clock.now() + timedelta(minutes=5))


async def publish(stage: VerifyStage) -> None:
    """A newer change was published some minutes ago."""
    await stage.store_snapshots(["1"], 2_000, detected_at=stage.clock.now() - timedelta(minutes=59))


async def store_unpublished(stage: VerifyStage) -> None:
    """A newer change is stored and not published."""
    await stage.store_snapshots(["1"], 2_000, emitted_revision=1_000)


async def publish_mapping(stage: VerifyStage) -> None:
    """A new mapping was published some minutes ago."""
    now = stage.clock.now() - timedelta(minutes=59)
    await stage.publish_mapping(MAPPING.model_copy(update={"version": 4, "published_at": now}))


async def settle_by_newer_mapping(stage: VerifyStage) -> None:
    """The writer has settled the change with a mapping that was published during the verification."""
    entry = stage.store.ledger.content[make_person("1")]
    stage.change_entry("1", decided=entry.decided.model_copy(update={"mapping_version": 4}))


async def settle_now(stage: VerifyStage) -> None:
    """The change was settled just now, which the list need not show yet."""
    entry = stage.store.ledger.content[make_person("1")]
    stage.change_entry("1", decided=entry.decided.model_copy(update={"settled_at": stage.clock.now()}))


@pytest.mark.parametrize(
    "begin",
    [wait, mark, plan_look, publish, store_unpublished, publish_mapping, settle_by_newer_mapping, settle_now],
)
@pytest.mark.parametrize(
    "kind", [DriftKind.MISSING, DriftKind.DIFFERENT, DriftKind.EMPLOYEE_DISABLED, DriftKind.DUPLICATE]
)
async def test_change_under_way_is_not_reported(
    stage: VerifyStage, begin: Callable[[VerifyStage], Any], kind: DriftKind
) -> None:
    """The account may have any content until the change is settled, and a resend would be needless."""
    PLANS[kind].plant(stage, "1")
    await begin(stage)

    report = await stage.verify(repair=True)

    assert await stage.list_findings() == []
    assert stage.resent == []
    assert report.open_findings == 0


async def test_account_that_is_created_during_the_list_is_not_missing(stage: VerifyStage) -> None:
    """The writer creates it after the page on which it would have been listed."""
    await stage.store_snapshots(["50"], detected_at=stage.clock.now())

    async def create(call: Call) -> None:
        if isinstance(call, ListAccounts) and call.start == 1:
            stage.clock.seconds += 60
            await stage.settle(["50"])
            stage.clock.seconds += 60
            stage.declaree.directory.users.pop(stage.find_account("50"))  # no page shows it

    stage.accounts.before = create

    found = await stage.find()

    assert found == []


async def test_change_that_is_settled_during_the_list_is_right(stage: VerifyStage) -> None:
    """The page shows the old name, and the ledger is read after the writer has changed it."""
    await stage.store_snapshots(["1"], 2_000, last_name="King", detected_at=stage.clock.now())

    async def settle(_: Call) -> None:
        stage.clock.seconds += 60
        await stage.settle(["1"])

    stage.accounts.after = settle

    found = await stage.find()

    assert found == []


async def test_lost_outcome_is_published_again(stage: VerifyStage) -> None:
    """The newer change was published an hour ago: the event or the outcome was lost. The status makes no difference."""
    await stage.store_snapshots(["1"], 2_000, last_name="King", detected_at=NOW)
    await stage.store_snapshots(["2"], 2_000, status="onboarding", detected_at=NOW)
    await stage.store_snapshots(["3"], 2_000, email=None, detected_at=NOW)
    await stage.store_snapshots(["60"], status="onboarding")
    await stage.store_snapshots(["61"], status="inactive")
    listed = {key: stage.find_account(key) for key in "123"}

    found = await stage.find()
    await stage.settle_resent()
    stage.pass_time()
    found_again = await stage.find("r2")

    unlisted = [Finding(DriftKind.UNSETTLED, key, None) for key in ("60", "61")]
    unsettled = [Finding(DriftKind.UNSETTLED, key, account) for key, account in listed.items()]
    assert found == sorted([*unsettled, *unlisted], key=lambda finding: finding.employee or "")
    assert found_again == []
    assert stage.writing.get_account("1")["name"]["familyName"] == "King"


async def test_administrator_does_not_wait_for_a_lost_outcome(stage: VerifyStage) -> None:
    """A departure that was published just now and has no outcome is found at once, and the leaver loses access."""
    now = stage.clock.now()
    await stage.store_snapshots(["1"], 2_000, status="inactive", detected_at=now)

    assert await stage.find() == []
    assert await stage.find("r2", repair=True, is_patient=False) == [
        Finding(DriftKind.LEAVER_ENABLED, "1", stage.find_account("1"))
    ]

    await stage.settle_resent()

    assert stage.writing.get_account("1")["active"] is False


async def test_oversized_change_is_not_published_again(stage: VerifyStage) -> None:
    """It is too large for Kafka, which `people list` reports."""
    await stage.store_snapshots(["1"], 2_000, last_name="King")
    await stage.store.snapshots.mark_oversized(CONNECTION, [(EmployeeId("1"), 2_000)])

    await stage.verify()

    assert stage.resent == []


@pytest.mark.promise("P9")
async def test_leaver_with_an_oversized_value_is_disabled(stage: VerifyStage) -> None:
    """The event without the value is published like any other, so a lost one is sent again."""
    await stage.store_snapshots(["1"], 2_000, status="inactive", oversized=("position",))

    found = await stage.find()
    await stage.settle_resent()

    assert found == [Finding(DriftKind.LEAVER_ENABLED, "1", stage.find_account("1"))]
    assert stage.writing.get_account("1")["active"] is False


async def test_rejected_employee_is_not_reported(stage: VerifyStage) -> None:
    """An administrator is asked already."""
    entry = stage.store.ledger.content[make_person("1")]
    stage.change_entry("1", decided=entry.decided.model_copy(update={"outcome": Outcome.REJECTED}))
    stage.change_account("1", title="Boss")

    found = await stage.find(repair=True)

    assert found == []


# ---------------------------------------------------------------- absent employees


async def test_absent_employee_is_never_enabled(stage: VerifyStage) -> None:
    """Personio no longer lists the employees, and their last snapshot says that they are active."""
    await stage.store_snapshots(["1", "2", "3", "4"], absent_since=NOW)
    stage.change_account("1", active=False)
    stage.change_account("2", title="Boss")
    stage.delete_account("3")
    stage.forget("4")

    found = await stage.find(repair=True)

    assert found == []
    assert stage.resent == []


@pytest.mark.promise("P9")
async def test_removed_employee_is_a_leaver(stage: VerifyStage) -> None:
    """An administrator has confirmed that the employee is gone."""
    await stage.store_snapshots(["1"], 2_000, absent_since=NOW, kind=ChangeKind.REMOVED)
    await stage.settle(["1"])
    stage.pass_time()
    account = stage.change_account("1", active=True)

    await stage.verify()
    await stage.settle_resent()

    assert await stage.list_findings() == [Finding(DriftKind.LEAVER_ENABLED, "1", account)]
    assert stage.writing.get_account("1")["active"] is False


# ---------------------------------------------------------------- lost and restored ledgers


@pytest.mark.promise("P9")
async def test_lost_ledger_is_rebuilt(stage: VerifyStage) -> None:
    """Leavers lose access, accounts are linked again, and new employees get one. A second verification finds nothing."""
    await stage.store_snapshots(["2"], **LEFT)
    await stage.settle(["2"])
    await stage.store_snapshots(["1"], **LEFT)
    await stage.store_snapshots(["50"])
    stage.pass_time()
    for key in list(stage.store.ledger.content):
        stage.forget(key.employee_id)
    accounts = {key: stage.find_account(key) for key in map(str, range(1, 13))}

    found = await stage.find()
    await stage.settle_resent()
    stage.pass_time()
    found_again = await stage.find("r2")

    unknown = [Finding(DriftKind.UNKNOWN_TO_LEDGER, key, accounts[key]) for key in accounts if key != "1"]
    others = [Finding(DriftKind.LEAVER_ENABLED, "1", accounts["1"]), Finding(DriftKind.UNSETTLED, "50", None)]
    assert {*found} == {*unknown, *others}
    assert found_again == []
    assert [stage.writing.get_account(key)["active"] for key in ("1", "2", "3", "50")] == [False, False, True, True]


@pytest.mark.promise("P9")
async def test_leaver_that_the_ledger_calls_out_of_scope_is_disabled(stage: VerifyStage) -> None:
    """A restored server has an account that did not exist when the employee left."""
    await stage.store_snapshots(["50"], status="inactive")
    await stage.settle(["50"])
    stage.pass_time()
    account = AccountId(stage.writing.add_account("e50@x.example", externalId="50"))

    await stage.verify()
    await stage.settle_resent()

    assert await stage.list_findings() == [Finding(DriftKind.LEAVER_ENABLED, "50", account)]
    assert stage.writing.get_account("50")["active"] is False


async def test_employee_out_of_scope_keeps_an_unknown_account(stage: VerifyStage) -> None:
    """An onboarding employee's account stays as it is, and a resend would change nothing."""
    await stage.store_snapshots(["50"], status="onboarding")
    await stage.settle(["50"])
    stage.pass_time()
    stage.writing.add_account("e50@x.example", externalId="50")

    found = await stage.find(repair=True)

    assert found == []


async def test_refused_stranger_is_resent_once(stage: VerifyStage) -> None:
    """An account of another system has an employee's id as external id. The writer asks an administrator."""
    stage.writing.add_account("payroll@x.example", externalId="50")
    await stage.store_snapshots(["50"], status="inactive")
    stage.pass_time()

    found = await stage.find()
    await stage.settle_resent()
    stage.pass_time()
    found_again = await stage.find("r2")

    assert [finding.kind for finding in found] == [DriftKind.LEAVER_ENABLED]
    assert stage.store.ledger.content[make_person("50")].decided.outcome is Outcome.REJECTED
    assert found_again == []


# ---------------------------------------------------------------- owners and several accounts


async def test_leaver_that_cannot_be_disabled_stays_a_finding(stage: VerifyStage) -> None:
    """The server refuses to disable its last administrator, and the employee is rejected."""
    await stage.store_snapshots(["1"], **LEFT)
    await stage.settle(["1"])
    entry = stage.store.ledger.content[make_person("1")]
    stage.change_entry("1", decided=entry.decided.model_copy(update={"outcome": Outcome.REJECTED}))
    account = stage.change_account("1", active=True)
    stage.pass_time()

    found = await stage.find()

    assert found == [Finding(DriftKind.LEAVER_ENABLED, "1", account)]


async def test_claim_counts_more_than_an_external_id(stage: VerifyStage) -> None:
    """An administrator has changed the external id of an account to that of another employee."""
    account = stage.change_account("1", externalId="2")

    found = await stage.find()

    assert found == [Finding(DriftKind.DIFFERENT, "1", account, ("externalId",))]


async def test_ledger_counts_more_than_an_external_id(stage: VerifyStage) -> None:
    """Accounts of an earlier version have no claim."""
    account = stage.change_account("1", externalId="2")
    stage.store.claims.content.clear()

    found = await stage.find()

    assert found == [Finding(DriftKind.DIFFERENT, "1", account, ("externalId",))]


async def test_account_made_again_by_hand_is_linked(stage: VerifyStage) -> None:
    """The known account is gone, and another one has the external id: it takes the place of the first."""
    gone = stage.delete_account("1")
    name = {"givenName": "Ada", "familyName": "Name 1"}
    stage.writing.add_account("e1@x.example", externalId="1", name=name, title="Clerk")

    found = await stage.find()
    await stage.settle_resent()
    stage.pass_time()
    found_again = await stage.find("r2")

    assert found == [Finding(DriftKind.MISSING, "1", gone)]
    assert found_again == []
    assert len(stage.declaree.directory.users) == 12


@pytest.mark.promise("P4")
async def test_two_accounts_of_an_unknown_employee_are_both_reported(stage: VerifyStage) -> None:
    """It is unknown which one is the employee's, so the writer rejects the change and creates no third one."""
    first = stage.find_account("1")
    second = AccountId(stage.writing.add_account("copy@x.example", externalId="1"))
    stage.forget("1")

    await stage.verify()
    await stage.settle_resent()

    duplicates = [Finding(DriftKind.DUPLICATE, "1", account) for account in (first, second)]
    assert {*await stage.list_findings()} == {*duplicates, Finding(DriftKind.UNSETTLED, "1", None)}
    assert stage.store.ledger.content[make_person("1")].decided.outcome is Outcome.REJECTED
    assert len(stage.declaree.directory.users) == 13


async def test_second_account_of_a_repaired_employee_is_reported(stage: VerifyStage) -> None:
    """The repair of the first account does not hide the second one."""
    changed = stage.change_account("1", title=None)
    second = AccountId(stage.writing.add_account("copy@x.example", externalId="1"))

    found = await stage.find(repair=True)

    assert found == [
        Finding(DriftKind.DIFFERENT, "1", changed, ("title",)),
        Finding(DriftKind.DUPLICATE, "1", second),
    ]


async def test_account_with_another_prefix_is_not_ours(stage: VerifyStage) -> None:
    """Two connections with one Declaree have different prefixes."""
    await stage.publish_mapping(
        make_published_mapping(make_rule("title", "position"), version=3, external_id_prefix="a-")
    )
    stage.writing.add_account("b1@x.example", externalId="b-900")
    stage.writing.add_account("b2@x.example", externalId="900")
    stranger = AccountId(stage.writing.add_account("a@x.example", externalId="a-900"))

    await stage.verify()

    unknown = [finding for finding in await stage.list_findings() if finding.kind is DriftKind.UNKNOWN_EMPLOYEE]
    assert unknown == [Finding(DriftKind.UNKNOWN_EMPLOYEE, None, stranger)]


async def test_account_of_another_connection_is_never_resent(stage: VerifyStage) -> None:
    """Both connections have an employee of this id, and the account is the other one's."""
    other = AccountId(stage.writing.add_account("b@x.example", externalId="50"))
    stage.claim_for(other, make_person("50", OTHER))
    await stage.store_snapshots(["50"], status="inactive")
    await stage.settle(["50"])
    stage.pass_time()

    found = await stage.find(repair=True)

    assert found == []


# ---------------------------------------------------------------- managers


async def test_open_reference_to_a_manager_is_not_compared(stage: VerifyStage) -> None:
    """The manager's account has changed, and the report is written with it in its own time."""
    rules = [*MAPPING.mapping.rules, make_rule(MANAGER, "supervisor.id")]
    await stage.publish_mapping(make_published_mapping(*rules, version=4))
    await stage.store_snapshots(["2"], 2_000, supervisor__id=1)
    await stage.settle(map(str, range(1, 13)))
    stage.pass_time()
    stage.change_entry("1", account_id="other")

    await stage.verify(repair=True)

    assert [finding for finding in await stage.list_findings() if finding.employee == "2"] == []
    assert stage.writing.get_manager("2") == stage.find_account("1")


async def test_damaged_entry_is_reported_and_stops_no_other(stage: VerifyStage) -> None:
    """The employee needs a person and is left alone; the others are compared."""
    await stage.add_employees(range(1, 4))
    stage.pass_time()
    stage.change_entry("1", damage="decided")
    account, changed = stage.change_account("1", title="Boss"), stage.change_account("2", title="Boss")

    assert await stage.find(repair=True) == [
        Finding(DriftKind.DIFFERENT, "2", changed, ("title",)),
        Finding(DriftKind.UNREADABLE_ENTRY, "1", account),
    ]
    assert stage.resent == ["2"]
