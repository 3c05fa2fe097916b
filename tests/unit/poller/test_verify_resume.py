"""Verifications that are interrupted: by a crash, a lost lease, the end of a slice, or a server that does not answer."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from sandbox.declaree.behaviour import Behaviour
from services.clients.declaree.errors import DeclareeUnavailableError
from services.clients.declaree.listing import ListUnsupportedError
from services.contracts.drift import DriftKind
from services.contracts.ids import ConnectionId
from services.contracts.tasks import Verify
from services.contracts.verifications import VerificationStep
from services.poller import verify
from services.poller.account_reader import VerificationInterruptedError
from services.poller.lease import LeaseLostError
from services.poller.verify import READS_AT_ONCE, SLICE_SECONDS
from services.provisioning.calls import Call, ListAccounts, ReadAccount
from services.store.database import Store
from services.store.errors import StoreFailedError
from tests.support.builders import CONNECTION
from tests.support.fake_store import FakeStore
from tests.support.fakes import CrashError, Crashes
from tests.support.planted_drift import PLANS
from tests.support.verify_stage import Finding, VerifyStage

EFFECTS = {"save_step": 8, "note_repaired": 3, "mark_verify": 3, "publish": 5, "finish": 1}
"""Number of effects of each kind in a verification: four pages, the end of the list, three groups of employees."""
PAGES = (1, 4, 7, 10)
"""Number of the first account of each page."""


@pytest.fixture(autouse=True)
def _groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PEOPLE_AT_ONCE", 4)


async def make_company() -> tuple[VerifyStage, list[Finding]]:
    """Returns eleven employees with one difference of each kind on three small pages, and what must be found."""
    stage = VerifyStage(cast("Store", FakeStore()), Behaviour(max_page_size=3))
    await stage.add_employees(range(1, 12))
    await stage.store_snapshots(["11"], revision=2_000, status="inactive")
    await stage.settle(["11"])
    stage.pass_time()
    plans = sorted(PLANS.values(), key=lambda plan: plan.first)
    return stage, sorted(plan.plant(stage, str(number)) for number, plan in enumerate(plans, 1))


def watch(stage: VerifyStage, crashes: Crashes) -> Callable[[], None]:
    """Counts the effects of the next verifier, which may crash, and returns the function that ends this."""
    verifications, ledger = stage.store.verifications, stage.store.ledger
    stage.store.verifications = crashes.wrap(verifications, ["save_step", "note_repaired", "finish"])
    stage.store.ledger = crashes.wrap(ledger, ["mark_verify"])
    stage.publisher.effect = crashes.record

    def restore() -> None:
        stage.store.verifications, stage.store.ledger = verifications, ledger
        stage.publisher.effect = lambda _: None

    return restore


async def list_missing_pages(stage: VerifyStage) -> list[int]:
    """Returns the first accounts of the pages that are not stored."""
    steps = [step.kind async for step in stage.store.verifications.iterate_steps(CONNECTION, "r1")]
    return list(PAGES[steps.count("page") :])


# ---------------------------------------------------------------- crashes


async def test_number_of_effects_is_as_assumed() -> None:
    """The next test crashes before each of them."""
    stage, planted = await make_company()
    crashes = Crashes()
    watch(stage, crashes)

    await stage.verify()

    assert await stage.list_findings() == planted
    assert Counter(crashes.effects) == EFFECTS


@pytest.mark.parametrize(("effect", "at"), [(effect, at) for effect, number in EFFECTS.items() for at in range(number)])
async def test_take_over_after_a_crash_ends_with_the_same_report(effect: str, at: int) -> None:
    """No repair is lost, and no stored page is listed again."""
    stage, planted = await make_company()
    restore = watch(stage, Crashes(at, effect))
    with pytest.raises(CrashError):
        await stage.verify()
    restore()
    missing, asked = await list_missing_pages(stage), len(stage.accounts.calls)

    report = await stage.verify()

    assert await stage.list_findings() == planted
    assert report.counts == {"listed": 10, **{kind.value: 1 for kind in DriftKind}, "repaired": 5}
    assert set(stage.resent) == {finding.employee for finding in planted if finding.kind.is_repaired_always}
    assert stage.accounts.pages[asked:] == missing


async def test_abandoned_verification_leaves_nothing_behind() -> None:
    """Another verification starts at the first page. The steps of the last finished one stay until it has finished."""
    stage, _ = await make_company()
    await stage.verify("r0")
    restore = watch(stage, Crashes(1, "save_step"))
    with pytest.raises(CrashError):
        await stage.verify("r1")
    restore()
    stage.accounts.calls.clear()

    await stage.verify("r2")

    assert stage.accounts.pages == list(PAGES)
    assert {run for _, run, _ in stage.store.verifications.content} == {"r2"}


async def test_last_report_stays_while_a_verification_is_in_progress() -> None:
    """Its findings stay, too."""
    stage, planted = await make_company()
    first = await stage.verify("r0")
    watch(stage, Crashes(1, "save_step"))

    with pytest.raises(CrashError):
        await stage.verify("r1")

    assert await stage.store.verifications.get_report(CONNECTION) == first
    assert await stage.list_findings("r0") == planted


# ---------------------------------------------------------------- leases


@pytest.mark.parametrize("effect", ["save_step", "mark_verify", "note_repaired"])
@pytest.mark.parametrize("at", range(3))
async def test_nothing_is_written_after_the_lease_is_lost(effect: str, at: int) -> None:
    """The lease is checked before every write; another poller goes on."""
    stage, planted = await make_company()
    crashes = Crashes()
    restore = watch(stage, crashes)

    def check() -> None:
        if crashes.effects.count(effect) > at:
            raise LeaseLostError("lost")

    stage.lease = check

    with pytest.raises(LeaseLostError):
        await stage.verify()

    assert crashes.effects.count(effect) == at + 1
    assert crashes.effects[-1] == effect

    stage.lease = lambda: None
    restore()
    await stage.verify()

    assert await stage.list_findings() == planted


# ---------------------------------------------------------------- slices and silence


async def test_verification_gives_way_after_each_slice() -> None:
    """Polls and other tasks are carried out between the pages of a long list."""
    stage, planted = await make_company()
    verifier = stage.make_verifier()

    async def take_long(_: Call) -> None:
        stage.clock.seconds += SLICE_SECONDS

    stage.accounts.before = take_long

    async def note(_: object) -> None:
        pass

    first = await verifier.verify(CONNECTION, "r1", Verify(), note)

    assert first is None
    assert stage.accounts.pages == [1]

    await stage.verify()

    assert stage.accounts.pages == list(PAGES)
    assert await stage.list_findings() == planted


@pytest.mark.parametrize("silent", PAGES)
async def test_silent_server_loses_no_stored_page(silent: int) -> None:
    """The verification goes on at the page without an answer."""
    stage, planted = await make_company()
    is_silent = True

    async def answer(call: Call) -> None:
        if is_silent and isinstance(call, ListAccounts) and call.start == silent:
            raise DeclareeUnavailableError("no answer")

    stage.accounts.before = answer
    with pytest.raises(VerificationInterruptedError, match="the verification waits for Declaree: no answer"):
        await stage.verify()
    is_silent = False

    await stage.verify()

    assert stage.accounts.pages == sorted([*PAGES, silent])
    assert await stage.list_findings() == planted


async def test_verification_with_a_damaged_step_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, instead of failing each day. An employee that was resent before counts as under way."""
    stage, planted = await make_company()
    restore = watch(stage, Crashes(5, "save_step"))
    with pytest.raises(CrashError):
        await stage.verify()
    restore()
    verifications = stage.store.verifications
    read, is_damaged = verifications.iterate_steps, True

    async def fail_once(connection: ConnectionId, run: str) -> AsyncIterator[VerificationStep]:
        nonlocal is_damaged
        async for step in read(connection, run):
            if is_damaged and step.number == 2:
                is_damaged = False
                raise StoreFailedError("the stored step is damaged")
            yield step

    monkeypatch.setattr(verifications, "iterate_steps", fail_once)

    report = await stage.verify()

    assert report.counts["listed"] == 10
    assert await stage.list_findings(repaired=False) == [find for find in planted if not find.kind.is_repaired_always]
    assert set(stage.resent) == {finding.employee for finding in planted if finding.kind.is_repaired_always}


@pytest.mark.promise("P10")
@pytest.mark.parametrize("hidden", [True, False], ids=["fields are hidden", "no list"])
async def test_slow_server_gives_way_to_polls(hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each account is read, and a read takes three seconds: no slice lasts much longer than it may."""
    monkeypatch.setattr(verify, "PEOPLE_AT_ONCE", 200)
    stage = VerifyStage(cast("Store", FakeStore()))
    await stage.add_employees(range(1, 51))
    stage.pass_time()
    changed = stage.change_account("33", title="Boss")
    stage.declaree.behaviour = Behaviour(list_attributes=("userName", "externalId", "active"))
    verifier, slices = stage.make_verifier(), list[float]()

    async def take_time(call: Call) -> None:
        if isinstance(call, ReadAccount):
            stage.clock.seconds += 3
        elif not hidden:
            raise ListUnsupportedError("no list")

    async def note(_: object) -> None:
        pass

    stage.accounts.before = take_time
    is_over = False
    while not is_over:
        began = stage.clock.seconds
        is_over = await verifier.verify(CONNECTION, "r1", Verify(), note) is not None
        slices.append(stage.clock.seconds - began)

    assert max(slices) <= SLICE_SECONDS + 2 * 3 * READS_AT_ONCE
    assert await stage.list_findings() == [Finding(DriftKind.DIFFERENT, "33", changed, ("title",))]
