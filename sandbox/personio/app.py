"""The sandbox as an ASGI application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sandbox.personio.auth import AuthApi
from sandbox.personio.control.access import AccessControl
from sandbox.personio.control.conditions import ConditionsControl
from sandbox.personio.control.errors import HANDLED, answer_control_error
from sandbox.personio.control.people import PeopleControl
from sandbox.personio.employees import EmployeesApi
from sandbox.personio.errors import ApiError, answer_api_error
from sandbox.personio.gateway import Gateway
from sandbox.personio.state import State


def create_app(state: State) -> Starlette:
    """The vendor's API under ``/v1``, the control API under ``/_control``."""
    faces = (AuthApi, EmployeesApi, PeopleControl, AccessControl, ConditionsControl)
    return Starlette(
        routes=[route for face in faces for route in face(state).routes()],
        middleware=[Middleware(Gateway, state=state)],
        exception_handlers={ApiError: answer_api_error, **dict.fromkeys(HANDLED, answer_control_error)},
    )
