"""GET /v1/company/employees and what belongs to it (developer.personio.de/reference/get_company-employees)."""

import asyncio
from math import ceil
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.personio import errors
from sandbox.personio.auth import authenticate
from sandbox.personio.catalogue import ATTRIBUTES, in_order
from sandbox.personio.company import UnknownEmployeeError
from sandbox.personio.credentials import Token
from sandbox.personio.employee import Employee
from sandbox.personio.faults import Fault
from sandbox.personio.gateway import PAGE_FAULTS
from sandbox.personio.rendering import encoded
from sandbox.personio.selection import Selection
from sandbox.personio.state import State

EMPLOYEES = "/v1/company/employees"


class EmployeesApi:
    """The reading half of the vendor's employees resource."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(EMPLOYEES, self.list_employees, methods=["GET"]),
            Route(f"{EMPLOYEES}/attributes", self.attributes, methods=["GET"]),
            Route(f"{EMPLOYEES}/custom-attributes", self.attributes, methods=["GET"]),
            Route(EMPLOYEES + "/{employee_id:int}", self.get, methods=["GET"]),
            Route(EMPLOYEES + "/{employee_id:int}/profile-picture/{width:int}", self.picture, methods=["GET"]),
        ]

    async def list_employees(self, request: Request) -> Response:
        credential, token = authenticate(self._state, request)
        behaviour = self._state.behaviour
        selection = Selection.of(request.query_params, credential.whitelist, behaviour)
        people = selection.people(self._state.company, behaviour, self._state.now())
        await asyncio.sleep(behaviour.deep_page_seconds * (selection.offset // 100))
        faults: list[Fault] = request.scope.get(PAGE_FAULTS, [])
        page = _page(people, selection, faults)
        total = max(0, len(people) - sum(fault.by for fault in faults if fault.kind == "shrink"))
        body = _envelope(selection, total, self._rendered(page, selection.keys))
        return self._answer(body, token)

    async def get(self, request: Request) -> Response:
        credential, token = authenticate(self._state, request)
        try:
            person = self._state.company.get(request.path_params["employee_id"])
        except UnknownEmployeeError:
            raise errors.employee_not_found() from None
        (rendered,) = self._rendered([person], credential.whitelist)
        return self._answer(b'{"success":true,"data":' + rendered + b"}", token)

    async def attributes(self, request: Request) -> Response:
        """What the credential may read, without ``id``."""
        credential, token = authenticate(self._state, request)
        language = self._state.behaviour.language
        data = [
            {
                "key": key,
                "label": ATTRIBUTES[key].named(language),
                "type": ATTRIBUTES[key].type,
                "universal_id": ATTRIBUTES[key].universal_id,
                "options": ATTRIBUTES[key].options,
            }
            for key in in_order(credential.whitelist - {"id"})
        ]
        return self._answer(encoded({"success": True, "data": data}), token)

    async def picture(self, request: Request) -> Response:
        """Nobody here has had a picture taken."""
        authenticate(self._state, request)
        raise errors.picture_not_found()

    def _rendered(self, people: list[Employee], keys: frozenset[str]) -> list[bytes]:
        behaviour = self._state.behaviour
        return self._state.renderer.employees(people, keys, behaviour.language, behaviour.supervisor)

    def _answer(self, body: bytes, token: Token) -> Response:
        with_token = self._state.behaviour.authorization_header
        headers = {"authorization": f"Bearer {token.text}"} if with_token else None
        return Response(body, headers=headers, media_type="application/json")


def _page(people: list[Employee], selection: Selection, faults: list[Fault]) -> list[Employee]:
    """``duplicate``: the last of the page before comes again instead of this page's first; ``skip``: it is missing."""
    page = people[selection.offset : selection.offset + selection.limit]
    kinds = {fault.kind for fault in faults}
    if "duplicate" in kinds and page:
        page = [people[selection.offset - 1], *page[1:]]
    return page[1:] if "skip" in kinds else page


def _envelope(selection: Selection, total: int, rendered: list[bytes]) -> bytes:
    """``offset`` counts records, ``current_page`` counts from 0."""
    metadata: dict[str, Any] = {
        "total_elements": total,
        "current_page": selection.offset // selection.limit,
        "total_pages": max(1, ceil(total / selection.limit)),
    }
    head = encoded({"success": True, "metadata": metadata, "offset": selection.offset, "limit": selection.limit})
    return head[:-1] + b',"data":[' + b",".join(rendered) + b"]}"
