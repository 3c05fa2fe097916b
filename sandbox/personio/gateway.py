"""What stands before every call of the vendor's API: the journal, faults on demand, latency and the rate limits."""

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.personio import errors
from sandbox.personio.faults import ON_PAGES, Fault
from sandbox.personio.journal import Entry
from sandbox.personio.state import State
from sandbox.serving import cut

PAGE_FAULTS = "sandbox.page_faults"


class Gateway:
    """ASGI middleware; lets everything outside ``/v1`` pass untouched."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        answered = _Answered(send)
        try:
            await self._handle(scope, receive, answered)
        finally:
            self._state.journal.note(self._entry(scope, answered.status))

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.settle()
        faults = self._state.faults.hitting(scope["method"], scope["path"])
        await asyncio.sleep(self._delay(faults))
        instead = next((fault for fault in faults if fault.kind not in {"slow", *ON_PAGES}), None)
        if instead is not None and instead.kind == "cut":
            await cut(scope, receive)
        elif instead is not None:
            await _answer(instead)(scope, receive, send)
        elif not self._admitted(scope):
            await self._refusal()(scope, receive, send)
        else:
            scope[PAGE_FAULTS] = [fault for fault in faults if fault.kind in ON_PAGES]
            await self._app(scope, receive, send)

    def _delay(self, faults: list[Fault]) -> float:
        return self._state.behaviour.latency_seconds + sum(fault.seconds for fault in faults if fault.kind == "slow")

    def _admitted(self, scope: Scope) -> bool:
        if not self._state.behaviour.rate_limits:
            return True
        return self._state.limits.admit(scope["method"], scope["path"], _address(scope), self._state.clock.seconds())

    def _refusal(self) -> Response:
        return _too_many_requests(self._state.behaviour.retry_after_seconds)

    def _entry(self, scope: Scope, status: int) -> Entry:
        headers = Headers(scope=scope)
        query = "" if scope["path"] == "/v1/auth" else scope["query_string"].decode("latin-1")
        return Entry(
            at=self._state.now(),
            method=scope["method"],
            path=scope["path"],
            query=query,
            status=status,
            app_id=headers.get("x-personio-app-id"),
            partner_id=headers.get("x-personio-partner-id"),
        )


class _Answered:
    """Passes an answer on and remembers its status; 0 as long as there is none."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _too_many_requests(retry_after: int | None) -> Response:
    response = errors.too_many_requests().response()
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response


ANSWERS: dict[str, Callable[[Fault], Response]] = {
    "too_many_requests": lambda fault: _too_many_requests(fault.retry_after),
    "server_error": lambda _: errors.server_error().response(),
    "bad_gateway": lambda _: errors.gateway_page(502, "Bad Gateway"),
    "gateway_timeout": lambda _: errors.gateway_page(504, "Gateway Time-out"),
    "unauthorized": lambda _: errors.token_revoked().response(),
    "forbidden": lambda _: errors.access_forbidden().response(),
    "not_found": lambda _: errors.employee_not_found().response(),
    "not_json": lambda _: Response("We will be back soon.", 200, media_type="application/json"),
}


def _answer(fault: Fault) -> Response:
    return ANSWERS[fault.kind](fault)
