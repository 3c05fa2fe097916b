"""Link decisions: asked for once, decided by an administrator, and found while they are open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.claims import Decision, LinkDecision
from services.contracts.ids import AccountId, EmployeeId
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_person

ONE, TWO = EmployeeId("1"), EmployeeId("2")
ACCOUNT = AccountId("a-1")


def make_question(employee: str = "1", account: str = "a-1", **changes: Any) -> LinkDecision:
    """Returns an open decision with these fields."""
    content: dict[str, Any] = {"connection_id": CONNECTION, "employee_id": employee, "account_id": account}
    return LinkDecision.model_validate(content | {"asked_at": NOW} | changes)


async def collect_open(store: Store) -> list[tuple[LinkDecision, ...]]:
    """Returns all pages of open decisions."""
    pages: AsyncIterator[tuple[LinkDecision, ...]] = store.links.page_open(CONNECTION)
    return [page async for page in pages]


async def test_decision_is_read_as_asked(store: Store) -> None:
    """The store changes no value, and reads the decisions of the named employees only."""
    first = make_question(asked_at=NOW.replace(microsecond=123456))
    second = make_question(account="a\x00 ü/" + "x" * 1024, is_held_by_leaver=True)
    elsewhere = make_question(connection_id=OTHER)
    await store.links.ask([first, second, make_question("2"), elsewhere])

    stored = await store.links.read([make_person("1"), make_person("3"), make_person("1", OTHER)])

    decisions = (first, second, elsewhere)
    assert stored == {(decision.person, decision.account_id): decision for decision in decisions}


async def test_asking_again_changes_nothing(store: Store) -> None:
    """The time of the first question stays, and so does what an administrator decided."""
    await store.links.ask([make_question("1"), make_question("2")])
    decided = await store.links.decide(CONNECTION, ONE, ACCOUNT, Decision.LEAVE, NOW)

    await store.links.ask([make_question(name, asked_at=NOW + timedelta(days=1)) for name in "12"])

    stored = await store.links.read([make_person("1"), make_person("2")])
    assert list(stored.values()) == [decided, make_question("2")]
    assert await store.links.count_open(CONNECTION) == 1


@pytest.mark.parametrize("is_held", [False, True], ids=["no longer", "from now on"])
async def test_account_that_passes_to_or_from_a_leaver_is_asked_again(store: Store, *, is_held: bool) -> None:
    """An earlier decision was made about an account with another owner."""
    await store.links.ask([make_question(is_held_by_leaver=not is_held)])
    await store.links.decide(CONNECTION, ONE, ACCOUNT, Decision.LINK, NOW)
    question = make_question(is_held_by_leaver=is_held, asked_at=NOW + timedelta(days=1))

    await store.links.ask([question])

    assert await collect_open(store) == [(question,)]


async def test_accepted_question_replaces_one_about_a_leaver(store: Store) -> None:
    """A decision that is stored with its question is not open."""
    await store.links.ask([make_question(is_held_by_leaver=True)])
    decided = make_question(decision=Decision.LINK, decided_at=NOW)

    await store.links.ask([decided])

    assert await store.links.count_open(CONNECTION) == 0
    assert (await store.links.read([make_person("1")]))[make_person("1"), ACCOUNT] == decided


async def test_concurrent_writers_ask_once(store: Store) -> None:
    """Two writers may find the same account at the same time."""
    questions = [make_question(str(number)) for number in range(20)]

    await asyncio.gather(*(store.links.ask(questions) for _ in range(6)))

    assert await store.links.count_open(CONNECTION) == len(questions)


async def test_no_question_asks_nothing(store: Store) -> None:
    """A batch without questions is possible."""
    await store.links.ask([])

    assert await store.links.read([]) == {}
    assert await collect_open(store) == []


@pytest.mark.parametrize("decision", list(Decision))
async def test_decision_closes_the_question(store: Store, decision: Decision) -> None:
    """The stored decision is the returned one, and other accounts of the employee stay open."""
    await store.links.ask([make_question(), make_question(account="a-2")])
    later = NOW + timedelta(minutes=5, microseconds=7)

    decided = await store.links.decide(CONNECTION, ONE, ACCOUNT, decision, later)

    assert decided == make_question(decision=decision, decided_at=later)
    assert (await store.links.read([make_person("1")]))[make_person("1"), ACCOUNT] == decided
    assert await collect_open(store) == [(make_question(account="a-2"),)]


async def test_later_decision_replaces_an_earlier_one(store: Store) -> None:
    """An administrator may change a decision."""
    await store.links.ask([make_question()])
    await store.links.decide(CONNECTION, ONE, ACCOUNT, Decision.LEAVE, NOW)

    changed = await store.links.decide(CONNECTION, ONE, ACCOUNT, Decision.LINK, NOW)

    assert changed == make_question(decision=Decision.LINK, decided_at=NOW)
    assert await store.links.count_open(CONNECTION) == 0


async def test_decision_that_was_not_asked_for_is_not_stored(store: Store) -> None:
    """A misspelled account or employee must not pass without notice."""
    await store.links.ask([make_question(), make_question("2", connection_id=OTHER)])

    assert await store.links.decide(CONNECTION, ONE, AccountId("a-2"), Decision.LINK, NOW) is None
    assert await store.links.decide(CONNECTION, TWO, ACCOUNT, Decision.LINK, NOW) is None
    assert await store.links.count_open(CONNECTION) == 1
    assert await store.links.count_open(OTHER) == 1


async def test_open_decisions_beyond_a_page_are_all_found(store: Store) -> None:
    """Each open decision of the connection comes once, in the order of the employees' keys, in pages of at most 500."""
    questions = [make_question(f"{number:04}") for number in range(1_100)]
    await store.links.ask([*questions, make_question(connection_id=OTHER)])
    for number in range(100):
        await store.links.decide(CONNECTION, EmployeeId(f"{number:04}"), ACCOUNT, Decision.LINK, NOW)

    pages = await collect_open(store)

    assert [len(page) for page in pages] == [500, 500]
    assert [decision for page in pages for decision in page] == questions[100:]
    assert await store.links.count_open(CONNECTION) == 1_000


async def test_forgotten_employee_has_no_decision(store: Store) -> None:
    """Open and closed decisions of the employee are removed, and those of others stay."""
    await store.links.ask([make_question(), make_question(account="a-2"), make_question("2")])
    await store.links.decide(CONNECTION, ONE, ACCOUNT, Decision.LINK, NOW)

    forgotten = [await store.links.forget(make_person("1")) for _ in range(2)]

    assert forgotten == [2, 0]
    assert await store.links.read([make_person("1")]) == {}
    assert await collect_open(store) == [(make_question("2"),)]
