"""Lists of all accounts that are slow, never end, leave accounts out, or fail: they delay and mislead no other company."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from services.accounts import index, lookups
from services.accounts.lookups import LONGEST_BUILD_SECONDS, MANY_LOOKUPS, AccountLookups
from services.contracts.ids import AccountId
from services.contracts.outcomes import Outcome, WaitingCause
from services.provisioning.calls import Answer, Call, FindAccounts, Found, ListAccounts, Page, ReadAccount, Resource
from tests.support.builders import OTHER, make_request
from tests.support.fakes import FakeClock
from tests.support.writer_stage import WriterStage, summarize

PEOPLE = [str(number) for number in range(1, 61)]


def find(name: str) -> FindAccounts:
    """Returns the lookup of an external id."""
    return FindAccounts("externalId", name)


@dataclass
class ListingServer:
    """A server with accounts of employees, in pages of ten. A test may replace its pages."""

    clock: FakeClock = field(default_factory=FakeClock)
    """The clock; each page takes ``seconds``."""
    seconds: float = 0.0
    """Seconds that a page takes."""
    calls: list[Call] = field(default_factory=list)
    """The requests, in order."""
    show: Callable[[int], Page] | None = None
    """Returns the page from this account on; None shows all accounts."""

    def __post_init__(self) -> None:
        """Makes the lookups of this server."""
        self.lookups = AccountLookups(self.perform, self.clock)

    async def perform(self, call: Call) -> Answer:
        """Answers as a conform server does, except for the list."""
        self.calls.append(call)
        await asyncio.sleep(0)
        match call:
            case ListAccounts(start):
                self.clock.seconds += self.seconds
                return self.show(start) if self.show else build_page(PEOPLE[start - 1 :][:10], len(PEOPLE))
            case ReadAccount(account):
                return Found((build_account(account),))
            case FindAccounts(_, value):
                return Found((build_account(value),) if value in PEOPLE else ())
        raise AssertionError("a lookup writes nothing")

    async def look_up(self, name: str) -> list[AccountId]:
        """Returns the accounts that are found."""
        answer = await self.lookups.find(find(name), self.perform)
        assert isinstance(answer, Found)
        return [live.id for live in answer.resources]

    async def build(self) -> None:
        """Builds an index: with the lookups that make one worthwhile."""
        for _ in range(MANY_LOOKUPS + 1):
            await self.look_up("none")
        self.calls.clear()


async def give_turns() -> None:
    """Lets the list in the background go on until it waits or ends."""
    for _ in range(500):
        await asyncio.sleep(0)


def build_account(name: str) -> Resource:
    """Returns an account with this id and external id."""
    return Resource(AccountId(name), {"id": name, "externalId": name, "userName": f"e{name}@x.example"})


def build_page(names: list[str], total: int | None) -> Page:
    """Returns a page with the accounts of these employees."""
    return Page(tuple(build_account(name) for name in names), total)


# ---------------------------------------------------------------- what the list says


async def test_complete_list_answers_without_requests() -> None:
    """For an account that exists, and for one that does not."""
    server = ListingServer()
    await server.build()

    assert await server.look_up("33") == ["33"]
    assert await server.look_up("77") == []
    assert server.calls == []


@pytest.mark.parametrize(
    "show",
    [
        lambda start: build_page(PEOPLE[start - 1 : 50][:10], 60),
        lambda start: build_page([name for name in PEOPLE if name != "60"][start - 1 :][:10], 60 if start == 1 else 59),
        lambda start: build_page(PEOPLE[start - 1 : 50][:10], None if start > 1 else 50),
    ],
    ids=["some left out", "shrinking", "total withheld"],
)
async def test_account_that_a_list_leaves_out_is_looked_up(show: Callable[[int], Page]) -> None:
    """It would be created a second time. What the list has shown still needs no lookup."""
    server = ListingServer(show=show)
    await server.build()

    assert await server.look_up("60") == ["60"]
    assert find("60") in server.calls


async def test_read_of_another_account_finds_nothing() -> None:
    """A server that answers with another account than asked for has not found it."""
    server = ListingServer()
    await server.build()
    server.lookups.note_write(None)

    async def answer_wrongly(_: Call) -> Answer:
        return Found((build_account("7"),))

    assert await server.lookups.find(find("33"), answer_wrongly) == Found()


# ---------------------------------------------------------------- what the list costs


async def test_list_without_an_end_is_given_up() -> None:
    """Each account is then looked up, and the list is not begun again soon."""

    def show(start: int) -> Page:
        return build_page([f"n{start + number}" for number in range(10)], None)

    server = ListingServer(show=show, seconds=10.0)
    await server.build()
    await give_turns()
    assert server.clock.seconds > LONGEST_BUILD_SECONDS
    server.calls.clear()

    for _ in range(2 * MANY_LOOKUPS):
        assert await server.look_up("33") == ["33"]

    assert not any(isinstance(call, ListAccounts) for call in server.calls)


async def test_content_of_an_index_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts of any size: those without kept content are read when they are found."""
    monkeypatch.setattr(index, "MAX_CONTENT_BYTES", 1_000_000)

    def show(start: int) -> Page:
        page = build_page(PEOPLE[start - 1 :][:10], len(PEOPLE))
        return Page(tuple(Resource(live.id, live.body | {"title": "x" * 90_000}) for live in page.resources), 60)

    server = ListingServer(show=show)
    accounts = await index.build_index(server.perform, lambda: False)

    assert accounts is not None
    assert sum(accounts.get_content(AccountId(name)) is not None for name in PEOPLE) <= 11


async def test_value_of_any_size_needs_no_memory() -> None:
    """It is not kept, and looked up by a filter."""
    accounts = index.AccountIndex()
    accounts.add(Resource(AccountId("1"), {"externalId": "x" * 9_000_000, "userName": "y" * 9_000_000}))

    assert not accounts.can_answer(find("x" * 9_000_000))
    assert accounts.find(find("x" * 1_024)) == ()


async def test_list_with_too_many_values_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with thousands of addresses for each account takes as much memory as one with many accounts."""
    monkeypatch.setattr(index, "MAX_INDEX_BYTES", 50_000)

    def show(start: int) -> Page:
        emails = [{"value": f"{start}-{number}@x.example"} for number in range(1_000)]
        return Page((Resource(AccountId(str(start)), {"externalId": str(start), "emails": emails}),), None)

    server = ListingServer(show=show)
    accounts = await index.build_index(server.perform, lambda: False)

    assert accounts is None
    assert len(server.calls) < 5


async def test_index_that_is_full_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks accounts that exist, so each account is looked up."""
    monkeypatch.setattr(index, "MAX_INDEX_BYTES", 10_000)
    accounts = index.AccountIndex()
    for number in range(100):
        accounts.add(Resource(AccountId(str(number)), {"externalId": str(number)}))

    assert not accounts.can_answer(find("1"))
    assert not accounts.can_answer(find("99"))
    assert accounts.find(find("1")) == (), "it needs no memory"


async def test_list_with_many_concurrent_writes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would have to be remembered until the list is read."""
    monkeypatch.setattr(lookups, "MAX_CHANGES", 2)
    server = ListingServer()

    def write_on_each_page(start: int) -> Page:
        server.lookups.note_write(AccountId(f"other-{start}"))
        return build_page(PEOPLE[start - 1 :][:10], len(PEOPLE))

    server.show = write_on_each_page
    await server.build()

    assert await server.look_up("1") == ["1"]
    assert [type(call) for call in server.calls] == [FindAccounts], "the server is asked for each employee"


def test_account_is_remembered_without_its_other_attributes() -> None:
    """Thousands of them may be created while a list is read."""
    created = Resource(AccountId("1"), {"userName": "e1@x.example", "externalId": "1", "note": "x" * 10_000})

    assert index.select_found(created).body == {"userName": "e1@x.example", "externalId": "1"}


async def test_large_page_of_a_list_lets_others_work() -> None:
    """A page with many accounts is read in parts."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    many = [str(number) for number in range(20 * index.AT_ONCE)]
    server = ListingServer(show=lambda start: build_page(many if start == 1 else [], len(many)))
    others = asyncio.create_task(count_turns())

    await index.build_index(server.perform, lambda: False)
    others.cancel()

    assert turns >= 20


async def test_change_during_the_list_is_in_the_index() -> None:
    """The list may have passed the account that was created, and have shown an account before it was written."""
    server = ListingServer()
    server.lookups.start_index()
    await asyncio.sleep(0)
    server.lookups.add_created({"externalId": "77"}, build_account("77"))
    server.lookups.note_write(AccountId("33"))
    await server.build()

    assert await server.look_up("77") == ["77"]
    assert await server.look_up("33") == ["33"]
    assert server.calls == [ReadAccount(AccountId("77")), ReadAccount(AccountId("33"))]


# ---------------------------------------------------------------- other companies


@pytest.fixture
async def release(stage: WriterStage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """Two connections; the list of the first one hangs until this event is set."""
    monkeypatch.setattr(lookups, "PATIENCE_SECONDS", 0.0)
    release = asyncio.Event()
    stage.connect(OTHER)
    server = await stage.get_server()

    async def hang(call: Call) -> None:
        if isinstance(call, ListAccounts):
            await release.wait()

    stage.clients[0].before = hang
    assert server is not stage.clients[0]
    yield release
    release.set()


@pytest.mark.promise("P10")
async def test_hanging_list_delays_no_batch(stage: WriterStage, release: asyncio.Event) -> None:
    """Neither another company, nor for long the people of this one: they are looked up one by one."""
    many = [make_request(str(number)) for number in range(1, 40)]

    outcomes = await stage.handle(*many, make_request("50", connection=OTHER))

    assert not release.is_set()
    assert len(outcomes) == 40
    assert {outcome.outcome for outcome in outcomes} == {Outcome.CREATED}


@pytest.mark.promise("P10")
@pytest.mark.expects_errors
async def test_unforeseen_list_stops_no_batch(stage: WriterStage) -> None:
    """An error of the client in the list of one company fails no batch."""
    server = await stage.get_server()

    async def fail(call: Call) -> None:
        if not isinstance(call, ListAccounts):
            return
        raise ValueError("an unforeseen answer")

    server.before = fail

    outcomes = await stage.handle(*(make_request(str(number)) for number in range(1, 40)))

    assert {outcome.outcome for outcome in outcomes} == {Outcome.CREATED}


async def test_list_ends_with_its_endpoint(stage: WriterStage, release: asyncio.Event) -> None:
    """No page is asked for after the access of the connection was replaced."""
    await stage.handle(*(make_request(str(number)) for number in range(1, 40)))
    stage.connect(key="another-key")
    server, calls = stage.clients[0], len(stage.clients[0].calls)
    await stage.get_endpoints()
    release.set()
    await give_turns()

    assert server.is_closed
    assert len(server.calls) <= calls + 1
    assert summarize(await stage.handle(make_request("50"))) == []
    assert await stage.get_cause("50") is WaitingCause.KEY_REFUSED
