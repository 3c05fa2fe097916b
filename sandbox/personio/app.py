"""The sandbox as an ASGI application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sandbox.personio.auth import AuthApi
from sandbox.personio.control.app import control_routes
from sandbox.personio.employees import EmployeesApi
from sandbox.personio.errors import ApiError, answer_api_error
from sandbox.personio.gateway import Gateway
from sandbox.personio.state import State


def create_app(state: State) -> Starlette:
    """The vendor's API under ``/v1``, the control API under ``/_control``."""
    return Starlette(
        routes=[*AuthApi(state).routes(), *EmployeesApi(state).routes(), *control_routes(state)],
        middleware=[Middleware(Gateway, state=state)],
        exception_handlers={ApiError: answer_api_error},
    )
