"""The whole of one Declaree as an ASGI app: SCIM, the control API and the page of accounts."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from sandbox.declaree.control import control_routes
from sandbox.declaree.endpoint import BASE_PATH, ScimEndpoint
from sandbox.declaree.page import accounts_page
from sandbox.declaree.state import Declaree


def create_app(state: Declaree) -> Starlette:
    app = Starlette(
        routes=[
            Mount(BASE_PATH, app=ScimEndpoint(state)),
            Mount("/_control", routes=control_routes()),
            Route("/", accounts_page),
        ]
    )
    app.state.declaree = state
    return app
