"""The index of all accounts of a server."""

import tracemalloc

from services.accounts.index import AccountIndex
from services.contracts.ids import AccountId
from services.provisioning.calls import FindAccounts, Resource

ACCOUNTS = 2_000
MAX_BYTES = 600
"""Memory of one account. An import adds all new accounts, so a company of 100,000 people needs at most 60 MB."""


def make_account(number: int, email: str | None = None) -> Resource:
    """Returns an account with an external id, a user name and an e-mail address."""
    address = email or f"first.last-{number}@nordlicht.example"
    body = {"externalId": str(number), "userName": address, "emails": [{"value": address, "type": "work"}]}
    return Resource(AccountId(f"{number:032x}"), body, None)


def test_index_needs_little_memory_for_an_account() -> None:
    """The ids and addresses of all accounts are the largest part of the writer's memory."""
    index = AccountIndex()

    tracemalloc.start()
    for number in range(ACCOUNTS):
        index.add(make_account(number))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used / ACCOUNTS <= MAX_BYTES


def test_index_finds_all_accounts_of_one_address() -> None:
    """Two accounts of one address are a conflict. An account that is added twice is one."""
    index = AccountIndex()
    for number in (1, 2, 2, 3):
        index.add(make_account(number, "shared@nordlicht.example"))

    found = index.find(FindAccounts("userName", "shared@nordlicht.example"))
    alone = index.find(FindAccounts("externalId", "2"))

    assert found == tuple(make_account(number).id for number in (1, 2, 3))
    assert alone == (make_account(2).id,)
    assert index.find(FindAccounts("externalId", "4")) == ()


def test_index_keeps_content_in_little_memory() -> None:
    """The list of a large import is read again while it lasts, with the content of all accounts."""
    index = AccountIndex()
    bodies = [make_account(number).body | {"schemas": ["urn:example"] * 20} for number in range(ACCOUNTS)]

    tracemalloc.start()
    for number, body in enumerate(bodies):
        index.keep_content(Resource(make_account(number).id, body, "v1"))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert index.get_content(make_account(7).id) == Resource(make_account(7).id, bodies[7], "v1")
    assert used / ACCOUNTS <= MAX_BYTES
