"""Errors that concern the connection: the key, the address, and responses that are not SCIM."""

import inspect
import traceback
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.errors import (
    DeclareeForbiddenError,
    DeclareeKeyRefusedError,
    DeclareeRateLimitedError,
    DeclareeUnavailableError,
    DeclareeWrongAddressError,
)
from services.errors import TransientError
from services.provisioning.calls import (
    Call,
    Lost,
)
from tests.support.fakes import FakeClock
from tests.unit.clients.declaree_stage import (
    ACCESS,
    CREATE,
    FIND_EXTERNAL,
    FIND_NAME,
    KEY,
    LOOKUPS,
    PATCH,
    READ,
    WRITES,
    open_client,
    open_stage,
    perform_with,
)
from tests.unit.clients.transports import LOGIN_PAGE, Reply, ScriptedTransport, build_reply

# ---------------------------------------------------------------- the key


@pytest.mark.parametrize("call", [*LOOKUPS, *WRITES])
async def test_replaced_key_is_refused_with_the_next_step(call: Call) -> None:
    """Generating a new key in Declaree makes the stored one invalid for every call."""
    async with open_stage() as stage:
        stage.declaree.regenerate_key()

        with pytest.raises(DeclareeKeyRefusedError, match="connections secrets"):
            await stage.client.perform(call)

        with pytest.raises(DeclareeKeyRefusedError):
            await stage.client.probe()


@pytest.mark.parametrize("key", ["schlüssel", "clé\N{EURO SIGN}", "unpaired \udcfc surrogate"])
async def test_key_with_non_ascii_characters_is_refused_by_server(key: str) -> None:
    """The server refuses such a key; sending it raises no encoding error."""
    async with open_stage(ACCESS.model_copy(update={"key": SecretStr(key)})) as stage:
        with pytest.raises(DeclareeKeyRefusedError):
            await stage.client.perform(READ)


@pytest.mark.parametrize("call", [READ, FIND_EXTERNAL, FIND_NAME])
async def test_lookup_with_key_without_rights_is_forbidden(call: Call) -> None:
    """The message says which right the key's user needs."""
    async with open_stage(key_is_admin=False) as stage:
        with pytest.raises(DeclareeForbiddenError, match="rights"):
            await stage.client.perform(call)


@pytest.mark.parametrize(
    "reply",
    [
        build_reply(401),
        build_reply(403),
        build_reply(404),
        build_reply(429),
        build_reply(500),
        LOGIN_PAGE,
        build_reply(307, Location="/x"),
        build_reply(400, {"scimType": KEY}),
    ],
)
async def test_error_or_repr_does_not_contain_the_key(reply: Reply) -> None:
    """Errors and representations get into logs, which must not contain secrets."""
    clock = FakeClock()
    async with open_client(ScriptedTransport(reply), clock=clock) as client:
        texts = [repr(client), str(client), repr(vars(client)), repr(ACCESS)]
        for call in (*LOOKUPS, *WRITES):
            try:
                texts.append(repr(await client.perform(call)))
            except TransientError as error:
                texts += [repr(error), *traceback.format_exception(error)]
            await clock.sleep(5)

    assert KEY not in "\n".join(texts)


async def test_key_with_line_break_is_neither_sent_nor_quoted() -> None:
    """An invalid header is an error without the value of the header."""
    access = ACCESS.model_copy(update={"url": "http://127.0.0.1:9/", "key": SecretStr("two\nlines")})
    client = DeclareeClient(access, clock=FakeClock(), allow_private=True)

    with pytest.raises(TransientError) as caught:
        await client.perform(READ)

    await client.close()
    assert "lines" not in "".join(traceback.format_exception(caught.value))


# ---------------------------------------------------------------- no usable answer


@pytest.mark.parametrize("call", [READ, FIND_EXTERNAL, FIND_NAME])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "cut"}, DeclareeUnavailableError),
        ({"kind": "login_page"}, DeclareeWrongAddressError),
        ({"kind": "redirect"}, DeclareeWrongAddressError),
        ({"kind": "status", "status": 429}, DeclareeRateLimitedError),
        ({"kind": "status", "status": 500, "body": "html"}, DeclareeUnavailableError),
        ({"kind": "status", "status": 502, "body": "empty"}, DeclareeUnavailableError),
        ({"kind": "status", "status": 503}, DeclareeUnavailableError),
    ],
)
async def test_lookup_without_usable_answer_is_an_error(
    call: Call, fault: dict[str, Any], error: type[TransientError]
) -> None:
    """A failure must not be mistaken for an account that does not exist."""
    async with open_stage() as stage:
        stage.add_fault(**fault, count=None)

        with pytest.raises(error):
            await stage.client.perform(call)

        with pytest.raises(error):
            await stage.client.probe()


@pytest.mark.parametrize("status", [300, 302, 303, 304, 307])
async def test_redirect_with_any_body_is_not_an_answer(status: int) -> None:
    """The body of a redirect says nothing about accounts. Without a target, it cannot be followed."""
    reply = build_reply(status, {"id": "7", "totalResults": 0})

    for lookup in LOOKUPS:
        with pytest.raises(DeclareeWrongAddressError, match=str(status)):
            await perform_with(lookup, reply)

    for write in WRITES:
        assert await perform_with(write, reply) == Lost(status)


@pytest.mark.parametrize(
    "body", [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": ["7"]}, {"detail": "maintenance"}, [], "7", 7, None]
)
async def test_body_without_account_id_is_not_an_account(body: Any) -> None:
    """A lookup raises an error, and a write counts as lost, because only a lookup shows its result."""
    with pytest.raises(DeclareeWrongAddressError):
        await perform_with(READ, build_reply(200, body))

    if body is not None:
        assert await perform_with(CREATE, build_reply(201, body)) == Lost(201)
        assert await perform_with(PATCH, build_reply(200, body)) == Lost(200)


def list_httpx_errors() -> list[type[Exception]]:
    """Returns the public errors of httpx without those of misuse, which cannot come from a server."""
    misuse = {"CookieConflict", "HTTPStatusError", *(error.__name__ for error in list_subclasses(httpx.StreamError))}
    public = [getattr(httpx, name) for name in httpx.__all__ if name not in misuse | {"HTTPError"}]
    return [error for error in public if inspect.isclass(error) and issubclass(error, Exception)]


def list_subclasses(kind: type[Exception]) -> list[type[Exception]]:
    """Returns a class and all classes below it."""
    return [kind, *(below for subclass in kind.__subclasses__() for below in list_subclasses(subclass))]


@pytest.mark.parametrize("kind", list_httpx_errors())
async def test_every_httpx_error_is_translated(kind: type[Exception]) -> None:
    """The writer knows only errors of the product; a write without an answer is lost."""
    for lookup in LOOKUPS:
        with pytest.raises(TransientError):
            await perform_with(lookup, kind("broken"))

    for write in WRITES:
        try:
            answer = await perform_with(write, kind("broken"))
        except (DeclareeWrongAddressError, DeclareeUnavailableError):
            unsent = {httpx.InvalidURL, httpx.ConnectError, httpx.ConnectTimeout}
            assert kind in unsent, "only these errors say that nothing was sent"
        else:
            assert answer == Lost()


async def test_cause_of_an_unusable_answer_is_named() -> None:
    """An administrator needs the cause, such as an encoding that a proxy chose."""
    error = httpx.RemoteProtocolError("the server sent the encoding br")

    with pytest.raises(DeclareeUnavailableError, match="the encoding br"):
        await perform_with(READ, error)

    answer = await perform_with(PATCH, error)
    assert isinstance(answer, Lost)
    assert "the encoding br" in answer.details


@pytest.mark.parametrize("url", ["declaree.test/SCIM", "ftp://declaree.test", "http://declaree.test:x", "http://", ""])
async def test_invalid_address_is_reported_with_the_next_step(url: str) -> None:
    """An address that is not an HTTP address is a wrong address, not an outage."""
    client = DeclareeClient(ACCESS.model_copy(update={"url": url}), clock=FakeClock(), allow_private=False)

    for call in (READ, FIND_NAME):
        with pytest.raises(TransientError):
            await client.perform(call)

    with pytest.raises(DeclareeWrongAddressError, match="enter the address of the SCIM endpoint"):
        await client.probe()
    await client.close()
