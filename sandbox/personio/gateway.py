"""Middleware in front of the vendor's API: journal, faults on demand, latency and rate limits."""

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.personio import errors
from sandbox.personio.faults import BEFORE_REQUESTS, ON_PAGES, Fault
from sandbox.personio.journal import Entry
from sandbox.personio.state import State
from sandbox.serving import abort_connection

PAGE_FAULTS = "sandbox.page_faults"
"""Key of the ASGI scope under which the list endpoint receives the faults of its page."""


class Gateway:
    """ASGI middleware. Passes requests outside ``/v1`` unchanged."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, unless a fault or a limit answers it."""
        self._state.apply_due_statuses()
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        recorder = _ResponseRecorder(send, self._state)
        try:
            await self._handle(scope, receive, recorder)
        finally:
            self._state.journal.add(self._build_entry(scope, recorder.status))

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"]
        faults = self._state.faults.take_matching(scope["method"], scope["path"], query.decode("latin-1"))
        await asyncio.sleep(self._compute_delay(faults))
        if any(fault.kind == "expire_token" for fault in faults):
            self._state.credentials.expire_all(self._state.now())
        replacement = next((fault for fault in faults if fault.kind not in BEFORE_REQUESTS | ON_PAGES), None)
        if replacement is not None and replacement.kind == "cut":
            await abort_connection(scope, receive)
        elif replacement is not None:
            await _build_fault_response(replacement)(scope, receive, send)
        elif len(query) > (self._state.behaviour.max_query_bytes or len(query)):
            await errors.build_long_query_page(self._state.behaviour.long_query)(scope, receive, send)
        elif not self._admit(scope):
            await _build_rate_limit_response(self._state.behaviour.retry_after_seconds)(scope, receive, send)
        else:
            scope[PAGE_FAULTS] = [fault for fault in faults if fault.kind in ON_PAGES]
            await self._app(scope, receive, send)

    def _compute_delay(self, faults: list[Fault]) -> float:
        return self._state.behaviour.latency_seconds + sum(fault.seconds for fault in faults if fault.kind == "slow")

    def _admit(self, scope: Scope) -> bool:
        if not self._state.behaviour.rate_limits:
            return True
        now = self._state.clock.timestamp()
        return self._state.limits.admit(scope["method"], scope["path"], _get_client_address(scope), now)

    def _build_entry(self, scope: Scope, status: int) -> Entry:
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


class _ResponseRecorder:
    """Passes a response on with the headers of all responses, and records its status; 0 until the response starts."""

    def __init__(self, send: Send, state: State) -> None:
        self._send = send
        self._state = state
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(MutableHeaders(scope=message))
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        behaviour = self._state.behaviour
        headers["date"] = self._state.format_date_header()
        if behaviour.deprecation is not None:
            headers["deprecation"] = behaviour.deprecation
        if behaviour.sunset is not None:
            headers["sunset"] = behaviour.sunset


def _get_client_address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _build_rate_limit_response(retry_after: int | None) -> Response:
    response = errors.too_many_requests().build_response()
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response


RESPONSES: dict[str, Callable[[Fault], Response]] = {
    "too_many_requests": lambda fault: _build_rate_limit_response(fault.retry_after),
    "server_error": lambda _: errors.server_error().build_response(),
    "bad_gateway": lambda _: errors.build_gateway_page(502, "Bad Gateway"),
    "gateway_timeout": lambda _: errors.build_gateway_page(504, "Gateway Time-out"),
    "gateway_not_found": lambda _: errors.build_gateway_page(404, "Not Found"),
    "unauthorized": lambda _: errors.token_revoked().build_response(),
    "forbidden": lambda _: errors.access_forbidden().build_response(),
    "not_found": lambda _: errors.employee_not_found().build_response(),
    "not_json": lambda _: Response("We will be back soon.", 200, media_type="application/json"),
}
"""Builder of the response of each fault that replaces the response."""


def _build_fault_response(fault: Fault) -> Response:
    return RESPONSES[fault.kind](fault)
