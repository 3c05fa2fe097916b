"""One sandbox of Declaree as an ASGI app: the SCIM endpoint, the control API and the page of accounts."""

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.declaree.control import control_routes
from sandbox.declaree.endpoint import BASE_PATH, ScimEndpoint
from sandbox.declaree.page import show_accounts
from sandbox.declaree.state import Declaree


def create_app(state: Declaree, monotonic: Callable[[], float] = time.monotonic) -> ASGIApp:
    """Builds the ASGI app that serves this state. ``monotonic`` is the clock of the rate limits, in seconds."""
    scim_endpoint = ScimEndpoint(state, monotonic)
    other_app = Starlette(routes=[Mount("/_control", routes=control_routes()), Route("/", show_accounts)])
    other_app.state.declaree = state

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The SCIM endpoint routes its own paths. Without Starlette's routing, a request costs a tenth less.
        is_scim = scope["type"] == "http" and f"{scope['path']}/".startswith(f"{BASE_PATH}/")
        await (scim_endpoint if is_scim else other_app)(scope, receive, send)

    return app
