"""Differences that a test makes by hand, and the findings that a verification must report for them."""

from collections.abc import Callable
from typing import NamedTuple

from services.contracts.drift import DriftKind
from services.contracts.ids import AccountId
from tests.support.builders import OTHER, make_person
from tests.support.verify_stage import Finding, VerifyStage


def delete_account(stage: VerifyStage, key: str) -> Finding:
    """Deletes the account of an active employee."""
    return Finding(DriftKind.MISSING, key, stage.delete_account(key))


def lose_account(stage: VerifyStage, key: str) -> Finding:
    """Deletes the account, and lets the ledger forget it."""
    stage.delete_account(key)
    stage.change_entry(key, account_id=None)
    return Finding(DriftKind.UNCREATED, key, None)


def lose_everything(stage: VerifyStage, key: str) -> Finding:
    """Deletes the account, its ledger entry and its claims."""
    stage.delete_account(key)
    stage.forget(key)
    return Finding(DriftKind.UNSETTLED, key, None)


def lose_ledger_entry(stage: VerifyStage, key: str) -> Finding:
    """Deletes the ledger entry and the claims of an existing account."""
    stage.forget(key)
    return Finding(DriftKind.UNKNOWN_TO_LEDGER, key, stage.find_account(key))


def disable_employee(stage: VerifyStage, key: str) -> Finding:
    """Disables the account of an active employee."""
    return Finding(DriftKind.EMPLOYEE_DISABLED, key, stage.change_account(key, active=False), ("active",))


def change_fields(stage: VerifyStage, key: str) -> Finding:
    """Changes one mapped field and clears another one."""
    account = stage.change_account(key, title=None, name={"givenName": "Eve", "familyName": f"Name {key}"})
    return Finding(DriftKind.DIFFERENT, key, account, ("name.givenName", "title"))


def copy_account(stage: VerifyStage, key: str) -> Finding:
    """Adds a second account with the external id of the employee."""
    return Finding(
        DriftKind.DUPLICATE, key, AccountId(stage.writing.add_account(f"copy{key}@x.example", externalId=key))
    )


def claim_elsewhere(stage: VerifyStage, key: str) -> Finding:
    """Gives the account to an employee of another connection."""
    stage.claim_for(stage.find_account(key), make_person(key, OTHER))
    return Finding(DriftKind.CLAIMED_ELSEWHERE, key, stage.find_account(key))


def add_stranger(stage: VerifyStage, key: str) -> Finding:
    """Adds an account with the external id of an unknown employee."""
    account = stage.writing.add_account(f"stranger{key}@x.example", externalId=f"9{key}")
    return Finding(DriftKind.UNKNOWN_EMPLOYEE, None, AccountId(account))


def damage_entry(stage: VerifyStage, key: str) -> Finding:
    """Damages the ledger entry, and changes a field of the account, which is not compared."""
    stage.change_entry(key, damage="decided")
    return Finding(DriftKind.UNREADABLE_ENTRY, key, stage.change_account(key, title="Boss"))


def enable_leaver(stage: VerifyStage, key: str) -> Finding:
    """Enables the account of an employee that has left."""
    return Finding(DriftKind.LEAVER_ENABLED, key, stage.change_account(key, active=True))


class Plan(NamedTuple):
    """How a difference is made, and for which employees."""

    first: int
    """Id of the first employee of this kind."""
    plant: Callable[[VerifyStage, str], Finding]
    """Makes the difference for an employee and returns the finding."""


PLANS: dict[DriftKind, Plan] = {
    DriftKind.MISSING: Plan(100, delete_account),
    DriftKind.UNCREATED: Plan(120, lose_account),
    DriftKind.UNSETTLED: Plan(140, lose_everything),
    DriftKind.UNKNOWN_TO_LEDGER: Plan(160, lose_ledger_entry),
    DriftKind.EMPLOYEE_DISABLED: Plan(180, disable_employee),
    DriftKind.DIFFERENT: Plan(200, change_fields),
    DriftKind.DUPLICATE: Plan(220, copy_account),
    DriftKind.CLAIMED_ELSEWHERE: Plan(240, claim_elsewhere),
    DriftKind.UNKNOWN_EMPLOYEE: Plan(260, add_stranger),
    DriftKind.UNREADABLE_ENTRY: Plan(280, damage_entry),
    DriftKind.LEAVER_ENABLED: Plan(300, enable_leaver),
}
"""Every kind of difference. The employees of different kinds are different."""
EACH = 20
"""Number of differences of each kind."""


async def add_company(stage: VerifyStage) -> None:
    """Adds settled employees: 100 to 299 are active, 300 to 339 have left."""
    leavers = [str(number) for number in range(300, 340)]
    await stage.add_employees(range(100, 340))
    await stage.store_snapshots(leavers, revision=2_000, status="inactive")
    await stage.settle(leavers)
    stage.pass_time()


def plant(stage: VerifyStage) -> list[Finding]:
    """Makes the differences of every kind, and returns what a verification must find, sorted."""
    planted = [(plan, plan.first + number) for plan in PLANS.values() for number in range(EACH)]
    return sorted(plan.plant(stage, str(number)) for plan, number in planted)
