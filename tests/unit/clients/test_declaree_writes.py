"""Writes: creating, patching and replacing accounts."""

import json
from typing import Any

import pytest

from services.clients.declaree.client import DeclareeClient
from services.contracts.ids import AccountId
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    Found,
    Lost,
    Missing,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Unsupported,
    Written,
)
from services.runtime.metrics import Metrics
from tests.support.fakes import FakeClock
from tests.unit.clients.declaree_stage import (
    ACCESS,
    CREATE,
    KEY,
    LIST,
    LOOKUPS,
    PATCH,
    PUT,
    PUT_COLLECTION,
    READ,
    SEVEN,
    WRITES,
    build_user,
    open_client,
    open_stage,
    perform_with,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply

# ---------------------------------------------------------------- against the sandbox


async def test_account_is_created_found_patched_and_replaced() -> None:
    """The client can perform every call that a settlement needs."""
    async with open_stage(versions=True) as stage:
        created = await stage.create()

        assert created.version is not None
        assert await stage.client.perform(ReadAccount(created.id)) == Found((created,))

        assert await stage.find("externalId", "7") == [created.id]
        assert await stage.find("userName", "ZOE@example.com") == [created.id]

        patched = await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version))

        assert isinstance(patched, Written)
        assert patched.resource is not None
        assert patched.resource.body["active"] is False
        assert patched.resource.version != created.version

        replaced = await stage.client.perform(ReplaceAccount(created.id, build_user(), patched.resource.version))

        assert isinstance(replaced, Written)
        assert replaced.resource is not None
        assert replaced.resource.body["active"] is True


@pytest.mark.parametrize(
    "behaviour",
    [{}, {"conflict_body": False}, {"error_body": "html"}, {"error_body": "empty"}, {"error_body": "numeric_status"}],
)
async def test_write_of_taken_user_name_is_a_conflict(behaviour: dict[str, Any]) -> None:
    """The status 409 alone decides; the body of the response has no effect."""
    async with open_stage(**behaviour) as stage:
        await stage.create()
        other = await stage.create(name="other@example.com", externalId="8")
        taken = {"op": "replace", "path": "userName", "value": "zoe@example.com"}

        assert await stage.client.perform(CreateAccount(build_user())) == Conflict()
        assert await stage.client.perform(PatchAccount(other.id, (taken,))) == Conflict()


async def test_write_with_old_version_is_outdated() -> None:
    """A change by another writer between read and write is not overwritten."""
    async with open_stage(versions=True) as stage:
        created = await stage.create()
        await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version))

        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version)) == Outdated()
        assert await stage.client.perform(ReplaceAccount(created.id, build_user(), created.version)) == Outdated()


async def test_write_answered_without_body_has_no_resource() -> None:
    """The status 204 confirms a write, but the response does not contain the account."""
    async with open_stage(patch_answer=204) as stage:
        created = await stage.create()

        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations)) == Written(None)


async def test_patch_on_server_without_patch_is_unsupported() -> None:
    """The answer makes the settlement use PUT, which the server accepts."""
    async with open_stage(patch=False) as stage:
        created = await stage.create()

        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations)) == Unsupported()
        assert isinstance(await stage.client.perform(ReplaceAccount(created.id, build_user(active=False))), Written)


async def test_refusal_names_status_and_type_but_no_value() -> None:
    """The answer is stored and logged, so it must not contain personal data."""
    async with open_stage() as stage:
        answer = await stage.client.perform(CreateAccount(build_user(name="zoe@example.com", emails=[])))

    assert answer == Refused(400, "invalidValue")


async def test_write_to_unknown_account_finds_it_missing() -> None:
    """The settlement then looks up the account again."""
    async with open_stage() as stage:
        assert await stage.client.perform(PATCH) == Missing()
        assert await stage.client.perform(PUT) == Missing()


@pytest.mark.parametrize("call", WRITES)
async def test_forbidden_write_is_refused_as_forbidden(call: Call) -> None:
    """The writer decides whether the key or this one account is the cause."""
    async with open_stage(key_is_admin=False) as stage:
        answer = await stage.client.perform(call)

    assert isinstance(answer, Refused)
    assert answer.is_forbidden


@pytest.mark.promise("W12")
@pytest.mark.parametrize("fault", [{"kind": "cut", "after_commit": True}, {"kind": "login_page", "after_commit": True}])
async def test_create_without_answer_is_lost_and_not_repeated(fault: dict[str, Any]) -> None:
    """The client never repeats a create; a lookup finds the account."""
    async with open_stage() as stage:
        stage.add_fault(method="POST", **fault)

        assert isinstance(await stage.client.perform(CreateAccount(build_user())), Lost)
        assert len(await stage.find("externalId", "7")) == 1

    assert [request.method for request in stage.transport.requests] == ["POST", "GET"]


@pytest.mark.promise("W13")
@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("write", ["patch", "put"])
async def test_update_without_response_is_lost(write: str, after_commit: bool) -> None:
    """The client cannot know whether the server wrote the account before the connection broke. A read shows it."""
    async with open_stage() as stage:
        created = await stage.create()
        disabled = build_user(active=False)
        call = PatchAccount(created.id, PATCH.operations) if write == "patch" else ReplaceAccount(created.id, disabled)
        stage.add_fault(kind="cut", method=write, after_commit=after_commit)

        assert await stage.client.perform(call) == Lost()

        answer = await stage.client.perform(ReadAccount(created.id))

    assert isinstance(answer, Found)
    assert answer.resources[0].body["active"] is not after_commit


# ---------------------------------------------------------------- answers of other servers


@pytest.mark.parametrize(
    ("status", "create", "update"),
    [
        (202, Lost(202), Lost(202)),
        (300, Lost(300), Lost(300)),
        (303, Lost(303), Lost(303)),
        (304, Lost(304), Lost(304)),
        (307, Lost(307), Lost(307)),
        (400, Refused(400), Refused(400)),
        (403, Refused(403), Refused(403)),
        (404, Refused(404), Missing(is_certain=False)),
        (405, Unsupported(), Unsupported()),
        (408, Lost(408), Lost(408)),
        (409, Conflict(), Conflict()),
        (410, Refused(410), Missing(is_certain=False)),
        (412, Outdated(), Outdated()),
        (413, Refused(413), Refused(413)),
        (418, Refused(418), Refused(418)),
        (421, Lost(421), Lost(421)),
        (423, Conflict(423), Conflict(423)),
        (425, Lost(425), Lost(425)),
        (428, Refused(428), Refused(428)),
        (500, Lost(500), Lost(500)),
        (501, Unsupported(), Unsupported()),
        (502, Lost(502), Lost(502)),
        (503, Lost(503), Lost(503)),
        (504, Lost(504), Lost(504)),
        (599, Lost(599), Lost(599)),
    ],
)
async def test_write_status_has_one_answer(status: int, create: Answer, update: Answer) -> None:
    """Each status of a create and of an update leads to exactly one answer."""
    reply = Reply(status, LOGIN_PAGE.content)

    assert await perform_with(CREATE, reply) == create
    for call in (PATCH, PUT, PUT_COLLECTION):
        assert await perform_with(call, reply) == update


@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        ({"scimType": "mutability"}, "mutability"),
        ({"SCIMTYPE": "invalidPath"}, "invalidPath"),
        ({"scimType": "zoe@example.com"}, None),
        ({"scimType": "Zoë"}, None),
        ({"scimType": "x" * 30}, None),
        ({"scimType": ["mutability"]}, None),
        ({}, None),
        (["mutability"], None),
    ],
)
async def test_refusal_keeps_a_type_but_no_other_text(body: Any, scim_type: str | None) -> None:
    """RFC 7644, section 3.12, defines single words. Any other text may be a value of the person."""
    assert await perform_with(PATCH, build_reply(400, body)) == Refused(400, scim_type)


@pytest.mark.parametrize(
    "reply", [LOGIN_PAGE, build_reply(201, {"id": "7" * 1025}), build_reply(200, {"Resources": []})]
)
@pytest.mark.parametrize("call", WRITES)
async def test_unreadable_success_is_lost(call: Call, reply: Reply) -> None:
    """Only a lookup shows whether the account was written, and which id it has."""
    assert await perform_with(call, reply) == Lost(reply.status)


@pytest.mark.parametrize("reply", [Reply(202), build_reply(202, {"id": "7"})])
async def test_accepted_write_is_lost(reply: Reply) -> None:
    """RFC 9110, section 15.3.3: the server has not written yet, and may never do it."""
    assert await perform_with(PATCH, reply) == Lost(202)


async def test_resource_with_another_id_is_returned_as_it_is() -> None:
    """The settlement judges to which person the account belongs."""
    reply = build_reply(200, {"id": "8"})

    assert await perform_with(PATCH, reply) == Written(Resource(AccountId("8"), {"id": "8"}))
    assert await perform_with(READ, reply) == Found((Resource(AccountId("8"), {"id": "8"}),))


@pytest.mark.parametrize(
    ("location", "account"),
    [
        ("http://declaree.test/SCIM/v2/Users/42", "42"),
        ("/SCIM/v2/Users/42/", "42"),
        ("https://proxy.test/Users/a%2Fb%20%C3%BC?x=1#y", "a/b ü"),
        ("/SCIM/v2/Accounts/42", None),
        ("/SCIM/v2/Users/", None),
        ("/SCIM/v2/Users/" + "7" * 1025, None),
        ("http://[::1/Users/42", None),
        ("", None),
    ],
)
async def test_id_of_created_account_is_read_from_location(location: str, account: str | None) -> None:
    """RFC 7644 lets a server omit the body of the response and name the account in the header Location."""
    answer = await perform_with(CREATE, build_reply(201, Location=location, ETag='W/"1"'))

    assert answer == Written(Resource(AccountId(account), {}, 'W/"1"') if account else None)


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("account", "path"),
    [
        ("7", "/SCIM/v2/Users/7"),
        ("a/b", "/SCIM/v2/Users/a%2Fb"),
        ("ü 1?x=#%2F", "/SCIM/v2/Users/%C3%BC%201%3Fx%3D%23%252F"),
        ("zoe+1@example.com", "/SCIM/v2/Users/zoe%2B1%40example.com"),
    ],
)
async def test_account_id_is_quoted_in_the_path(account: str, path: str) -> None:
    """An id with special characters stays one segment of the path."""
    transport = ScriptedTransport(build_reply(404))

    async with open_client(transport) as client:
        await client.perform(ReadAccount(AccountId(account)))
        await client.perform(PatchAccount(AccountId(account), ()))
        await client.perform(ReplaceAccount(AccountId(account), {}))

    assert transport.request_lines == [f"GET {path}", f"PATCH {path}", f"PUT {path}"]


async def test_put_without_id_goes_to_the_collection() -> None:
    """The vendor's page shows ``PUT /Users``; the body identifies the account."""
    transport = ScriptedTransport(build_reply(200, {"id": "7"}))

    async with open_client(transport) as client:
        await client.perform(PUT_COLLECTION)

    assert transport.request_lines == ["PUT /SCIM/v2/Users"]


async def test_write_sends_scim_and_the_known_version() -> None:
    """If-Match is sent only with a known version."""
    transport = ScriptedTransport(build_reply(204))

    async with open_client(transport) as client:
        await client.perform(PatchAccount(SEVEN, PATCH.operations, 'W/"3"'))
        await client.perform(PATCH)
        await client.perform(CreateAccount(build_user()))

    patch_op = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    first, second, third = transport.requests
    assert first.headers["If-Match"] == 'W/"3"'
    assert "If-Match" not in second.headers
    assert first.headers["Content-Type"] == "application/scim+json"
    assert first.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(first.content) == {"schemas": [patch_op], "Operations": list(PATCH.operations)}
    assert json.loads(third.content) == build_user()


class ForbiddenError(Exception):
    """The error that the callback ``before`` of a test raises."""


@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES])
async def test_call_is_not_sent_if_its_callback_raises(call: Call) -> None:
    """The writer's callback ``before`` raises an error if the partition is no longer assigned."""

    def forbid() -> None:
        raise ForbiddenError

    transport = ScriptedTransport(build_reply(404))

    async with open_client(transport) as client:
        with pytest.raises(ForbiddenError):
            await client.perform(call, before=forbid)

    assert transport.requests == []


@pytest.mark.parametrize(
    ("call", "reply", "labels"),
    [
        (CREATE, build_reply(500), {"call": "create-account", "answer": "lost"}),
        (READ, build_reply(404), {"call": "read-account", "answer": "missing"}),
        (LIST, build_reply(200, {"totalResults": 0}), {"call": "list-accounts", "answer": "page"}),
    ],
)
async def test_requests_are_counted_by_call_and_answer(call: Call, reply: Reply, labels: dict[str, str]) -> None:
    """The metric counts requests for each pair of call and answer."""
    metrics = Metrics()
    client = DeclareeClient(
        ACCESS, clock=FakeClock(), metrics=metrics, transport=ScriptedTransport(reply), allow_private=False
    )

    await client.perform(call)
    await client.close()

    assert metrics.registry.get_sample_value("sync_target_requests_total", labels) == 1.0
