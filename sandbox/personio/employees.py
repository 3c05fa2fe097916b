"""``GET /v1/company/employees`` and its sub-resources (developer.personio.de/reference/get_company-employees)."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.personio import errors
from sandbox.personio.auth import authenticate
from sandbox.personio.catalogue import ATTRIBUTES, sort_keys
from sandbox.personio.company import UnknownEmployeeError
from sandbox.personio.credentials import Token
from sandbox.personio.employee import Employee
from sandbox.personio.gateway import PAGE_FAULTS
from sandbox.personio.pages import build_page
from sandbox.personio.rendering import encode
from sandbox.personio.selection import Selection
from sandbox.personio.state import State

EMPLOYEES = "/v1/company/employees"


class EmployeesApi:
    """Read endpoints of the vendor's employees resource."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Returns the routes of this API."""
        return [
            Route(EMPLOYEES, self.list_employees, methods=["GET"]),
            Route(f"{EMPLOYEES}/attributes", self.list_attributes, methods=["GET"]),
            Route(f"{EMPLOYEES}/custom-attributes", self.list_attributes, methods=["GET"]),
            Route(EMPLOYEES + "/{employee_id:int}", self.get, methods=["GET"]),
            Route(EMPLOYEES + "/{employee_id:int}/profile-picture/{width:int}", self.get_picture, methods=["GET"]),
        ]

    async def list_employees(self, request: Request) -> Response:
        """Returns one page of employees."""
        credential, token = authenticate(self._state, request)
        behaviour = self._state.behaviour
        selection = Selection.parse(request.query_params, credential.whitelist, behaviour)
        employees = selection.select(self._state.company, behaviour, self._state.now())
        await asyncio.sleep(behaviour.deep_page_seconds * (selection.offset // 100))
        page = build_page(employees, selection, request.scope.get(PAGE_FAULTS, ()), behaviour.list_ends_after)
        head = encode(page.build_head(selection))
        data = b",".join(self._render(page.employees, selection.keys))
        return self._build_response(head[:-1] + b',"data":[' + data + b"]}", token)

    async def get(self, request: Request) -> Response:
        """Returns one employee. Raises ``ApiError`` with status 404 for an unknown id."""
        credential, token = authenticate(self._state, request)
        try:
            employee = self._state.company.get(request.path_params["employee_id"])
        except UnknownEmployeeError:
            raise errors.employee_not_found() from None
        (rendered,) = self._render([employee], credential.whitelist)
        return self._build_response(b'{"success":true,"data":' + rendered + b"}", token)

    async def list_attributes(self, request: Request) -> Response:
        """Returns the attributes that the credential may read, except ``id``."""
        credential, token = authenticate(self._state, request)
        language = self._state.behaviour.language
        data = [
            {
                "key": key,
                "label": ATTRIBUTES[key].get_label(language),
                "type": ATTRIBUTES[key].type,
                "universal_id": ATTRIBUTES[key].universal_id,
                "options": ATTRIBUTES[key].options,
            }
            for key in sort_keys(credential.whitelist - {"id"})
        ]
        return self._build_response(encode({"success": True, "data": data}), token)

    async def get_picture(self, request: Request) -> Response:
        """Raises ``ApiError`` with status 404: employees of the sandbox have no profile pictures."""
        authenticate(self._state, request)
        raise errors.picture_not_found()

    def _render(self, employees: list[Employee], keys: frozenset[str]) -> list[bytes]:
        behaviour = self._state.behaviour
        return self._state.renderer.render(employees, keys, behaviour.language, behaviour.supervisor)

    def _build_response(self, body: bytes, token: Token) -> Response:
        with_token = self._state.behaviour.authorization_header
        headers = {"authorization": f"Bearer {token.text}"} if with_token else None
        return Response(body, headers=headers, media_type="application/json")
