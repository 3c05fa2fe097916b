"""The client of Personio's API v1: tokens, pages, patience; on the sandbox, and on answers that it does not give."""

import asyncio
import inspect
import json
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from sandbox.personio.app import create_app
from sandbox.personio.behaviour import Behaviour
from sandbox.personio.catalogue import ALL_KEYS
from sandbox.personio.clock import Clock
from sandbox.personio.credentials import Credential
from sandbox.personio.faults import Fault
from sandbox.personio.state import State
from services.clients.personio.client import AttributeDefinition, EmployeePage, PersonioClient
from services.clients.personio.employees import parse_employee
from services.clients.personio.errors import (
    PersonioAddressError,
    PersonioCredentialsError,
    PersonioRefusedError,
    PersonioUnavailableError,
)
from services.clients.personio.pace import BURST, Pace
from services.clients.personio.tokens import Tokens
from services.contracts.connections import PersonioAccess
from services.contracts.ids import EmployeeId
from services.errors import ConnectorError
from tests.unit.clients.fake_clock import FakeClock
from tests.unit.clients.wires import PAGE, InProcess, Reply, Scripted, reply

SECRET = "personio-secret-value"
ACCESS = PersonioAccess(url="http://personio.test/", client_id="papi-client", client_secret=SecretStr(SECRET))
GOLDEN = Path(__file__).parents[2] / "golden" / "personio"
LIST, AUTH = "/v1/company/employees", "/v1/auth"
TOKEN_BODY = {"success": True, "data": {"token": "papi-1", "expires_in": 86400}}
TOKEN = reply(200, TOKEN_BODY)
EMPTY = reply(200, {"success": True, "metadata": {"total_elements": 0}, "data": []})


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


class Stage:
    """A sandbox that shares its time with the client, and who asked for what."""

    def __init__(self, state: State, client: PersonioClient, clock: FakeClock, wire: InProcess) -> None:
        self.state = state
        self.client = client
        self.clock = clock
        self.wire = wire

    @property
    def asked(self) -> list[str]:
        return [request.url.path for request in self.wire.requests]

    def fault(self, kind: str, path: str = f"{LIST}*", **more: Any) -> None:
        self.state.faults.add(Fault.model_validate({"kind": kind, "path": path, **more}))

    async def pages(self) -> list[EmployeePage]:
        return [page async for page in self.client.pages()]


@asynccontextmanager
async def staged(
    employees: int = 5, *, secret: str = SECRET, may_read: bool = True, per_minute: int | None = None, **behaviour: Any
) -> AsyncIterator[Stage]:
    clock = FakeClock()
    state = State.generated(
        seed=3,
        employees=employees,
        credential=Credential(ACCESS.client_id, secret, ALL_KEYS, may_read_employees=may_read),
        clock=Clock(clock.now),
        behaviour=Behaviour.model_validate({"rate_limits": False, **behaviour}),
    )
    wire = InProcess(create_app(state))
    pace = None if per_minute is None else Pace(clock, per_minute)
    async with PersonioClient(ACCESS, clock=clock, pace=pace, transport=wire) as client:
        yield Stage(state, client, clock, wire)


@asynccontextmanager
async def told(
    *answers: Reply | Exception, clock: FakeClock | None = None
) -> AsyncIterator[tuple[PersonioClient, Scripted]]:
    """A client whose Personio gives these answers after the token."""
    wire = Scripted(*answers)
    async with PersonioClient(ACCESS, clock=clock or FakeClock(), transport=wire) as client:
        yield client, wire


def page_of(ids: list[int], total: int | None) -> Reply:
    data = [{"type": "Employee", "attributes": {"id": {"value": number}}} for number in ids]
    return reply(200, {"success": True, "metadata": {"total_elements": total}, "data": data})


# ---------------------------------------------------------------- the vendor's examples


def example(name: str, status: int = 200) -> Reply:
    return Reply(status, (GOLDEN / f"{name}.json").read_bytes())


async def test_the_vendor_s_list_is_read() -> None:
    async with told(example("auth-200"), example("employees-list-200")) as (client, wire):
        page = await client.employees()
    expected = parse_employee(golden("employees-list-200")["data"][0])
    assert page == EmployeePage((expected,) if expected else (), 0, 2, 0)
    assert wire.requests[1].headers["Authorization"] == "Bearer " + golden("auth-200")["data"]["token"]


async def test_the_vendor_s_employee_is_read() -> None:
    async with told(TOKEN, example("employee-get-200")) as (client, _):
        assert await client.employee(EmployeeId("1")) == parse_employee(golden("employee-get-200")["data"])


async def test_the_vendor_s_attributes_are_read() -> None:
    async with told(TOKEN, example("employees-attributes-200")) as (client, _):
        found = await client.attributes()
    assert found == tuple(
        AttributeDefinition(entry["key"], entry["label"], entry["type"], entry["universal_id"])
        for entry in golden("employees-attributes-200")["data"]
    )
    assert AttributeDefinition("dynamic_2", "Marital status", "list", None) in found


@pytest.mark.parametrize("name", ["employee-get-404", "picture-404"])
async def test_the_vendor_s_unknown_employee_is_none(name: str) -> None:
    async with told(TOKEN, example(name, 404)) as (client, _):
        assert await client.employee(EmployeeId("1")) is None


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([example("auth-403", 403)], PersonioCredentialsError),
        ([TOKEN, example("error-401", 401), TOKEN, example("error-401", 401)], PersonioRefusedError),
        ([TOKEN, example("error-403", 403), TOKEN], PersonioRefusedError),
        ([TOKEN, example("error-500", 500)], PersonioUnavailableError),
    ],
    ids=["wrong credentials", "401", "403", "500"],
)
async def test_the_vendor_s_errors_are_told_apart(answers: list[Reply], error: type[ConnectorError]) -> None:
    async with told(*answers) as (client, _):
        with pytest.raises(error):
            await client.employees()


# ---------------------------------------------------------------- tokens


async def test_credentials_go_in_the_body_alone_and_the_company_is_named_in_headers() -> None:
    access = ACCESS.model_copy(update={"partner_id": "PARTNER"})
    wire = Scripted(TOKEN, EMPTY)
    async with PersonioClient(access, clock=FakeClock(), transport=wire) as client:
        await client.employees()
    auth, listed = wire.requests
    assert (auth.method, str(auth.url)) == ("POST", "http://personio.test/v1/auth")
    assert json.loads(auth.content) == {"client_id": "papi-client", "client_secret": SECRET}
    assert auth.headers["Content-Type"] == "application/json"
    for request in wire.requests:
        assert request.headers["X-Personio-App-ID"] == "PERSONIO_DECLAREE"
        assert request.headers["X-Personio-Partner-ID"] == "PARTNER"
        assert SECRET not in str(request.url) + str(request.headers.raw)
    assert listed.content == b""


async def test_a_partner_is_not_named_where_there_is_none() -> None:
    async with staged() as stage:
        await stage.client.attributes()
        assert {(e["app_id"], e["partner_id"]) for e in stage.state.journal.documents()} == {
            ("PERSONIO_DECLAREE", None)
        }


async def test_a_token_is_asked_for_once_also_by_many_at_once() -> None:
    async with staged() as stage:
        await asyncio.gather(*(stage.client.attributes() for _ in range(5)))
        await stage.pages()
        assert stage.asked.count(AUTH) == 1


async def test_the_clients_of_a_process_share_the_token_of_a_credential() -> None:
    """As poll after poll has a client of its own; another secret has to authenticate for itself."""
    tokens, answers = Tokens(), [reply(200, TOKEN_BODY), EMPTY, EMPTY, reply(200, TOKEN_BODY), EMPTY]
    wire = Scripted(*answers)
    for secret in (SECRET, SECRET, "another"):
        access = ACCESS.model_copy(update={"client_secret": SecretStr(secret)})
        async with PersonioClient(access, clock=FakeClock(), tokens=tokens, transport=wire) as client:
            await client.employees()
    assert [request.method for request in wire.requests] == ["POST", "GET", "GET", "POST", "GET"]
    assert SECRET not in repr(tokens.of(ACCESS))
    assert "papi-1" not in repr(tokens.of(ACCESS))


@pytest.mark.parametrize("send_expires_in", [True, False])
async def test_a_token_is_renewed_before_its_day_is_over(send_expires_in: bool) -> None:
    async with staged(send_expires_in=send_expires_in) as stage:
        await stage.client.attributes()
        stage.clock.seconds += 86_400 - 301
        await stage.client.attributes()
        assert stage.asked.count(AUTH) == 1
        stage.clock.seconds += 2
        await stage.client.attributes()
        assert stage.asked.count(AUTH) == 2
        assert [entry["status"] for entry in stage.state.journal.documents()] == [200] * 5


async def test_the_last_minutes_of_a_token_need_few_authentications() -> None:
    """Asking again gives the same token with less life; at most 60 a minute may be asked for."""
    async with staged() as stage:
        await stage.client.attributes()
        stage.clock.seconds += 86_400 - 310
        for _ in range(400):
            await stage.client.attributes()
            stage.clock.seconds += 1
        assert stage.asked.count(AUTH) < 20


@pytest.mark.parametrize("given", [None, "86400", True, [], float("nan"), -5, 0, 10**400])
async def test_whatever_is_given_as_a_token_s_life_the_token_is_used(given: Any) -> None:
    data = {"token": "papi-1", "expires_in": given}
    async with told(reply(200, {"success": True, "data": data}), EMPTY) as (client, wire):
        await client.employees()
    assert wire.asked == ["POST /v1/auth", "GET /v1/company/employees?limit=100&offset=0"]


async def test_a_revoked_token_is_replaced_once_without_anybody_noticing() -> None:
    async with staged() as stage:
        await stage.client.attributes()
        stage.state.credentials.revoke(ACCESS.client_id)
        assert len(await stage.pages()) == 1
        assert stage.asked == [AUTH, f"{LIST}/attributes", LIST, AUTH, LIST]


async def test_a_token_that_ended_early_is_replaced_although_the_answer_is_403() -> None:
    async with staged(send_expires_in=False) as stage:
        stage.state.credentials.log_in(ACCESS.client_id, SECRET, stage.state.now())
        stage.clock.seconds += 80_000
        await stage.client.attributes()
        stage.clock.seconds += 10_000
        await stage.client.attributes()
        assert [entry["status"] for entry in stage.state.journal.documents()] == [200, 200, 403, 200, 200]


async def test_a_token_that_is_refused_again_and_again_is_reported_after_one_more_try() -> None:
    async with staged() as stage:
        stage.fault("unauthorized", count=100)
        with pytest.raises(PersonioRefusedError, match=r"right to read employees"):
            await stage.client.employees()
        assert stage.asked == [AUTH, LIST, AUTH, LIST]


async def test_a_missing_right_is_reported_without_a_loop() -> None:
    async with staged(may_read=False) as stage:
        with pytest.raises(PersonioRefusedError, match=r"/v1/company/employees \(403\)"):
            await stage.client.employees()
        assert stage.asked == [AUTH, LIST, AUTH], "the same token again: there is nothing more to try"


async def test_wrong_credentials_are_reported_at_once_and_say_what_to_do() -> None:
    async with staged(secret="another") as stage:
        with pytest.raises(PersonioCredentialsError, match="connections secrets"):
            await stage.client.employees()
        assert stage.asked == [AUTH]
        assert stage.clock.slept == []


@pytest.mark.parametrize("header", [True, False])
async def test_the_token_in_the_answers_is_not_needed(header: bool) -> None:
    async with staged(authorization_header=header) as stage:
        assert await stage.client.attributes()


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        reply(200, {}),
        reply(200, {"data": []}),
        reply(200, {"data": {"token": None}}),
        reply(204),
        reply(200, [1]),
    ],
)
async def test_an_answer_without_a_token_is_no_refusal(answer: Reply) -> None:
    async with told(answer) as (client, _):
        with pytest.raises(PersonioUnavailableError):
            await client.employees()


# ---------------------------------------------------------------- patience


async def test_a_429_without_a_time_is_waited_out_longer_than_the_minute_that_is_counted() -> None:
    async with staged() as stage:
        await stage.client.attributes()
        stage.fault("too_many_requests", count=6)
        await stage.client.employees()
        assert stage.clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


async def test_the_rate_limits_of_the_vendor_hinder_nobody() -> None:
    async with staged(rate_limits=True) as stage:
        for _ in range(350):
            await stage.client.attributes()
        assert 429 in [entry["status"] for entry in stage.state.journal.documents()]
        assert min(stage.clock.slept) >= 1.0


@pytest.mark.parametrize(
    ("named", "waited"), [("7", 7.0), ("0", 1.0), ("Mon, 09 Mar 2026 08:30:20 GMT", 20.0), ("soon", 1.0)]
)
async def test_the_time_that_personio_names_is_waited_for(named: str, waited: float) -> None:
    clock = FakeClock()
    async with told(TOKEN, reply(429, Retry_After=named), EMPTY, clock=clock) as (client, _):
        await client.employees()
    assert clock.slept == [waited]


async def test_a_time_too_long_for_a_poll_is_reported_at_once() -> None:
    clock = FakeClock()
    async with told(TOKEN, reply(429, Retry_After="61"), clock=clock) as (client, _):
        with pytest.raises(PersonioUnavailableError) as caught:
            await client.employees()
    assert (caught.value.retry_after, clock.slept) == (61.0, [])


@pytest.mark.parametrize("kind", ["server_error", "bad_gateway", "gateway_timeout", "cut"])
async def test_failures_are_tried_again_and_reported_when_they_last(kind: str) -> None:
    async with staged() as stage:
        stage.fault(kind, count=4)
        await stage.client.employees()
        assert stage.clock.slept == [1.0, 2.0, 4.0, 8.0]
        stage.fault(kind, count=100)
        with pytest.raises(PersonioUnavailableError, match="at the next poll"):
            await stage.client.employees()
        assert len(stage.clock.slept) == 8


async def test_a_failing_authentication_is_tried_again_too() -> None:
    async with staged() as stage:
        stage.fault("bad_gateway", AUTH)
        stage.fault("cut", AUTH, after=1)
        assert await stage.client.attributes()
        assert stage.asked == [AUTH, AUTH, AUTH, f"{LIST}/attributes"]


@pytest.mark.parametrize("call", ["employees", "attributes", "employee"])
@pytest.mark.parametrize(
    "answer", [PAGE, Reply(200, b"We will be back soon."), reply(200, {"data": 3}), reply(204), reply(304)]
)
async def test_what_is_not_the_api_s_answer_is_never_taken_for_one(call: str, answer: Reply) -> None:
    async with told(TOKEN, answer) as (client, _):
        with pytest.raises(PersonioUnavailableError):
            await (client.employee(EmployeeId("7")) if call == "employee" else getattr(client, call)())


async def test_who_keeps_pace_is_never_told_to_wait() -> None:
    """The sandbox limits as Personio does: 300 a minute, 15 a second. Signing in has a limit of its own."""
    async with staged(1, per_minute=200, rate_limits=True) as stage:
        began = stage.clock.monotonic()
        for _ in range(400):
            await stage.client.attributes()
        assert {entry["status"] for entry in stage.state.journal.documents()} == {200}
        assert stage.clock.monotonic() - began == pytest.approx((400 - BURST) * 60 / 200)


async def test_after_a_while_without_any_some_requests_need_not_wait() -> None:
    clock = FakeClock()
    pace = Pace(clock, 60)
    for _ in range(BURST + 2):
        await pace.turn()
    assert clock.slept == [pytest.approx(1.0)] * 2
    await clock.sleep(3600)
    clock.slept.clear()
    for _ in range(BURST + 1):
        await pace.turn()
    assert clock.slept == [pytest.approx(1.0)]


# ---------------------------------------------------------------- pages


async def test_everybody_comes_in_pages_by_record_offset_with_an_explicit_limit() -> None:
    async with staged(employees=250) as stage:
        pages = await stage.pages()
        total = len(stage.state.company)
        ids = [employee.id for page in pages for employee in page.employees]
        assert sorted(ids) == sorted(str(person.id) for person in stage.state.company.listed())
        assert {page.total for page in pages} == {total}
        queries = [e["query"] for e in stage.state.journal.documents() if e["path"] == LIST]
        assert queries == [f"limit=100&offset={100 * number}" for number in range(len(pages))]
        assert [page.offset for page in pages] == [100 * number for number in range(len(pages))]


@pytest.mark.parametrize(
    ("count", "asked"), [(0, [0]), (1, [0]), (99, [0]), (100, [0, 100]), (200, [0, 100, 200]), (201, [0, 100, 200])]
)
async def test_a_list_ends_where_it_ends(count: int, asked: list[int]) -> None:
    class Company(Scripted):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            if request.url.path == LIST:
                self._answers = [page_of(list(range(offset, min(count, offset + 100))), count)]
            return await super().handle_async_request(request)

    wire = Company(TOKEN)
    async with PersonioClient(ACCESS, clock=FakeClock(), transport=wire) as client:
        found = [employee.id async for page in client.pages() for employee in page.employees]
    assert found == [str(number) for number in range(count)]
    assert [int(request.url.params["offset"]) for request in wire.requests[1:]] == asked


async def test_a_total_that_shrinks_and_people_who_move_between_pages_are_shown_as_they_came() -> None:
    async with staged(employees=250) as stage:
        stage.fault("shrink", LIST, after=1, by=3, count=9)
        stage.fault("duplicate", LIST, after=1)
        stage.fault("skip", LIST, after=2)
        pages = await stage.pages()
        total = len(stage.state.company)
        assert [page.total for page in pages] == [total, *[total - 3] * (len(pages) - 1)]
        assert pages[1].employees[0] == pages[0].employees[-1]


async def test_smaller_pages_than_asked_for_are_followed_to_the_end() -> None:
    answers = [page_of([1, 2], 5), page_of([3, 4], 5), page_of([5], 5)]
    async with told(TOKEN, *answers) as (client, wire):
        assert [len(page.employees) async for page in client.pages()] == [2, 2, 1]
    assert [request.url.params["offset"] for request in wire.requests[1:]] == ["0", "2", "4"]


async def test_without_a_total_a_list_ends_with_an_empty_page() -> None:
    async with told(TOKEN, page_of([1, 2], None), page_of([3], None), page_of([], None)) as (client, _):
        assert [(len(page.employees), page.total) async for page in client.pages()] == [(2, None), (1, None), (0, None)]


@pytest.mark.parametrize("total", [100, 250, None])
async def test_a_server_that_ignores_the_offset_does_not_hold_us_for_ever(total: int | None) -> None:
    async with told(TOKEN, page_of(list(range(100)), total)) as (client, wire):
        pages = client.pages()
        assert len((await anext(pages)).employees) == 100
        with pytest.raises(PersonioUnavailableError, match="repeats itself at 100"):
            await anext(pages)
    assert len(wire.requests) == 3


async def test_a_list_without_an_end_is_given_up() -> None:
    class Endless(Scripted):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            self._answers = [TOKEN if request.url.path == AUTH else page_of(list(range(offset, offset + 100)), 300)]
            return await super().handle_async_request(request)

    wire = Endless(TOKEN)
    async with PersonioClient(ACCESS, clock=FakeClock(), transport=wire) as client:
        with pytest.raises(PersonioUnavailableError, match="does not end: 300"):
            [page async for page in client.pages()]
    assert len(wire.requests) == 1 + 14


async def test_elements_without_an_id_are_counted_and_end_like_others() -> None:
    data = [{"attributes": {"id": {"value": 1}}}, {"attributes": {}}, None]
    body = {"success": True, "metadata": {"total_elements": 3}, "data": data}
    async with told(TOKEN, reply(200, body)) as (client, _):
        (page,) = [page async for page in client.pages()]
    assert ([employee.id for employee in page.employees], page.skipped, page.total) == (["1"], 2, 3)


async def test_a_page_is_asked_for_when_the_one_before_was_taken() -> None:
    async with staged(employees=250) as stage:
        pages = stage.client.pages()
        for taken in (1, 2, 3):
            await anext(pages)
            assert stage.asked.count(LIST) == taken
        await pages.aclose()


async def test_the_memory_of_a_long_list_is_that_of_a_few_pages() -> None:
    class Large(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offset = int(request.url.params.get("offset", 0))
            text = {"value": "x" * 5_000}
            data = [{"attributes": {"id": {"value": n}, "text": text}} for n in range(offset, min(offset + 100, 4_000))]
            body = {"success": True, "metadata": {"total_elements": 4_000}, "data": data}
            return httpx.Response(200, json=TOKEN_BODY if request.url.path == AUTH else body)

    async with PersonioClient(ACCESS, clock=FakeClock(), transport=Large()) as client:
        tracemalloc.start()
        try:
            people = sum([len(page.employees) async for page in client.pages()])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert people == 4_000
    assert peak < 5_000_000, "a page is half a megabyte, all of them are twenty"


# ---------------------------------------------------------------- single people


async def test_an_employee_is_looked_up_and_an_unknown_one_is_none() -> None:
    async with staged() as stage:
        somebody = stage.state.company.listed()[0]
        found = await stage.client.employee(EmployeeId(str(somebody.id)))
        assert found is not None
        assert (found.id, found.attributes["email"].value) == (str(somebody.id), somebody.email)
        assert await stage.client.employee(EmployeeId("999999")) is None


@pytest.mark.parametrize(
    "answer",
    [
        Reply(404, PAGE.content),
        Reply(404),
        reply(200, {"success": True, "data": {}}),
        reply(200, {"success": True, "data": {"attributes": {"id": {"value": 8}}}}),
        reply(200, {"success": False, "error": {"code": 404, "message": "Es ist ein Problem aufgetreten "}}),
        reply(422, {"success": False}),
    ],
)
async def test_only_the_api_s_own_404_says_that_somebody_is_gone(answer: Reply) -> None:
    async with told(TOKEN, answer) as (client, _):
        with pytest.raises(ConnectorError):
            await client.employee(EmployeeId("7"))


async def test_ids_are_quoted() -> None:
    async with told(TOKEN, reply(404, {"success": False})) as (client, wire):
        await client.employee(EmployeeId("7/../attributes?x"))
    assert wire.asked[1] == "GET /v1/company/employees/7%2F..%2Fattributes%3Fx"


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 405, 409, 410, 418, 422])
@pytest.mark.parametrize("where", ["auth", "list"])
async def test_every_other_status_is_an_error_that_names_it(status: int, where: str) -> None:
    answer = Reply(status, PAGE.content, {"Location": "https://elsewhere.test/"})
    async with told(*((answer,) if where == "auth" else (TOKEN, answer))) as (client, wire):
        with pytest.raises(ConnectorError, match=str(status)):
            await client.employees()
    assert all(request.url.host == "personio.test" for request in wire.requests)


def httpx_errors() -> list[type[Exception]]:
    """Every public error of httpx that a request can end with."""
    classes = [found for _, found in inspect.getmembers(httpx, inspect.isclass)]
    return [found for found in classes if issubclass(found, httpx.RequestError | httpx.InvalidURL)]


@pytest.mark.parametrize("kind", httpx_errors())
async def test_every_error_of_httpx_is_translated(kind: type[Exception]) -> None:
    async with told(kind("broken")) as (client, _):
        with pytest.raises((PersonioUnavailableError, PersonioAddressError)):
            await client.employees()


@pytest.mark.parametrize("url", ["personio.test", "ftp://personio.test", "http://personio.test:x", "", "http://"])
async def test_an_address_that_is_none_is_named_at_once(url: str) -> None:
    clock = FakeClock()
    async with PersonioClient(ACCESS.model_copy(update={"url": url}), clock=clock) as client:
        with pytest.raises(PersonioAddressError, match=r"https://api\.personio\.de"):
            await client.employees()
    assert clock.slept == []


@pytest.mark.parametrize("secret", [SECRET, "geheimnis-ü", "half \udcfc of a letter"])
@pytest.mark.parametrize("answer", [reply(403), reply(500), PAGE, reply(404), httpx.ReadTimeout("late")])
async def test_no_error_or_representation_holds_the_secret_or_the_token(answer: Reply | Exception, secret: str) -> None:
    access = ACCESS.model_copy(update={"client_secret": SecretStr(secret)})
    said = []
    for answers in ([answer], [TOKEN, answer, TOKEN, answer]):
        async with PersonioClient(access, clock=FakeClock(), transport=Scripted(*answers)) as client:
            with pytest.raises(ConnectorError) as caught:
                await client.employees()
            said += [repr(client), repr(access), repr(caught.value), *traceback.format_exception(caught.value)]
    assert secret not in "".join(said)
    assert "papi-1" not in "".join(said)
