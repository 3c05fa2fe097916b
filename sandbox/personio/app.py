"""ASGI application of the Personio sandbox."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sandbox.personio.auth import AuthApi
from sandbox.personio.control.access import AccessControl
from sandbox.personio.control.conditions import ConditionsControl
from sandbox.personio.control.employees import EmployeesControl
from sandbox.personio.control.errors import HANDLED_ERRORS, answer_control_error
from sandbox.personio.employees import EmployeesApi
from sandbox.personio.errors import ApiError, answer_api_error
from sandbox.personio.gateway import Gateway
from sandbox.personio.state import State


def create_app(state: State) -> Starlette:
    """Returns the application: the vendor's API under ``/v1``, the control API under ``/_control``."""
    apis = (AuthApi, EmployeesApi, EmployeesControl, AccessControl, ConditionsControl)
    return Starlette(
        routes=[route for api in apis for route in api(state).build_routes()],
        middleware=[Middleware(Gateway, state=state)],
        exception_handlers={ApiError: answer_api_error, **dict.fromkeys(HANDLED_ERRORS, answer_control_error)},
    )
