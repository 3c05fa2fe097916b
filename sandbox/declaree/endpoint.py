"""The ASGI side of the SCIM endpoint: it parses requests, applies faults and writes the journal."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from sandbox.declaree.errors import ScimError
from sandbox.declaree.faults import Fault
from sandbox.declaree.late import postpone
from sandbox.declaree.message import HTML_ERROR, Reply, Request, build_error_reply, build_html_reply, build_json_reply
from sandbox.declaree.proxy import finish
from sandbox.declaree.rate_limit import Headers, build_quota, build_retry_after, find_window_end
from sandbox.declaree.scim import answer
from sandbox.declaree.state import Declaree
from sandbox.serving import abort_connection

BASE_PATH = "/SCIM/v2"

LOGIN_PAGE = (
    "<!doctype html><html><head><title>Declaree</title></head><body><h1>Log in</h1>"
    '<form method="post"><input name="username"><input name="password" type="password"></form></body></html>'
)


class ScimEndpoint:
    """ASGI app of the SCIM endpoint."""

    def __init__(self, declaree: Declaree, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._declaree = declaree
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one SCIM request, unless a fault replaces or cuts the answer."""
        request = _parse_request(scope, await _read_body(receive))
        faults = self._take_faults(request)
        reply = await self._answer(request, faults)
        deciding = faults[-1] if faults and faults[-1].kind != "slow" else None
        is_lost = deciding is not None and (deciding.kind == "cut" or reply is None)
        kinds = "+".join(fault.kind for fault in faults)
        self._declaree.record(request, reply, fault=kinds or None, delivered=not is_lost)
        if deciding is not None and deciding.kind == "late" and deciding.late_answer == "hang":
            await _wait_for_disconnect(receive)
        elif is_lost or reply is None:
            await abort_connection(scope, receive)
        else:
            await asyncio.sleep(self._declaree.behaviour.latency_seconds)
            reply = replace(reply, headers=(*reply.headers, *self._build_quota()))
            await _send(finish(reply, self._declaree.behaviour), send)

    def _take_faults(self, request: Request) -> list[Fault]:
        """Returns the faults of this request. A request above the rate limit consumes no fault."""
        behaviour, now = self._declaree.behaviour, self._monotonic()
        wait = 0
        if behaviour.rate_limit is not None and not self._declaree.rate_limiter.try_acquire(now, behaviour.rate_limit):
            wait = 1
        elif behaviour.window_limit is not None and not self._declaree.window_limiter.try_acquire(
            now, behaviour.window_limit, behaviour.window_seconds
        ):
            wait = find_window_end(now, behaviour.window_seconds)
        if wait:
            return [Fault(kind="status", status=429, retry_after=wait, retry_after_as=behaviour.retry_after_as)]
        return self._declaree.faults.take(request)

    def _build_quota(self) -> Headers:
        behaviour, limiter = self._declaree.behaviour, self._declaree.window_limiter
        limit = behaviour.window_limit
        if limit is None:
            return ()
        reset = find_window_end(self._monotonic(), behaviour.window_seconds)
        remaining = limiter.count_remaining(limit)
        return build_quota(behaviour.quota_headers, limit, remaining, reset, self._declaree.clock())

    async def _answer(self, request: Request, faults: Sequence[Fault]) -> Reply | None:
        """Returns the reply; None if a fault cuts the connection before the request is processed."""
        for fault in faults:
            if fault.kind == "slow" and not fault.after_commit:
                await asyncio.sleep(fault.seconds)
        deciding = faults[-1] if faults and faults[-1].kind != "slow" else None
        if deciding is not None and deciding.kind == "late":
            return await self._answer_late(request, deciding)
        reply = None
        if deciding is None or deciding.after_commit:
            reply = answer(self._declaree, request)
        for fault in faults:
            if fault.kind == "slow" and fault.after_commit:
                await asyncio.sleep(fault.seconds)
        if deciding is None or (deciding.kind == "cut" and deciding.after_commit):
            return reply
        if deciding.kind == "other_account":
            path = f"/Users/{deciding.account_id}"
            return answer(self._declaree, replace(request, method="GET", path=path, query="", body=b""))
        return _build_fault_reply(deciding, self._declaree, reply.account_id if reply else None)

    async def _answer_late(self, request: Request, fault: Fault) -> Reply | None:
        """Postpones the request, and returns the reply in its place; None if the client receives no answer."""
        postpone(self._declaree, request, fault.lands_after)
        await asyncio.sleep(fault.answer_after)
        return _build_status_reply(fault, self._declaree) if fault.late_answer == "status" else None


def _build_fault_reply(fault: Fault, declaree: Declaree, account_id: str | None) -> Reply | None:
    """Returns the reply that replaces the real one; None if the fault cuts the connection."""
    match fault.kind:
        case "login_page":
            reply = build_html_reply(200, LOGIN_PAGE)
        case "redirect":
            reply = Reply(fault.redirect_status, headers=(("Location", fault.location),), media_type="text/plain")
        case "status":
            reply = _build_status_reply(fault, declaree)
        case "large_id":
            reply = build_json_reply(201, {"id": "x" * fault.id_bytes})
        case _:
            return None
    return Reply(reply.status, reply.body, reply.headers, reply.media_type, account_id)


def _build_status_reply(fault: Fault, declaree: Declaree) -> Reply:
    wait = fault.retry_after
    headers = () if wait is None else build_retry_after(wait, fault.retry_after_as, declaree.clock())
    match fault.body:
        case "empty":
            return Reply(fault.status, headers=headers)
        case "html":
            return build_html_reply(fault.status, HTML_ERROR.format(status=fault.status), headers)
    error = ScimError(fault.status, fault.detail, fault.scim_type, headers)
    return build_error_reply(error, declaree.behaviour)


def _parse_request(scope: Scope, body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "localhost")
    return Request(
        method=scope["method"],
        path="/" + scope["path"].removeprefix(BASE_PATH).strip("/"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        base_url=f"{scope['scheme']}://{host}{BASE_PATH}",
        has_trailing_slash=scope["path"].endswith("/"),
    )


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(reply: Reply, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.body:
        headers.append((b"content-type", reply.media_type.encode("latin-1")))
    if reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(reply.body)).encode("latin-1")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
