"""Control of employees: hires, changes and departures."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.catalogue import ATTRIBUTES
from sandbox.personio.control.body import read_fields, read_model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.control.values import interpret_values
from sandbox.personio.employee import Employee
from sandbox.personio.hiring import find_free_email, generate_newcomer
from sandbox.personio.local_time import format_midnight
from sandbox.personio.rendering import render_attributes
from sandbox.personio.state import State

EMPLOYEES = "/_control/employees"
EMPLOYEE = EMPLOYEES + "/{employee_id:int}"
MAX_HIRES = 1000
"""Maximum number of employees that one request hires."""


class _RequestBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Promotion(_RequestBody):
    """New position and supervisor; fields that the request omits stay unchanged."""

    position: str | None = None
    """Name of the position; None empties it."""
    supervisor: int | None = None
    """Employee id of the supervisor; None empties it."""


class Move(_RequestBody):
    """New units, by name or id; fields that the request omits stay unchanged."""

    office: str | int | None = None
    """Office; None empties it."""
    department: str | int | None = None
    """Department; None empties it."""
    team: str | int | None = None
    """Team; None empties it."""


class Rename(_RequestBody):
    """New last name, and optionally a new e-mail address."""

    last_name: str = Field(min_length=1)
    """New last name."""
    email: str | bool = False
    """New e-mail address. True derives it from the new name; false leaves the address unchanged."""


class Termination(_RequestBody):
    """End of an employment."""

    last_working_day: date | None = None
    """Last working day; None means today. After a future day the status changes on the following day."""
    type: str = "employee"
    """Value of ``termination_type``."""
    reason: str = "Eigenkündigung"
    """Value of ``termination_reason``."""


class EmployeesControl:
    """Endpoints for employees. Every change is saved. Changes of one employee return it as it is after the change."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Returns the routes of this API."""
        return [
            Route(EMPLOYEES, self.list_employees, methods=["GET"]),
            Route(EMPLOYEES, self.hire, methods=["POST"]),
            Route(EMPLOYEE, self.get, methods=["GET"]),
            Route(EMPLOYEE, self.change, methods=["PATCH"]),
            Route(EMPLOYEE, self.delete, methods=["DELETE"]),
            Route(f"{EMPLOYEE}/promote", self.promote, methods=["POST"]),
            Route(f"{EMPLOYEE}/move", self.move, methods=["POST"]),
            Route(f"{EMPLOYEE}/rename", self.rename, methods=["POST"]),
            Route(f"{EMPLOYEE}/terminate", self.terminate, methods=["POST"]),
            Route(f"{EMPLOYEE}/leave", self.start_leave, methods=["POST"]),
            Route(f"{EMPLOYEE}/reactivate", self.reactivate, methods=["POST"]),
            Route(f"{EMPLOYEE}/attributes", self.remove_attributes, methods=["DELETE"]),
        ]

    async def list_employees(self, request: Request) -> Response:
        """Returns a summary of all employees, or of those with the status in ``?status=``."""
        status = request.query_params.get("status")
        employees = sorted(self._state.company.list_employees(), key=lambda employee: employee.id)
        summaries = [_summarize(employee) for employee in employees if status in (None, employee.status)]
        return JSONResponse({"count": len(summaries), "employees": summaries})

    async def get(self, request: Request) -> Response:
        """Returns an employee with all values."""
        return self._build_response(self._state.company.get(_get_id(request)))

    async def hire(self, request: Request) -> Response:
        """Hires ``count`` employees, one by default, with the specified attributes.

        Values that the request omits are generated. Raises ``ControlError`` for an invalid count or value.
        """
        fields = await read_fields(request)
        count = fields.pop("count", 1)
        if not isinstance(count, int) or not 1 <= count <= MAX_HIRES:
            raise ControlError(422, f"count must be an integer from 1 to {MAX_HIRES}")
        employees = [self._hire_one(fields) for _ in range(count)]
        self._state.save(self._state)
        if count == 1:
            return self._build_response(employees[0], status=201)
        return JSONResponse({"count": count, "ids": [employee.id for employee in employees]}, status_code=201)

    async def change(self, request: Request) -> Response:
        """Changes the specified attributes."""
        return self._apply(request, await read_fields(request))

    async def remove_attributes(self, request: Request) -> Response:
        """Removes the attributes in ``?key=`` from the employee, independently of the whitelist."""
        keys = request.query_params.getlist("key")
        employee = self._state.company.remove_attributes(_get_id(request), keys, self._state.now())
        self._state.save(self._state)
        return self._build_response(employee)

    async def promote(self, request: Request) -> Response:
        """Changes position and supervisor."""
        return self._apply(request, (await read_model(request, Promotion)).model_dump(exclude_unset=True))

    async def move(self, request: Request) -> Response:
        """Changes office, department and team."""
        return self._apply(request, (await read_model(request, Move)).model_dump(exclude_unset=True))

    async def rename(self, request: Request) -> Response:
        """Changes last name and preferred name, and optionally the e-mail address."""
        body = await read_model(request, Rename)
        first = str(self._state.company.get(_get_id(request)).values.get("first_name") or "")
        changes = {"last_name": body.last_name, "preferred_name": f"{first} {body.last_name}".strip()}
        if body.email is True:
            changes["email"] = find_free_email(self._state.company, first, body.last_name)
        elif body.email:
            changes["email"] = body.email
        return self._apply(request, changes)

    async def terminate(self, request: Request) -> Response:
        """Sets the termination. The status becomes ``inactive`` unless the last working day is in the future."""
        body = await read_model(request, Termination)
        today = self._state.today()
        last = body.last_working_day or today
        changes = {
            "termination_date": format_midnight(last),
            "last_working_day": format_midnight(last),
            "termination_type": body.type,
            "termination_reason": body.reason,
        }
        return self._apply(request, changes if last > today else {**changes, "status": "inactive"})

    async def start_leave(self, request: Request) -> Response:
        """Sets the status ``leave``."""
        return self._apply(request, {"status": "leave"})

    async def reactivate(self, request: Request) -> Response:
        """Sets the status ``active`` and empties the termination."""
        emptied = ("termination_date", "last_working_day", "termination_type", "termination_reason")
        return self._apply(request, {"status": "active", **dict.fromkeys(emptied)})

    async def delete(self, request: Request) -> Response:
        """Deletes an employee."""
        self._state.company.delete(_get_id(request), self._state.now())
        self._state.save(self._state)
        return Response(status_code=204)

    def _hire_one(self, fields: Mapping[str, Any]) -> Employee:
        company = self._state.company
        values = generate_newcomer(company, interpret_values(company, fields), self._state.today())
        return company.hire(values, self._state.now())

    def _apply(self, request: Request, fields: Mapping[str, Any]) -> Response:
        company, employee_id = self._state.company, _get_id(request)
        company.get(employee_id)
        changes = interpret_values(company, fields, employee_id=employee_id)
        employee = company.change(employee_id, changes, self._state.now())
        self._state.save(self._state)
        return self._build_response(employee)

    def _build_response(self, employee: Employee, status: int = 200) -> Response:
        attributes = render_attributes(self._state.company, employee, ATTRIBUTES)
        values = {key: attribute["value"] for key, attribute in attributes.items()}
        return JSONResponse({**_summarize(employee), "attributes": values}, status_code=status)


def _get_id(request: Request) -> int:
    return int(request.path_params["employee_id"])


def _summarize(employee: Employee) -> dict[str, Any]:
    values = {key: employee.values.get(key) for key in ("status", "first_name", "last_name", "email")}
    return {"id": employee.id, **values}
