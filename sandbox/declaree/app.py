"""The whole of one Declaree as an ASGI app: SCIM, the control API and the page of accounts."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.declaree.control import control_routes
from sandbox.declaree.endpoint import BASE_PATH, ScimEndpoint
from sandbox.declaree.page import accounts_page
from sandbox.declaree.state import Declaree


def create_app(state: Declaree) -> ASGIApp:
    scim = ScimEndpoint(state)
    beside = Starlette(routes=[Mount("/_control", routes=control_routes()), Route("/", accounts_page)])
    beside.state.declaree = state

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # SCIM does its own routing; past the framework's it costs a tenth less
        is_scim = scope["type"] == "http" and f"{scope['path']}/".startswith(f"{BASE_PATH}/")
        await (scim if is_scim else beside)(scope, receive, send)

    return app
