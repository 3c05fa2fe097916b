"""What a server says about itself."""

import asyncio
import tracemalloc
from typing import Any

import httpx
import pytest

from services.clients.declaree.discovery import MAX_ATTRIBUTES
from services.clients.declaree.errors import (
    DeclareeKeyRefusedError,
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
)
from services.errors import TransientError
from services.provisioning.server import ServerDescription
from tests.unit.clients.declaree_stage import open_client, open_stage
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NOTHING = build_reply(404)
NAME = {"name": "userName", "type": "string"}


def build_manager(*names: str) -> dict[str, Any]:
    """Returns the attribute of the manager with these parts."""
    return {"name": "manager", "type": "complex", "subAttributes": [{"name": name, "type": "string"} for name in names]}


def build_schemas(*manager: str, **core: Any) -> dict[str, Any]:
    """Returns a list of schemas, with a manager that has these parts."""
    extension = {"id": ENTERPRISE, "attributes": [build_manager(*manager)]}
    return {"Resources": [{"id": CORE, "attributes": [NAME | core]}, extension]}


async def describe_with(*replies: Reply | Exception) -> ServerDescription:
    """Returns the description of a server with these replies."""
    async with open_client(ScriptedTransport(*replies)) as client:
        return await client.discover()


async def test_sandbox_describes_itself() -> None:
    """A server of RFC 7644 names the manager by the id of the manager's account."""
    async with open_stage(versions=True) as stage:
        description = await stage.client.discover()

    assert description == ServerDescription(
        patch=True, etag=True, manager_by_external_id=False, unique_user_names=True, schema=description.schema
    )
    assert description.schema


@pytest.mark.parametrize(
    "reply", [NOTHING, Reply(400), Reply(403), Reply(500), Reply(501), Reply(502), LOGIN_PAGE, Reply(200, b"[]")]
)
async def test_server_without_discovery_is_unknown(reply: Reply) -> None:
    """RFC 7644 wants these endpoints, but identity providers do not need them, so servers lack them."""
    assert await describe_with(reply) == ServerDescription()


@pytest.mark.parametrize("status", [302, 307])
async def test_redirected_discovery_is_unknown(status: int) -> None:
    """Only accounts decide whether the address is right."""
    assert await describe_with(build_reply(status, Location="https://other.test/")) == ServerDescription()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401), DeclareeKeyRefusedError),
        (Reply(429), DeclareeRateLimitedError),
        (Reply(503), DeclareeUnavailableError),
        (httpx.ReadTimeout(""), DeclareeUnavailableError),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
async def test_unavailable_discovery_is_an_error(
    position: int, reply: Reply | Exception, error: type[TransientError]
) -> None:
    """A later answer is better than a wrong memory of the server."""
    with pytest.raises(error):
        await describe_with(*[NOTHING] * position, reply)


@pytest.mark.parametrize(
    ("config", "patch", "etag"),
    [
        ({"patch": {"supported": True}, "etag": {"supported": False}}, True, False),
        ({"PATCH": {"Supported": "False"}, "eTag": {"supported": "true"}}, False, True),
        ({"patch": True, "etag": {"supported": 1}}, None, None),
        ({}, None, None),
    ],
)
async def test_supported_features_are_read(config: Any, patch: bool | None, etag: bool | None) -> None:
    """RFC 7643, section 5. Anything but a boolean is unknown."""
    description = await describe_with(build_reply(200, config), NOTHING)

    assert description == ServerDescription(patch=patch, etag=etag)


@pytest.mark.parametrize(
    ("parts", "is_external"),
    [
        (["value", "$ref", "displayName"], False),
        (["managerId", "displayName"], True),
        (["MANAGERID", "value"], True),
        (["displayName"], None),
        ([], None),
    ],
)
async def test_manager_id_in_the_schema_means_the_external_id(parts: list[str], is_external: bool | None) -> None:
    """The vendor's page links ``managerId`` to the external id of the manager."""
    description = await describe_with(NOTHING, build_reply(200, build_schemas(*parts)))

    assert description.manager_by_external_id == is_external


@pytest.mark.parametrize(
    ("uniqueness", "is_unique"),
    [("server", True), ("GLOBAL", True), ("none", False), ("", None), (None, None), (True, None)],
)
async def test_unique_user_names_are_read(uniqueness: Any, is_unique: bool | None) -> None:
    """RFC 7643, section 7. A server that states nothing may accept a second account with the same user name."""
    description = await describe_with(NOTHING, build_reply(200, build_schemas("value", uniqueness=uniqueness)))

    assert description.unique_user_names is is_unique


async def test_contradicting_schemas_say_nothing_of_user_names() -> None:
    """A server may list the core schemas of SCIM 1 and SCIM 2."""
    old = {"id": "urn:scim:schemas:core:1.0", "attributes": [NAME | {"uniqueness": "none"}]}
    new = {"id": CORE, "attributes": [NAME | {"uniqueness": "server"}]}

    description = await describe_with(NOTHING, build_reply(200, {"Resources": [old, new]}))

    assert description.unique_user_names is None


async def test_user_name_of_an_extension_is_ignored() -> None:
    """The attribute of an extension says nothing about the user name of the account."""
    other = {"Resources": [{"id": "urn:example:2.0:User", "attributes": [NAME | {"uniqueness": "server"}]}]}

    description = await describe_with(NOTHING, build_reply(200, other))

    assert description.unique_user_names is None


async def test_manager_outside_the_enterprise_extension_is_ignored() -> None:
    """A schema of another kind may have its own manager."""
    other = {"Resources": [{"id": CORE, "attributes": [build_manager("managerId")]}]}

    description = await describe_with(NOTHING, build_reply(200, other))

    assert description.manager_by_external_id is None


@pytest.mark.parametrize(
    "schema",
    [
        {"id": CORE, "attributes": [NAME, {"name": ENTERPRISE, "subAttributes": [build_manager("managerId")]}]},
        {"id": ENTERPRISE, "attributes": [build_manager("managerId")]},
        {"Resources": [{"id": ENTERPRISE, "attributes": [build_manager("managerId")]}]},
    ],
)
async def test_schema_is_read_where_the_vendor_shows_it(schema: Any) -> None:
    """Without ``/Schemas``, the vendor's page asks for the schema of users below ``/ResourceTypes``."""
    transport = ScriptedTransport(NOTHING, NOTHING, build_reply(200, schema))

    async with open_client(transport) as client:
        description = await client.discover()

    assert description.manager_by_external_id
    assert description.schema
    assert transport.request_lines == [
        "GET /SCIM/v2/ServiceProviderConfig",
        "GET /SCIM/v2/Schemas",
        f"GET /SCIM/v2/ResourceTypes/{CORE}",
    ]


async def test_resource_types_are_not_asked_if_schemas_exist() -> None:
    """A third request would bring nothing new."""
    transport = ScriptedTransport(NOTHING, build_reply(200, build_schemas("value")))

    async with open_client(transport) as client:
        await client.discover()

    assert len(transport.requests) == 2


async def test_schema_hash_changes_with_the_attributes_only() -> None:
    """The order, descriptions and schemas of groups do not matter; names, types and mutability do."""
    first = build_schemas("value")
    group = {"id": "urn:ietf:params:scim:schemas:core:2.0:Group", "attributes": [{"name": "displayName"}]}
    same = {"resources": [group, *reversed(build_schemas("value", description="The name")["Resources"])]}
    others = [
        build_schemas("managerId"),
        build_schemas("value", type="integer"),
        build_schemas("value", mutability="immutable"),
    ]

    hashes = [(await describe_with(NOTHING, build_reply(200, body))).schema for body in (first, same, *others)]

    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


@pytest.mark.parametrize("attributes", [[None, 7, {"name": None}], [{"subAttributes": {"a": 1}}], "text", {}])
async def test_strange_schemas_are_not_an_error(attributes: Any) -> None:
    """Discovery is a help, never a condition."""
    body = {"Resources": [None, "text", {"id": None, "attributes": attributes}]}

    description = await describe_with(NOTHING, build_reply(200, body))

    assert description.manager_by_external_id is None


LONG = ":enterprise:" * 20_000
"""A text on which a search for a URN in it takes minutes."""


@pytest.mark.parametrize(
    "schema",
    [
        {"id": ENTERPRISE, "attributes": [build_manager(LONG, ":core:" * 20_000)]},
        {"id": LONG, "attributes": [{"name": f"a{number}"} for number in range(1_500)]},
        {"id": CORE, "attributes": [{"name": "x", "type": [LONG], "uniqueness": {"a": LONG}}] * 10},
    ],
    ids=["long names", "many names below a long one", "properties of other types"],
)
async def test_hostile_schemas_take_no_time_and_memory(schema: dict[str, Any]) -> None:
    """The server of one company must not stop the writer of all: what is too long for a name is not looked at."""
    tracemalloc.start()
    schemas = build_reply(200, {"Resources": [schema]})

    async with asyncio.timeout(5):
        description = await describe_with(NOTHING, schemas)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert description.manager_by_external_id is None
    assert peak < 100_000_000


async def test_number_of_attributes_is_bounded() -> None:
    """Those behind the first ones are not read, so that schemas of any size take a moment."""
    names = [{"name": f"a{number}"} for number in range(MAX_ATTRIBUTES)]
    known = {"Resources": [{"id": CORE, "attributes": names}]}
    more = {"Resources": [{"id": CORE, "attributes": [*names, {"name": "b"}]}]}

    assert (await describe_with(NOTHING, build_reply(200, known))).schema
    assert await describe_with(NOTHING, build_reply(200, known)) == await describe_with(NOTHING, build_reply(200, more))
