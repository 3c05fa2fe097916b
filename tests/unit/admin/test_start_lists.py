"""The preview of a first import: what is shown of accounts that a list does not show whole."""

from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from services.admin import start
from services.admin.existing_accounts import SAMPLES, ExistingAccounts
from services.admin.start import preview_start
from services.clients.declaree.listing import ListUnsupportedError
from services.contracts.connections import Connection
from services.contracts.employees import AttributeDefinition, Employee, EmployeePage, get_parent
from services.contracts.ids import AccountId, EmployeeId
from services.provisioning.calls import (
    Answer,
    Call,
    FindAccounts,
    Found,
    ListAccounts,
    Missing,
    Page,
    ReadAccount,
    Refused,
    Resource,
    Unsupported,
)
from services.provisioning.preview import AccountsByMark, Prospect
from services.store.database import Store
from tests.support.builders import ADA, make_attributes, make_request
from tests.support.fakes import FakeClock
from tests.support.verify_stage import MAPPING

ROLES = {"roles": [{"value": "Administrator"}]}


def build_account(number: int, **more: Any) -> dict[str, Any]:
    """Returns an account made by hand, which fits the employee of this number."""
    name = {"givenName": "Ada", "familyName": f"Name {number}"}
    return {"id": f"a{number}", "userName": f"e{number}@x.example", "active": True, "name": name, **more}


class Declaree:
    """A server with accounts of five employees. Its list hides the attributes ``hidden``; it may have no list or filter."""

    accounts: dict[str, dict[str, Any]]
    hidden: frozenset[str]
    calls: list[Call]
    is_listed: bool = True
    is_filtered: bool = True

    def __init__(self, *_: object, **__: object) -> None:
        """Connects to nothing."""

    async def perform(self, call: Call) -> Answer:
        """Lists the accounts, or reads one."""
        self.calls.append(call)
        if isinstance(call, FindAccounts):
            return self.find(call)
        if isinstance(call, ListAccounts) and not self.is_listed:
            return Refused(400)
        if isinstance(call, ListAccounts):
            shown = [
                {name: value for name, value in body.items() if name not in self.hidden}
                for body in self.accounts.values()
            ]
            page = tuple(Resource(AccountId(body["id"]), body) for body in shown[call.start - 1 :])
            return Page(page, len(shown))
        assert isinstance(call, ReadAccount)
        body = self.accounts[call.id]
        return Missing() if body.get("is_gone") else Found((Resource(call.id, body),))

    def find(self, call: FindAccounts) -> Answer:
        """Returns the accounts that a filter finds."""
        if not self.is_filtered:
            return Unsupported()
        hits = [body for body in self.accounts.values() if body.get(call.attribute) == call.value]
        return Found(tuple(Resource(AccountId(body["id"]), body) for body in hits))

    async def close(self) -> None:
        """Does nothing."""


class Personio:
    """A company of five employees."""

    def __init__(self, *_: object, **__: object) -> None:
        """Connects to nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def list_attributes(self) -> tuple[AttributeDefinition, ...]:
        """Returns the attributes of the default mapping."""
        return tuple(AttributeDefinition(get_parent(key), key, "standard") for key in ADA)

    async def iterate_pages(self, requested: object) -> AsyncIterator[EmployeePage]:
        """Yields one page."""
        people = [
            {"first_name": "Ada", "last_name": f"Name {number}", "email": f"e{number}@x.example", "status": "active"}
            for number in range(5)
        ]
        employees = tuple(
            Employee(id=EmployeeId(str(number)), attributes=make_attributes(values), modified_at=None)
            for number, values in enumerate(people)
        )
        yield EmployeePage(offset=0, employees=employees, total=5)


async def predict(store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> list[Prospect]:
    """Returns what the first import does with each employee."""
    monkeypatch.setattr(start, "DeclareeClient", Declaree)
    monkeypatch.setattr(start, "PersonioClient", Personio)
    fake: Any = store
    fake.mappings.content[connection.id, 1] = MAPPING.model_copy(update={"connection_id": connection.id})

    async def ignore(*_: object) -> None:
        pass

    shown = await preview_start(store, FakeClock(), connection.id, ignore, allow_private=False)
    return [prediction.prospect for prediction in shown.predictions]


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("hidden", "reads"), [((), 3), (("roles",), 4), (("active",), 3), (("externalId",), 3)], ids=str
)
async def test_account_that_a_list_hides_a_role_of_is_not_fitting(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch, hidden: tuple[str, ...], reads: int
) -> None:
    """The bulk acceptance would link it. So accounts that are to be linked are read if the list may hide what counts."""
    accounts = [
        build_account(0, active=True),
        build_account(1, active="active" not in hidden),
        build_account(2, **ROLES),
        build_account(3, **({"externalId": "4711"} if "externalId" in hidden else {})),
        build_account(9, externalId="9", roles=[{"value": "User"}]),
    ]
    Declaree.accounts = {body["id"]: body for body in accounts}
    Declaree.hidden, Declaree.calls = frozenset(hidden), []

    prospects = await predict(store, connection, monkeypatch)

    fitting, unclear = Prospect.FITTING, Prospect.UNCLEAR
    second = unclear if "active" in hidden else fitting
    fourth = unclear if "externalId" in hidden else fitting
    assert prospects == [fitting, second, unclear, fourth, Prospect.CREATED]
    assert sum(isinstance(call, ReadAccount) for call in Declaree.calls) == reads


async def test_account_that_is_gone_needs_a_look(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that lists an account and does not show it says nothing about its role."""
    Declaree.accounts = {"a0": build_account(0, is_gone=True)}
    Declaree.hidden, Declaree.calls = frozenset(), []

    assert (await predict(store, connection, monkeypatch))[0] is Prospect.UNCLEAR


@pytest.mark.promise("P5")
async def test_server_without_a_list_is_asked_for_each_employee(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters and ids work: the connection can be started, and its preview shows the same as with a list."""
    accounts = [build_account(0), build_account(2, **ROLES), build_account(9, externalId="3", userName="e3@x.example")]
    Declaree.accounts = {body["id"]: body for body in accounts}
    Declaree.hidden, Declaree.calls = frozenset(), []
    monkeypatch.setattr(Declaree, "is_listed", False)

    prospects = await predict(store, connection, monkeypatch)

    assert prospects == [Prospect.FITTING, Prospect.CREATED, Prospect.UNCLEAR, Prospect.FOUND, Prospect.CREATED]


async def test_server_without_list_and_filter_is_refused(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which accounts exist stays unknown, so the error says what its operator has to support."""
    Declaree.accounts = {}
    Declaree.hidden, Declaree.calls = frozenset(), []
    monkeypatch.setattr(Declaree, "is_listed", False)
    monkeypatch.setattr(Declaree, "is_filtered", False)

    with pytest.raises(ListUnsupportedError, match="neither list nor filter"):
        await predict(store, connection, monkeypatch)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("is_hidden", [True, False])
async def test_many_accounts_are_read_only_if_a_sample_differs(is_hidden: bool) -> None:
    """One read for each account would cost a first import half of its requests. A sample with a hidden role is enough."""
    listed = [Resource(AccountId(f"a{number}"), build_account(number)) for number in range(200)]
    reads: list[Call] = []

    async def perform(call: Call) -> Answer:
        reads.append(call)
        assert isinstance(call, ReadAccount)
        body = listed[int(call.id[1:])].body
        return Found((Resource(call.id, {**body, **(ROLES if is_hidden and call.id in {"a100", "a101"} else {})}),))

    accounts = ExistingAccounts(perform, AccountsByMark())
    fields = [{"name.givenName": "Ada", "name.familyName": f"Name {number}"} for number in range(200)]
    fitting = [
        (make_request(str(number), user_name=f"e{number}@x.example", fields=fields[number]), listed[number])
        for number in range(200)
    ]

    prospects = [judgement.prospect for judgement in await accounts.confirm(fitting)]

    assert prospects.count(Prospect.FITTING) == (198 if is_hidden else 200)
    assert len(reads) == (200 if is_hidden else SAMPLES)
