"""Decisions about accounts: what a person sees of an account that a hostile or broken server shows."""

from typing import Any

import pytest

from services.admin import links
from services.admin.links import MAX_TEXT, Link, list_links
from services.clients.declaree.errors import DeclareeKeyRefusedError, DeclareeUnavailableError
from services.contracts.claims import LinkDecision
from services.contracts.connections import Connection
from services.contracts.ids import AccountId, EmployeeId
from services.provisioning.calls import Answer, Call, Found, Resource
from services.store.database import Store
from tests.support.builders import NOW, make_entry
from tests.support.fakes import FakeClock


class Client:
    """A client of Declaree with one answer to every call."""

    answer: Answer | Exception

    def __init__(self, *_: object, **__: object) -> None:
        """Connects to nothing."""

    async def perform(self, _: Call) -> Answer:
        """Returns the answer, or raises it."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        """Does nothing."""


@pytest.fixture
async def connection(store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection with one open decision, and a Declaree that answers what the test says."""
    monkeypatch.setattr(links, "DeclareeClient", Client)
    decision = LinkDecision(
        connection_id=connection.id,
        employee_id=EmployeeId("7"),
        account_id=AccountId("a7"),
        account_hash="shown",
        asked_at=NOW,
    )
    await store.links.ask([decision])
    await store.ledger.write([make_entry("7", connection_id=connection.id, blocked_by="a7")])
    return connection


async def show(store: Store, connection: Connection, answer: Answer | Exception) -> Link:
    """Returns the decision with both sides, if Declaree gives this answer."""
    Client.answer = answer
    (link,) = [
        link async for link in list_links(store, FakeClock(), connection.id, with_names=True, allow_private=False)
    ]
    return link


def find(account: str = "a7", **body: Any) -> Found:
    """Returns an answer with an account."""
    return Found((Resource(AccountId(account), {"id": account, **body}),))


@pytest.mark.parametrize("text", ["Ada\n  Personio: Ada Lovelace", "x" * 9_000_000, "\ud800", "a\r\n\tb"], ids=len)
async def test_texts_of_an_account_stay_on_one_line(store: Store, connection: Connection, text: str) -> None:
    """A line of a name could imitate the other side of the decision."""
    link = await show(store, connection, find(name={"givenName": text}, userName=text, externalId=text))

    assert link.account is not None
    for shown in (link.account.name, link.account.address, link.account.details):
        assert shown.encode()
        assert "\n" not in shown
        assert len(shown) <= MAX_TEXT + 1


async def test_another_account_than_asked_for_is_not_shown(store: Store, connection: Connection) -> None:
    """A person would decide about one account and see another one."""
    assert (await show(store, connection, find("a8", userName="boss@x.example"))).account is None


async def test_account_that_cannot_be_read_hides_no_other(store: Store, connection: Connection) -> None:
    """The decision is listed, and says so. An error of the connection is raised."""
    link = await show(store, connection, DeclareeUnavailableError("an error (500)"))

    assert link.account is not None
    assert "does not show" in link.account.details
    with pytest.raises(DeclareeKeyRefusedError):
        await show(store, connection, DeclareeKeyRefusedError("401"))
