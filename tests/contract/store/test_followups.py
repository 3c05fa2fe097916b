"""The employees with a change that can be retried now."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from services.contracts.events import Version
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import ManagerLink, Waiting
from services.contracts.outcomes import Outcome, WaitingCause
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_entry, make_outcome, make_person

MINUTE = timedelta(minutes=1)
WAITING = Waiting(cause=WaitingCause.SERVER_UNAVAILABLE, since=NOW, version=Version(2_000, 3))


def link(employee: str, account: str | None = None) -> ManagerLink:
    """Returns the link to a manager, written with this account."""
    return ManagerLink(employee_id=EmployeeId(employee), account_id=AccountId(account) if account else None)


async def collect(pages: AsyncIterator[Sequence[EmployeeId]]) -> list[tuple[EmployeeId, ...]]:
    """Returns all pages."""
    return [tuple(page) async for page in pages]


# ------------------------------------------------------------ waiting, marked and rejected employees


async def test_retryable_employees_wait_or_are_marked(store: Store) -> None:
    """An entry without a wait and without a mark is not retried."""
    await store.ledger.write(
        [make_entry("1", waiting=WAITING), make_entry("2"), make_entry("3"), make_entry("4", waiting=WAITING)]
    )
    await store.ledger.mark_verify([make_person("3")])

    assert sorted(await store.followups.take_due(CONNECTION, NOW, 9, MINUTE)) == ["1", "3", "4"]
    assert await collect(store.followups.page_waiting(CONNECTION)) == [("1", "4")]


async def test_settled_employees_are_no_longer_retryable(store: Store) -> None:
    """The next entry ends a wait and removes a mark."""
    await store.ledger.write([make_entry("1", waiting=WAITING), make_entry("3")])
    await store.ledger.mark_verify([make_person("3")])

    await store.ledger.write([make_entry("1", 2), make_entry("3", 3)])

    assert await store.followups.take_due(CONNECTION, NOW, 9, MINUTE) == ()


async def test_waiting_employees_beyond_a_page_are_all_found(store: Store) -> None:
    """Each employee comes once, in pages of at most 500."""
    names = [f"{number:04}" for number in range(1_100)]
    await store.ledger.write([make_entry(name, waiting=WAITING) for name in names])

    pages = await collect(store.followups.page_waiting(CONNECTION))

    assert [len(page) for page in pages] == [500, 500, 100]
    assert sorted(name for page in pages for name in page) == names


async def test_rejected_employees_of_the_connection_are_found(store: Store) -> None:
    """Other outcomes and other connections are left out."""
    await store.ledger.write(
        [make_entry("0", decided=make_outcome("0")), make_entry("1", decided=make_outcome("1", how=Outcome.REJECTED))]
    )
    await store.ledger.write(
        [make_entry("9"), make_entry("8", connection_id=OTHER, decided=make_outcome("8", how=Outcome.REJECTED))]
    )

    assert await collect(store.followups.page_rejected(CONNECTION)) == [("1",)]


# ------------------------------------------------------------ managers and reports


async def test_reports_without_the_account_of_their_manager_wait(store: Store) -> None:
    """A report that is written with another account of its manager waits as well, and its link is removed."""
    await store.ledger.write(
        [
            make_entry("1", manager=link("9")),
            make_entry("2", manager=link("9", "a-9")),
            make_entry("3", manager=link("9", "old")),
            make_entry("4", manager=link("8")),
            make_entry("5"),
            make_entry("6", connection_id=OTHER, manager=link("9")),
        ]
    )

    waiting = await store.followups.find_waiting_reports(CONNECTION, {EmployeeId("9"): AccountId("a-9")})

    assert waiting == ("1", "3")
    assert await store.ledger.get(make_person("3")) == make_entry("3", 2, manager=link("9"))
    assert await store.ledger.get(make_person("2")) == make_entry("2", manager=link("9", "a-9"))


async def test_no_report_waits_without_a_manager(store: Store) -> None:
    """A batch that wrote no manager unblocks no report."""
    await store.ledger.write([make_entry("1", manager=link("9"))])

    assert await store.followups.find_waiting_reports(CONNECTION, {}) == ()


async def test_report_is_resolvable_once_its_manager_has_an_account(store: Store) -> None:
    """A report that was written at the same time as its manager is found by the next poll."""
    await store.ledger.write([make_entry("1", manager=link("9")), make_entry("2", manager=link("8")), make_entry("8")])
    before = await store.followups.find_resolvable_reports(CONNECTION)

    await store.ledger.write([make_entry("9", account_id="a-9")])

    assert before == ()
    assert await store.followups.find_resolvable_reports(CONNECTION) == ("1",)


async def test_reports_without_a_writable_account_are_left_out(store: Store) -> None:
    """Waiting and rejected employees are resent for that cause; out of scope, there is nothing to write."""
    missing, outdated, current = link("9"), link("9", "old"), link("9", "a-9")
    await store.ledger.write(
        [
            make_entry("1", manager=missing, decided=make_outcome("1")),
            make_entry("2", manager=outdated, decided=make_outcome("2", how=Outcome.UPDATED)),
            make_entry("3", manager=current, decided=make_outcome("3")),
            make_entry("4", manager=missing, waiting=WAITING),
            make_entry("5", manager=missing, decided=make_outcome("5", how=Outcome.REJECTED)),
            make_entry("6", manager=missing, decided=make_outcome("6", how=Outcome.OUT_OF_SCOPE)),
            make_entry("7", manager=missing),
            make_entry("8", connection_id=OTHER, manager=missing),
            make_entry("9", account_id="old"),
        ]
    )
    await store.ledger.write([make_entry("9", 2, account_id="a-9")])

    resolvable = await store.followups.find_resolvable_reports(CONNECTION)
    waiting = await store.followups.find_waiting_reports(CONNECTION, {EmployeeId("9"): AccountId("a-9")})

    assert resolvable == ("1", "2", "7")
    assert waiting == ("1", "2", "7")


async def test_report_without_its_address_waits_for_its_manager(store: Store) -> None:
    """Another account has the e-mail address: every other field is written, so the manager's account matters."""
    rejected = make_outcome("5", how=Outcome.REJECTED)
    await store.ledger.write(
        [make_entry("5", manager=link("9"), decided=rejected, blocked_by="u2"), make_entry("9", account_id="a-9")]
    )

    assert await store.followups.find_resolvable_reports(CONNECTION) == ("5",)
    assert await store.followups.find_waiting_reports(CONNECTION, {EmployeeId("9"): AccountId("a-9")}) == ("5",)


# ------------------------------------------------------------ conflicts with another account


async def test_employee_is_unblocked_once_the_name_is_given_up(store: Store) -> None:
    """The conflicting account belongs to an employee of the same connection and has another user name now."""
    await store.ledger.write(
        [
            make_entry("1", blocked_by="a-9", blocked_name="Zoe@example.com"),
            make_entry("2", blocked_by="a-8", blocked_name="ada@example.com"),
            make_entry("3", blocked_by="a-7", blocked_name="unknown to the ledger"),
            make_entry("4", connection_id=OTHER, blocked_by="a-9", blocked_name="zoe@example.com"),
            make_entry("7", connection_id=OTHER, account_id="a-7", user_name="another@example.com"),
            make_entry("8", account_id="a-8", user_name="ADA@example.com"),
            make_entry("9", account_id="a-9", user_name="zoe@example.com"),
        ]
    )
    before = await store.followups.find_unblocked(CONNECTION)

    await store.ledger.write([make_entry("9", 2, account_id="a-9", user_name="zoe.new@example.com")])

    assert before == ()
    assert await store.followups.find_unblocked(CONNECTION) == ("1",)


async def test_unblocked_employees_are_limited_to_the_named_ones(store: Store) -> None:
    """The writer asks for the employees of its batch only."""
    await store.ledger.write(
        [
            make_entry("1", blocked_by="a-9", blocked_name="zoe@example.com"),
            make_entry("9", account_id="a-9", user_name="zoe.new@example.com"),
        ]
    )

    assert await store.followups.find_unblocked(CONNECTION, [EmployeeId("1"), EmployeeId("2")]) == ("1",)
    assert await store.followups.find_unblocked(CONNECTION, [EmployeeId("2")]) == ()
    assert await store.followups.find_unblocked(CONNECTION, []) == ()


async def test_user_names_are_compared_with_ascii_letters_folded(store: Store) -> None:
    """MongoDB changes the case of ASCII letters only, so another case of another letter is another name."""
    await store.ledger.write(
        [
            make_entry("1", blocked_by="a-8", blocked_name="ZOË@example.com"),
            make_entry("2", blocked_by="a-9", blocked_name="ADA@example.com"),
            make_entry("8", account_id="a-8", user_name="zoë@example.com"),
            make_entry("9", account_id="a-9", user_name="ada@example.com"),
        ]
    )

    assert await store.followups.find_unblocked(CONNECTION) == ("1",)


async def test_employees_blocked_by_an_account_are_found(store: Store) -> None:
    """Other accounts and other connections are left out."""
    await store.ledger.write(
        [
            make_entry("1", blocked_by="a-9"),
            make_entry("2", blocked_by="a-8"),
            make_entry("3", connection_id=OTHER, blocked_by="a-9"),
        ]
    )

    assert await store.followups.find_blocked_by(CONNECTION, [AccountId("a-9"), AccountId("a-7")]) == ("1",)
