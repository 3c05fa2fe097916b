"""A Declaree client with the sandbox or a scripted transport, and the calls that the tests perform."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.faults import Fault
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    Call,
    CreateAccount,
    FindAccounts,
    Found,
    ListAccounts,
    PatchAccount,
    ReadAccount,
    ReplaceAccount,
    Resource,
    Written,
)
from tests.support.fakes import FakeClock
from tests.unit.clients.transports import InProcessTransport, Reply, ScriptedTransport

KEY = "top-secret-key"
ACCESS = DeclareeAccess(url="http://declaree.test/SCIM/v2/", key=SecretStr(KEY), insecure_http=True)
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
SEVEN = AccountId("7")

CREATE = CreateAccount({"schemas": [CORE], "userName": "zoe@example.com"})
PATCH = PatchAccount(SEVEN, ({"op": "replace", "path": "active", "value": False},))
PUT = ReplaceAccount(SEVEN, {"schemas": [CORE], "userName": "zoe@example.com"})
PUT_COLLECTION = ReplaceAccount(None, PUT.body)
READ = ReadAccount(SEVEN)
FIND_EXTERNAL = FindAccounts("externalId", "7")
FIND_NAME = FindAccounts("userName", "zoe@example.com")
LIST = ListAccounts()
WRITES: list[Call] = [CREATE, PATCH, PUT, PUT_COLLECTION]
LOOKUPS: list[Call] = [READ, FIND_EXTERNAL, FIND_NAME, LIST]


def build_user(name: str = "zoe@example.com", **changes: Any) -> dict[str, Any]:
    """Returns the body of a user."""
    return {
        "schemas": [CORE],
        "userName": name,
        "externalId": "7",
        "name": {"givenName": "Zoë", "familyName": "Núñez"},
        "emails": [{"type": "work", "value": name, "primary": True}],
        "active": True,
        **changes,
    }


@asynccontextmanager
async def open_client(
    transport: httpx.AsyncBaseTransport,
    access: DeclareeAccess = ACCESS,
    clock: FakeClock | None = None,
    concurrency: int = 16,
) -> AsyncIterator[DeclareeClient]:
    """Opens a client with this transport."""
    client = DeclareeClient(
        access, clock=clock or FakeClock(), concurrency=concurrency, transport=transport, allow_private=False
    )
    yield client
    await client.close()


async def perform_with(call: Call, *replies: Reply | Exception) -> Answer:
    """Performs a call on a server with these replies."""
    async with open_client(ScriptedTransport(*replies)) as client:
        return await client.perform(call)


class DeclareeStage:
    """A sandbox and a client of it."""

    def __init__(
        self, client: DeclareeClient, declaree: Declaree, transport: InProcessTransport, clock: FakeClock
    ) -> None:
        """The sandbox and the client share the clock."""
        self.client = client
        self.declaree = declaree
        self.transport = transport
        self.clock = clock

    async def create(self, **changes: Any) -> Resource:
        """Creates an account and returns it."""
        answer = await self.client.perform(CreateAccount(build_user(**changes)))
        assert isinstance(answer, Written)
        assert answer.resource is not None
        return answer.resource

    async def find(self, attribute: Any, value: str) -> list[AccountId]:
        """Looks up accounts and returns their ids."""
        answer = await self.client.perform(FindAccounts(attribute, value))
        assert isinstance(answer, Found)
        return [resource.id for resource in answer.resources]

    def add_fault(self, **fault: Any) -> None:
        """Makes the sandbox fail once."""
        self.declaree.faults.order(Fault.model_validate(fault))


@asynccontextmanager
async def open_stage(access: DeclareeAccess = ACCESS, **behaviour: Any) -> AsyncIterator[DeclareeStage]:
    """Opens a sandbox with this behaviour, and a client of it."""
    clock = FakeClock()
    declaree = Declaree(api_key=KEY, behaviour=Behaviour.model_validate(behaviour), clock=clock.now)
    transport = InProcessTransport(create_app(declaree))
    async with open_client(transport, access, clock) as client:
        yield DeclareeStage(client, declaree, transport, clock)
