"""The client of Declaree: every answer that a reconciliation understands, from the sandbox and from worse servers."""

import asyncio
import inspect
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.faults import Fault
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.errors import (
    DeclareeBusyError,
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.contracts.connections import DeclareeAccess
from services.contracts.ids import AccountId
from services.errors import TransientError
from services.provisioning.calls import (
    Answer,
    Call,
    Conflict,
    CreateAccount,
    FindAccounts,
    Gone,
    Lost,
    Outdated,
    PatchAccount,
    ReadAccount,
    Refused,
    ReplaceAccount,
    Resource,
    Seen,
    Unsupported,
    Written,
)
from services.runtime.metrics import Metrics
from tests.unit.clients.fake_clock import FakeClock
from tests.unit.clients.wires import PAGE, InProcess, Reply, Scripted, reply

KEY = "top-secret-key"
ACCESS = DeclareeAccess(url="http://declaree.test/SCIM/v2/", key=SecretStr(KEY))
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
SEVEN = AccountId("7")

CREATE = CreateAccount({"schemas": [CORE], "userName": "zoe@example.com"})
PATCH = PatchAccount(SEVEN, ({"op": "replace", "path": "active", "value": False},))
PUT = ReplaceAccount(SEVEN, {"schemas": [CORE], "userName": "zoe@example.com"})
READ = ReadAccount(SEVEN)
FIND_EXTERNAL = FindAccounts("externalId", "7")
FIND_NAME = FindAccounts("userName", "zoe@example.com")
WRITES: list[Call] = [CREATE, PATCH, PUT]
LOOKS: list[Call] = [READ, FIND_EXTERNAL, FIND_NAME]


def person(name: str = "zoe@example.com", **more: Any) -> dict[str, Any]:
    return {
        "schemas": [CORE],
        "userName": name,
        "externalId": "7",
        "name": {"givenName": "Zoë", "familyName": "Núñez"},
        "emails": [{"type": "work", "value": name, "primary": True}],
        "active": True,
        **more,
    }


@asynccontextmanager
async def client_of(
    wire: httpx.AsyncBaseTransport, access: DeclareeAccess = ACCESS, clock: FakeClock | None = None
) -> AsyncIterator[DeclareeClient]:
    client = DeclareeClient(access, clock=clock or FakeClock(), transport=wire)
    yield client
    await client.close()


async def answered(call: Call, *answers: Reply | Exception) -> Answer:
    async with client_of(Scripted(*answers)) as client:
        return await client.perform(call)


class Stage:
    """A sandbox and a client of it."""

    def __init__(self, client: DeclareeClient, declaree: Declaree, wire: InProcess) -> None:
        self.declaree = declaree
        self.client = client
        self.wire = wire

    async def create(self, **more: Any) -> Resource:
        answer = await self.client.perform(CreateAccount(person(**more)))
        assert isinstance(answer, Written)
        assert answer.resource is not None
        return answer.resource

    async def find(self, attribute: Any, value: str) -> tuple[Resource, ...]:
        answer = await self.client.perform(FindAccounts(attribute, value))
        assert isinstance(answer, Seen)
        return answer.resources

    def fault(self, **fault: Any) -> None:
        self.declaree.faults.order(Fault.model_validate(fault))


@asynccontextmanager
async def staged(access: DeclareeAccess = ACCESS, **behaviour: Any) -> AsyncIterator[Stage]:
    clock = FakeClock()
    declaree = Declaree(api_key=KEY, behaviour=Behaviour.model_validate(behaviour), clock=clock.now)
    wire = InProcess(create_app(declaree))
    async with client_of(wire, access, clock) as client:
        yield Stage(client, declaree, wire)


# ---------------------------------------------------------------- the sandbox


async def test_an_account_is_created_read_found_changed_and_replaced() -> None:
    async with staged(versions=True) as stage:
        created = await stage.create()
        assert created.version is not None
        assert await stage.client.perform(ReadAccount(created.id)) == Seen((created,))
        found = [await stage.find("externalId", "7"), await stage.find("userName", "ZOE@example.com")]
        assert [[hit.id for hit in hits] for hits in found] == [[created.id], [created.id]]
        off = await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version))
        assert isinstance(off, Written)
        assert off.resource is not None
        assert (off.resource.body["active"], off.resource.version) != (True, created.version)
        again = await stage.client.perform(ReplaceAccount(created.id, person(), off.resource.version))
        assert isinstance(again, Written)
        assert again.resource is not None
        assert again.resource.body["active"] is True


async def test_what_is_not_there_is_seen_as_nothing() -> None:
    async with staged() as stage:
        assert await stage.client.perform(READ) == Seen()
        assert await stage.client.perform(FIND_EXTERNAL) == Seen()
        assert await stage.client.perform(FIND_NAME) == Seen()


@pytest.mark.parametrize(
    "name",
    [
        "zoe+expenses@example.com",
        'zo"e@example.com',
        "zo'e@example.com",
        "zoë.núñez@exämple.com",
        "a\\b@x",
        "50%&co=1#?@x",
    ],
)
async def test_whoever_has_an_awkward_name_is_found_and_nobody_else(name: str) -> None:
    async with staged() as stage:
        created = await stage.create(name=name, externalId=name)
        await stage.create(name="other@example.com", externalId="8")
        assert [hit.id for hit in await stage.find("userName", name)] == [created.id]
        assert [hit.id for hit in await stage.find("externalId", name)] == [created.id]


@pytest.mark.parametrize(
    "behaviour",
    [{}, {"conflict_body": False}, {"error_body": "html"}, {"error_body": "empty"}, {"error_body": "numeric_status"}],
)
async def test_a_name_that_is_taken_is_a_conflict_whatever_the_body_says(behaviour: dict[str, Any]) -> None:
    async with staged(**behaviour) as stage:
        await stage.create()
        other = await stage.create(name="other@example.com", externalId="8")
        taken = {"op": "replace", "path": "userName", "value": "zoe@example.com"}
        assert await stage.client.perform(CreateAccount(person())) == Conflict()
        assert await stage.client.perform(PatchAccount(other.id, (taken,))) == Conflict()


async def test_a_write_on_an_old_version_is_outdated() -> None:
    async with staged(versions=True) as stage:
        created = await stage.create()
        await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version))
        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations, created.version)) == Outdated()
        assert await stage.client.perform(ReplaceAccount(created.id, person(), created.version)) == Outdated()


async def test_a_write_without_a_body_in_the_answer_is_written_without_a_resource() -> None:
    async with staged(patch_answer=204) as stage:
        created = await stage.create()
        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations)) == Written(None)


async def test_a_server_without_patch_says_so_and_takes_put() -> None:
    async with staged(patch=False) as stage:
        created = await stage.create()
        assert await stage.client.perform(PatchAccount(created.id, PATCH.operations)) == Unsupported()
        assert isinstance(await stage.client.perform(ReplaceAccount(created.id, person(active=False))), Written)


async def test_a_server_that_cannot_look_for_external_ids_finds_nobody_by_them() -> None:
    async with staged(external_id_filter=False) as stage:
        created = await stage.create()
        assert await stage.find("externalId", "7") == ()
        assert [hit.id for hit in await stage.find("userName", "zoe@example.com")] == [created.id]


async def test_an_account_that_is_not_accepted_is_refused_with_the_kind_of_error_and_no_value() -> None:
    async with staged() as stage:
        answer = await stage.client.perform(CreateAccount(person(name="zoe@example.com", emails=[])))
    assert answer == Refused("Declaree does not accept the account (400, invalidValue)")


async def test_writes_to_an_account_that_is_gone_say_so() -> None:
    async with staged() as stage:
        assert await stage.client.perform(PATCH) == Gone()
        assert await stage.client.perform(PUT) == Gone()


@pytest.mark.parametrize("call", [*LOOKS, *WRITES])
async def test_a_key_that_was_generated_anew_stops_everything_and_names_what_to_do(call: Call) -> None:
    async with staged() as stage:
        stage.declaree.regenerate_key()
        with pytest.raises(DeclareeKeyRefusedError, match="connections secrets"):
            await stage.client.perform(call)
        with pytest.raises(DeclareeKeyRefusedError):
            await stage.client.probe()


@pytest.mark.parametrize("key", ["schlüssel", "clé\N{EURO SIGN}", "half \udcfc of a letter"])
async def test_a_key_that_no_server_can_have_given_is_refused_by_the_server(key: str) -> None:
    async with staged(ACCESS.model_copy(update={"key": SecretStr(key)})) as stage:
        with pytest.raises(DeclareeKeyRefusedError):
            await stage.client.perform(READ)


@pytest.mark.parametrize("call", LOOKS)
async def test_a_key_without_rights_is_forbidden_to_look(call: Call) -> None:
    async with staged(key_is_admin=False) as stage:
        with pytest.raises(DeclareeForbiddenError, match="rights"):
            await stage.client.perform(call)


@pytest.mark.parametrize("call", WRITES)
async def test_a_forbidden_write_says_so_and_leaves_it_to_the_writer_whose_fault_it_is(call: Call) -> None:
    async with staged(key_is_admin=False) as stage:
        answer = await stage.client.perform(call)
    assert isinstance(answer, Refused)
    assert answer.forbidden


@pytest.mark.parametrize(("header", "scheme"), [("X-Api-Key", ""), ("Authorization", "Token")])
async def test_the_key_is_sent_as_the_connection_says(header: str, scheme: str) -> None:
    access = ACCESS.model_copy(update={"key_header": header, "key_scheme": scheme})
    async with staged(access, auth_header=header, auth_scheme=scheme) as stage:
        await stage.client.probe()


@pytest.mark.parametrize("fault", [{"kind": "cut", "after_commit": True}, {"kind": "login_page", "after_commit": True}])
async def test_a_lost_answer_to_a_create_is_lost_and_the_account_is_found_by_a_look(fault: dict[str, Any]) -> None:
    """W12: the client never sends it again by itself."""
    async with staged() as stage:
        stage.fault(method="POST", **fault)
        assert await stage.client.perform(CreateAccount(person())) == Lost()
        assert len(await stage.find("externalId", "7")) == 1
    assert [request.method for request in stage.wire.requests] == ["POST", "GET"]


@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("write", ["patch", "put"])
async def test_a_lost_answer_to_an_update_is_lost_whether_it_happened_or_not(write: str, after_commit: bool) -> None:
    """W13."""
    async with staged() as stage:
        created = await stage.create()
        off = person(active=False)
        call = PatchAccount(created.id, PATCH.operations) if write == "patch" else ReplaceAccount(created.id, off)
        stage.fault(kind="cut", method=write, after_commit=after_commit)
        assert await stage.client.perform(call) == Lost()
        seen = await stage.client.perform(ReadAccount(created.id))
    assert isinstance(seen, Seen)
    assert seen.resources[0].body["active"] is not after_commit


@pytest.mark.parametrize("call", LOOKS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "cut"}, DeclareeUnavailableError),
        ({"kind": "login_page"}, DeclareeWrongAddressError),
        ({"kind": "redirect"}, DeclareeWrongAddressError),
        ({"kind": "status", "status": 429}, DeclareeBusyError),
        ({"kind": "status", "status": 500, "body": "html"}, DeclareeUnavailableError),
        ({"kind": "status", "status": 502, "body": "empty"}, DeclareeUnavailableError),
        ({"kind": "status", "status": 503}, DeclareeUnavailableError),
    ],
)
async def test_a_look_without_a_true_answer_is_an_error_and_never_nothing(
    call: Call, fault: dict[str, Any], error: type[TransientError]
) -> None:
    async with staged() as stage:
        stage.fault(**fault)
        with pytest.raises(error):
            await stage.client.perform(call)
        stage.fault(**fault)
        with pytest.raises(error):
            await stage.client.probe()


@pytest.mark.parametrize("unit", ["seconds", "date"])
async def test_the_time_that_the_server_names_is_handed_on_and_holds_every_request(unit: str) -> None:
    """W15: given in seconds or as a date."""
    async with staged() as stage:
        stage.fault(kind="status", status=429, retry_after=7, retry_after_as=unit)
        clock = stage.client._clock
        with pytest.raises(DeclareeBusyError) as caught:
            await stage.client.perform(READ)
        assert caught.value.retry_after == 7.0
        await asyncio.gather(*(stage.client.perform(READ) for _ in range(5)), stage.client.probe())
        assert clock.monotonic() >= 1007.0
        assert len(stage.wire.requests) == 7


async def test_nothing_is_sent_while_the_server_wants_to_be_left_alone_for_long() -> None:
    clock = FakeClock()
    wire = Scripted(reply(503, Retry_After="120"), reply(404))
    async with client_of(wire, clock=clock) as client:
        with pytest.raises(DeclareeUnavailableError) as caught:
            await client.perform(READ)
        assert caught.value.retry_after == 120.0
        for ask in (client.perform(READ), client.perform(CREATE), client.probe()):
            with pytest.raises(DeclareeBusyError) as held:
                await ask
            assert held.value.retry_after == 120.0
        assert len(wire.requests) == 1
        await clock.sleep(120)
        assert await client.perform(READ) == Seen()


async def test_a_server_that_asks_for_patience_gets_half_the_requests_at_once() -> None:
    class Slow(Scripted):
        running = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.running += 1
            self.most = max(self.most, self.running)
            for _ in range(5):
                await asyncio.sleep(0)
            self.running -= 1
            return await super().handle_async_request(request)

    wire = Slow(reply(429), reply(404))
    async with client_of(wire) as client:
        with pytest.raises(DeclareeBusyError):
            await client.perform(READ)
        await asyncio.gather(*(client.perform(READ) for _ in range(4)))
        assert wire.most == 4
        wire.most = 0
        await asyncio.gather(*(client.perform(READ) for _ in range(300)))
    assert 4 < wire.most <= 16


# ---------------------------------------------------------------- worse servers


@pytest.mark.parametrize(
    ("status", "create", "update"),
    [
        (301, Lost(), Lost()),
        (303, Lost(), Lost()),
        (304, Lost(), Lost()),
        (307, Lost(), Lost()),
        (400, Refused("Declaree does not accept the account (400)"), None),
        (404, Refused("404 to a create: is the address that of the SCIM endpoint?"), Gone()),
        (405, Unsupported(), Unsupported()),
        (408, Lost(), Lost()),
        (409, Conflict(), Conflict()),
        (410, Refused("410 to a create"), Gone()),
        (412, Outdated(), Outdated()),
        (413, Refused("Declaree does not accept the account (413)"), None),
        (418, Refused("Declaree does not accept the account (418)"), None),
        (500, Lost(), Lost()),
        (501, Unsupported(), Unsupported()),
        (502, Lost(), Lost()),
        (503, Lost(), Lost()),
        (504, Lost(), Lost()),
        (599, Lost(), Lost()),
    ],
)
async def test_every_status_of_a_write_has_one_meaning(status: int, create: Answer, update: Answer | None) -> None:
    elsewhere = {"Location": "https://elsewhere.test/login"} if 300 <= status < 400 else {}
    for call in WRITES:
        expected = create if call is CREATE else update or create
        assert await answered(call, Reply(status, PAGE.content, elsewhere)) == expected


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 410, 412, 418, 429, 500, 501, 503, 204, 304, 307])
@pytest.mark.parametrize("call", LOOKS)
async def test_no_other_status_of_a_look_passes_for_nothing_found(call: Call, status: int) -> None:
    """404 on one account is that it is gone; 400 and 501 on a search for external ids, that it cannot be made.

    400 on a search for a user name is that this one cannot be asked for.
    """
    nothing = (call is READ and status in {404, 410}) or (call is FIND_EXTERNAL and status in {400, 501})
    if nothing:
        assert await answered(call, Reply(status)) == Seen()
        return
    if call is FIND_NAME and status == 400:
        assert isinstance(await answered(call, Reply(status)), Refused)
        return
    with pytest.raises(TransientError):
        await answered(call, Reply(status))


@pytest.mark.parametrize("status", [300, 302, 304, 307])
async def test_a_redirect_is_no_answer_whatever_it_holds(status: int) -> None:
    body = {"id": "7", "totalResults": 0}
    for call in LOOKS:
        with pytest.raises(DeclareeWrongAddressError, match=str(status)):
            await answered(call, reply(status, body))
    for call in WRITES:
        assert await answered(call, reply(status, body)) == Lost()


async def test_failures_do_not_count_as_a_server_that_keeps_up() -> None:
    async with client_of(Scripted(reply(500))) as client:
        for _ in range(100):
            await client.perform(CREATE)
        assert client._pace._allowed == 8


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": ["7"]}, {"detail": "maintenance"}, [], "7", 7, None]
)
async def test_a_body_that_is_no_account_is_never_taken_for_one(body: Any) -> None:
    with pytest.raises(DeclareeWrongAddressError):
        await answered(READ, reply(200, body))
    if body is not None:
        assert await answered(CREATE, reply(201, body)) == Lost()
        assert await answered(PATCH, reply(200, body)) == Lost()


@pytest.mark.parametrize("body", [{}, {"status": "maintenance"}, {"totalResults": 3}, {"Resources": {}}, [], None])
async def test_a_body_that_is_no_list_is_never_taken_for_an_empty_one(body: Any) -> None:
    with pytest.raises(DeclareeWrongAddressError):
        await answered(FIND_NAME, reply(200, body))


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"totalResults": 0}, []),
        ({"totalResults": "0", "Resources": []}, []),
        ({"totalresults": 1, "resources": [{"ID": 7, "USERNAME": "zoe"}]}, ["7"]),
        ({"Resources": [{"id": "a"}, None, {"userName": "no id"}, {"id": "b"}]}, ["a", "b"]),
    ],
)
async def test_lists_are_read_in_any_spelling(body: Any, ids: list[str]) -> None:
    answer = await answered(FIND_NAME, reply(200, body))
    assert isinstance(answer, Seen)
    assert [resource.id for resource in answer.resources] == ids


@pytest.mark.parametrize(
    ("location", "account"),
    [
        ("http://declaree.test/SCIM/v2/Users/42", "42"),
        ("/SCIM/v2/Users/42/", "42"),
        ("https://proxy.test/Users/a%2Fb%20%C3%BC?x=1#y", "a/b ü"),
        ("/SCIM/v2/Accounts/42", None),
        ("/SCIM/v2/Users/", None),
        ("http://[::1/Users/42", None),
        ("", None),
    ],
)
async def test_a_created_account_without_a_body_is_known_by_its_location(location: str, account: str | None) -> None:
    answer = await answered(CREATE, reply(201, Location=location, ETag='W/"1"'))
    assert answer == Written(Resource(AccountId(account), {}, 'W/"1"') if account else None)


async def test_the_version_is_that_of_the_header_before_that_of_the_body() -> None:
    body = {"id": "7", "Meta": {"Version": 'W/"1"'}}
    assert await answered(READ, reply(200, body, ETag='W/"2"')) == Seen((Resource(SEVEN, body, 'W/"2"'),))
    assert await answered(READ, reply(200, body)) == Seen((Resource(SEVEN, body, 'W/"1"'),))


@pytest.mark.parametrize(
    ("account", "path"),
    [
        ("7", "/SCIM/v2/Users/7"),
        ("a/b", "/SCIM/v2/Users/a%2Fb"),
        ("ü 1?x=#%2F", "/SCIM/v2/Users/%C3%BC%201%3Fx%3D%23%252F"),
        ("zoe+1@example.com", "/SCIM/v2/Users/zoe%2B1%40example.com"),
    ],
)
async def test_ids_are_quoted(account: str, path: str) -> None:
    wire = Scripted(reply(404))
    async with client_of(wire) as client:
        await client.perform(ReadAccount(AccountId(account)))
        await client.perform(PatchAccount(AccountId(account), ()))
        await client.perform(ReplaceAccount(AccountId(account), {}))
    assert wire.asked == [f"GET {path}", f"PATCH {path}", f"PUT {path}"]


async def test_a_filter_is_one_parameter_with_its_value_as_json() -> None:
    wire = Scripted(reply(200, {"totalResults": 0}))
    async with client_of(wire) as client:
        await client.perform(FindAccounts("userName", 'a+b "c" \\ü@x'))
    assert wire.asked == ["GET /SCIM/v2/Users?filter=userName%20eq%20%22a%2Bb%20%5C%22c%5C%22%20%5C%5C%C3%BC%40x%22"]


async def test_what_is_sent_is_scim_with_the_version_where_it_is_known() -> None:
    wire = Scripted(reply(204))
    async with client_of(wire) as client:
        await client.perform(PatchAccount(SEVEN, PATCH.operations, 'W/"3"'))
        await client.perform(PATCH)
        await client.perform(CreateAccount(person()))
    first, second, third = wire.requests
    assert first.headers["If-Match"] == 'W/"3"'
    assert "If-Match" not in second.headers
    assert first.headers["Content-Type"] == "application/scim+json"
    assert first.headers["Authorization"] == f"Bearer {KEY}"
    patch_op = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    assert json.loads(first.content) == {"schemas": [patch_op], "Operations": list(PATCH.operations)}
    assert json.loads(third.content) == person()


# ---------------------------------------------------------------- errors


def httpx_errors() -> list[type[Exception]]:
    """Every public error of httpx but those of misuse, which cannot come from a server."""
    misuse = {"CookieConflict", "HTTPStatusError", *(found.__name__ for found in subclasses(httpx.StreamError))}
    public = [getattr(httpx, name) for name in httpx.__all__ if name not in misuse | {"HTTPError"}]
    return [found for found in public if inspect.isclass(found) and issubclass(found, Exception)]


def subclasses(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(below for found in kind.__subclasses__() for below in subclasses(found))]


@pytest.mark.parametrize("kind", httpx_errors())
async def test_every_error_of_httpx_is_translated(kind: type[Exception]) -> None:
    for look in LOOKS:
        with pytest.raises(TransientError):
            await answered(look, kind("broken"))
    for write in WRITES:
        try:
            answer = await answered(write, kind("broken"))
        except DeclareeWrongAddressError:
            assert kind is httpx.InvalidURL, "the only one that says that nothing was sent"
        else:
            assert answer == Lost()


@pytest.mark.parametrize("url", ["declaree.test/SCIM", "ftp://declaree.test", "http://declaree.test:x", "http://", ""])
async def test_an_address_that_is_none_is_named(url: str) -> None:
    client = DeclareeClient(ACCESS.model_copy(update={"url": url}), clock=FakeClock())
    for call in (READ, FIND_NAME):
        with pytest.raises(TransientError):
            await client.perform(call)
    with pytest.raises(DeclareeWrongAddressError, match="should be that of the SCIM endpoint"):
        await client.probe()
    await client.close()


@pytest.mark.parametrize(
    "answer",
    [
        reply(401),
        reply(403),
        reply(404),
        reply(429),
        reply(500),
        PAGE,
        reply(307, Location="/x"),
        reply(400, {"scimType": KEY}),
    ],
)
async def test_no_error_or_representation_holds_the_key(answer: Reply) -> None:
    async with client_of(Scripted(answer)) as client:
        said = [repr(client), str(client), repr(vars(client)), repr(ACCESS)]
        for call in (*LOOKS, *WRITES):
            try:
                said.append(repr(await client.perform(call)))
            except TransientError as error:
                said += [repr(error), *traceback.format_exception(error)]
            await client._clock.sleep(5)
    assert KEY not in "\n".join(said)


async def test_a_key_with_a_line_break_is_not_sent_and_not_told() -> None:
    access = ACCESS.model_copy(update={"url": "http://127.0.0.1:9/", "key": SecretStr("two\nlines")})
    client = DeclareeClient(access, clock=FakeClock())
    with pytest.raises(TransientError) as caught:
        await client.perform(READ)
    assert "lines" not in "".join(traceback.format_exception(caught.value))
    await client.close()


# ---------------------------------------------------------------- before


class ForbiddenError(Exception):
    pass


@pytest.mark.parametrize("call", [*LOOKS, *WRITES])
async def test_nothing_is_sent_that_was_forbidden_at_the_last_moment(call: Call) -> None:
    def forbid() -> None:
        raise ForbiddenError

    wire = Scripted(reply(404))
    async with client_of(wire) as client:
        with pytest.raises(ForbiddenError):
            await client.perform(call, before=forbid)
    assert wire.requests == []


async def test_the_last_moment_comes_after_the_wait_for_a_place_and_for_the_server() -> None:
    clock = FakeClock()
    asked_at: list[float] = []
    async with client_of(Scripted(reply(429, Retry_After="5"), reply(404)), clock=clock) as client:
        with pytest.raises(DeclareeBusyError):
            await client.perform(READ)
        await client.perform(READ, before=lambda: asked_at.append(clock.monotonic()))
    assert asked_at == [1005.0]


async def test_requests_are_counted_by_what_was_asked_and_what_came_back() -> None:
    metrics = Metrics()
    client = DeclareeClient(ACCESS, clock=FakeClock(), metrics=metrics, transport=Scripted(reply(500)))
    await client.perform(CREATE)
    await client.close()
    labels = {"call": "CreateAccount", "answer": "Lost"}
    assert metrics.registry.get_sample_value("sync_target_requests_total", labels) == 1.0
