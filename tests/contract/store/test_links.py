"""Link decisions: asked for once, decided by an administrator, and found while they are open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.contracts.claims import Decision, LinkDecision
from services.contracts.ids import AccountId
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER, make_person

ACCOUNT = AccountId("a-1")


def make_question(employee: str = "1", account: str = "a-1", **changes: Any) -> LinkDecision:
    """Returns an open decision with these fields."""
    content: dict[str, Any] = {"connection_id": CONNECTION, "employee_id": employee, "account_id": account}
    return LinkDecision.model_validate(content | {"asked_at": NOW, "account_hash": "shown"} | changes)


async def collect_open(store: Store) -> list[tuple[LinkDecision, ...]]:
    """Returns all pages of open decisions."""
    pages: AsyncIterator[tuple[LinkDecision, ...]] = store.links.page_open(CONNECTION)
    return [page async for page in pages]


async def test_decision_is_read_as_asked(store: Store) -> None:
    """The store changes no value, and reads the decisions of the named employees only."""
    first = make_question(asked_at=NOW.replace(microsecond=123456))
    second = make_question(account="a\x00 ü/" + "x" * 1024, former_owner="9")
    elsewhere = make_question(connection_id=OTHER)
    await store.links.ask([first, second, make_question("2"), elsewhere])

    stored = await store.links.read([make_person("1"), make_person("3"), make_person("1", OTHER)])

    decisions = (first, second, elsewhere)
    assert stored == {(decision.person, decision.account_id): decision for decision in decisions}


async def test_asking_again_changes_nothing(store: Store) -> None:
    """The time of the first question stays, and so does what an administrator decided."""
    await store.links.ask([make_question("1"), make_question("2")])
    decided = await store.links.decide(make_question(), Decision.LEAVE, NOW)

    await store.links.ask([make_question(name, asked_at=NOW + timedelta(days=1)) for name in "12"])

    stored = await store.links.read([make_person("1"), make_person("2")])
    assert list(stored.values()) == [decided, make_question("2")]
    assert await store.links.count_open(CONNECTION) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"former_owner": "9"}),
        ({"former_owner": "9"}, {}),
        ({"former_owner": "8"}, {"former_owner": "9"}),
        ({}, {"account_hash": "other"}),
    ],
    ids=["passed to a leaver", "passed from a leaver", "passed between leavers", "other content"],
)
async def test_account_that_has_changed_is_asked_again(
    store: Store, before: dict[str, str], after: dict[str, str]
) -> None:
    """An earlier decision was made about an account with another owner, or with other content."""
    asked = make_question(**before)
    await store.links.ask([asked])
    await store.links.decide(asked, Decision.LINK, NOW)
    question = make_question(asked_at=NOW + timedelta(days=1), **after)

    await store.links.ask([question])

    assert await collect_open(store) == [(question,)]


async def test_accepted_question_replaces_an_open_one(store: Store) -> None:
    """An administrator accepts at the start of a connection what a writer has asked about before."""
    await store.links.ask([make_question()])
    decided = make_question(decision=Decision.LINK, decided_at=NOW)

    await store.links.ask([decided])

    assert await collect_open(store) == []
    assert (await store.links.read([make_person("1")]))[make_person("1"), ACCOUNT] == decided


async def test_obsolete_questions_are_withdrawn(store: Store) -> None:
    """Open decisions of the named employees are removed; decided ones and those that are still asked for stay."""
    asked, obsolete, decided = [make_question(account=f"a-{number}") for number in range(3)]
    await store.links.ask([asked, obsolete, decided, make_question("2")])
    await store.links.decide(decided, Decision.LEAVE, NOW)

    assert await store.links.withdraw([make_person("1")], [asked]) == 1

    assert await collect_open(store) == [(asked, make_question("2"))]
    stored = await store.links.read([make_person("1")])
    assert {account for _, account in stored} == {asked.account_id, decided.account_id}


async def test_accepted_question_replaces_one_about_a_leaver(store: Store) -> None:
    """A decision that is stored with its question is not open."""
    await store.links.ask([make_question(former_owner="9")])
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

    decided = await store.links.decide(make_question(), decision, later, account_hash="seen")

    assert decided == make_question(decision=decision, decided_at=later, account_hash="seen")
    assert (await store.links.read([make_person("1")]))[make_person("1"), ACCOUNT] == decided
    assert await collect_open(store) == [(make_question(account="a-2"),)]


async def test_later_decision_replaces_an_earlier_one(store: Store) -> None:
    """An administrator may change a decision."""
    await store.links.ask([make_question()])
    await store.links.decide(make_question(), Decision.LEAVE, NOW)

    changed = await store.links.decide(make_question(), Decision.LINK, NOW)

    assert changed == make_question(decision=Decision.LINK, decided_at=NOW)
    assert await store.links.count_open(CONNECTION) == 0


@pytest.mark.parametrize("change", [{"former_owner": "9"}, {"account_hash": "other"}], ids=["owner", "content"])
async def test_decision_about_another_state_is_not_stored(store: Store, change: dict[str, str]) -> None:
    """The account has changed between the question that was shown and the decision: nothing is decided."""
    await store.links.ask([make_question(**change)])

    assert await store.links.decide(make_question(), Decision.LINK, NOW) is None
    assert await collect_open(store) == [(make_question(**change),)]


async def test_decision_that_was_not_asked_for_is_not_stored(store: Store) -> None:
    """A misspelled account or employee must not pass without notice."""
    await store.links.ask([make_question(), make_question("2", connection_id=OTHER)])

    assert await store.links.decide(make_question(account="a-2"), Decision.LINK, NOW) is None
    assert await store.links.decide(make_question("2"), Decision.LINK, NOW) is None
    assert await store.links.count_open(CONNECTION) == 1
    assert await store.links.count_open(OTHER) == 1


async def test_open_decisions_beyond_a_page_are_all_found(store: Store) -> None:
    """Each open decision of the connection comes once, in the order of the employees' keys, in pages of at most 500."""
    questions = [make_question(f"{number:04}") for number in range(1_100)]
    await store.links.ask([*questions, make_question(connection_id=OTHER)])
    for number in range(100):
        await store.links.decide(make_question(f"{number:04}"), Decision.LINK, NOW)

    pages = await collect_open(store)

    assert [len(page) for page in pages] == [500, 500]
    assert [decision for page in pages for decision in page] == questions[100:]
    assert await store.links.count_open(CONNECTION) == 1_000


async def test_forgotten_employee_has_no_decision(store: Store) -> None:
    """Open and closed decisions of the employee are removed, and those of others stay."""
    await store.links.ask([make_question(), make_question(account="a-2"), make_question("2")])
    await store.links.decide(make_question(), Decision.LINK, NOW)

    forgotten = [await store.links.forget(make_person("1")) for _ in range(2)]

    assert forgotten == [2, 0]
    assert await store.links.read([make_person("1")]) == {}
    assert await collect_open(store) == [(make_question("2"),)]
